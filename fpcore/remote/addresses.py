"""Which addresses a redirect may lead to, and which of them see the user's token."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urljoin, urlsplit

from fpcore.errors import BadCheckpoint

__all__ = ["MOST_REDIRECTS", "next_address", "same_host"]

MOST_REDIRECTS: Final = 5
PORTS: Final = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)


def same_host(one: str, other: str) -> bool:
    """Whether two addresses have one scheme, host and port: only then do they see one token.

    Examples
    --------
    >>> same_host("https://huggingface.co/a", "https://huggingface.co:443/b")
    True
    >>> same_host("https://huggingface.co/a", "https://cdn-lfs.huggingface.co/a")
    False
    """
    return origin(one) == origin(other)


def next_address(here: str, location: str) -> str:
    """Where a redirect leads.

    Raises
    ------
    BadCheckpoint
        To something else than HTTP, from an encrypted address to one in the clear, or from the public
        network to a private address: such an answer reaches for what only this machine can see.
    """
    to = urljoin(here, location)
    scheme, host, _ = origin(to)
    before = origin(here)
    shown = f"{before[1]} redirects to {scheme}://{host}"
    if scheme not in PORTS or not host:
        raise BadCheckpoint(f"{shown}, which is not a web address; not followed")
    if before[0] == "https" and scheme != "https":
        raise BadCheckpoint(f"{shown}, from an encrypted to an unencrypted address; not followed")
    if host != before[1] and is_private(host) and not is_private(before[1]):
        raise BadCheckpoint(f"{shown}, a private address; not followed")
    return to


def is_private(host: str) -> bool:
    """Whether a name leads to this machine or its network; a name that nobody knows does not."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False  # behind a proxy names may be known to the proxy alone
    addresses = [ipaddress.ip_address(str(one)) for one in found]
    return any(not one.is_global for one in addresses)
