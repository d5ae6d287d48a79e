"""Where a redirect may lead, without a network that answers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fpcore.errors import BadCheckpoint
from fpcore.remote.addresses import next_address, same_host

KNOWN = {
    "public.org": ["93.184.216.34"],
    "other.org": ["93.184.216.35", "2606:2800:220:1::1"],
    "home.org": ["10.0.0.7"],
    "printer.home": ["192.168.0.9"],
    "half.org": ["93.184.216.34", "127.0.0.1"],
    "link.org": ["fe80::1%eth0"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(host: str, port: None, **_: Any) -> list[tuple[Any, ...]]:
        if host == "long.org":
            raise UnicodeError("label too long")
        if host not in KNOWN:
            raise OSError("name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in KNOWN[host]]

    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("https://public.org/a", "https://PUBLIC.org:443/b?c", True),
        ("http://public.org:80/a", "http://public.org", True),
        ("http://public.org", "https://public.org", False),
        ("https://public.org", "https://public.org:8443", False),
        ("https://public.org", "https://cdn.public.org", False),
        ("ftp://public.org", "ftp://public.org:21", False),
        ("a", "b", True),
    ],
)
def test_a_token_is_for_one_scheme_host_and_port(one: str, other: str, expected: bool) -> None:
    assert same_host(one, other) is expected


@pytest.mark.parametrize(
    ("here", "location", "to"),
    [
        ("https://public.org/a/b", "../c?d=1", "https://public.org/c?d=1"),
        ("https://public.org/a", "https://other.org/a", "https://other.org/a"),
        ("http://public.org/a", "https://other.org:8443/a", "https://other.org:8443/a"),
        ("http://public.org/a", "http://other.org/a", "http://other.org/a"),
        ("https://public.org/a", "https://nobody.knows/a", "https://nobody.knows/a"),
        ("https://public.org/a", "https://long.org/a", "https://long.org/a"),
        ("https://home.org/a", "https://printer.home/a", "https://printer.home/a"),
        ("https://home.org/a", "/b", "https://home.org/b"),
        ("https://home.org/a", "https://home.org:8080/b", "https://home.org:8080/b"),
    ],
)
def test_a_redirect_that_is_followed(here: str, location: str, to: str) -> None:
    assert next_address(here, location) == to


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("ftp://other.org/a", "redirects to ftp://other.org, which is not a web address; not followed"),
        ("https://:443/a", "redirects to https://, which is not a web address; not followed"),
        (
            "http://other.org/a",
            "to http://other.org, from an encrypted to an unencrypted address; not followed",
        ),
        ("https://printer.home/a", "redirects to https://printer.home, a private address; not followed"),
        ("https://half.org/a", "redirects to https://half.org, a private address; not followed"),
        ("https://link.org/a", "redirects to https://link.org, a private address; not followed"),
    ],
)
def test_a_redirect_that_is_not(location: str, why: str) -> None:
    with pytest.raises(BadCheckpoint, match=rf"^public\.org .*{why}$"):
        next_address("https://public.org/x", location)
