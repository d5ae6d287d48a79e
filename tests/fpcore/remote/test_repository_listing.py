"""What the hub answers about a repository is its files at one commit, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import constants

from fpcore.errors import BadCheckpoint
from fpcore.remote import repository
from fpcore.remote.repository import (
    LONGEST_LISTING,
    Repository,
    RepositoryFile,
    described,
    described_repository,
    listing,
    look_up,
    size_of,
)
from fpcore.remote.requests import Answer
from fpcore.remote.traffic import Traffic

COMMIT, SHA, BLOB = "0a" * 20, "1b" * 32, "2c" * 20
TRAFFIC = Traffic()


@pytest.fixture(autouse=True)
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub")


def answering(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[Any]:
    """What is asked where the hub answers with that."""
    asked: list[Any] = []

    def read_all(url: str, most: int, *, traffic: Traffic) -> bytes:
        asked.append((url, most, traffic))
        return content

    monkeypatch.setattr(repository, "read_all", read_all)
    return asked


def test_files_have_addresses_and_keys() -> None:
    found = Repository("org/name", None, COMMIT, {})
    assert found.address("a b/c#1.bin") == f"https://hub/org/name/resolve/{COMMIT}/a%20b/c%231.bin"
    assert RepositoryFile("a", 1, SHA, BLOB).key == SHA
    assert RepositoryFile("a", 1, None, BLOB).key == BLOB
    assert RepositoryFile("a", 1).key is None


@pytest.mark.parametrize(("revision", "at"), [(None, ""), ("refs/pr/1", "/revision/refs%2Fpr%2F1")])
def test_a_revision_is_asked_for(revision: str | None, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"sha": COMMIT, "siblings": [{"rfilename": "a.bin", "size": 3, "blobId": BLOB}]}
    asked = answering(monkeypatch, json.dumps(told).encode())
    url = f"https://hub/api/models/org/name{at}?blobs=true"
    assert listing("org/name", revision, TRAFFIC) == (told, url)
    found = look_up("org/name", revision, TRAFFIC)
    assert found == Repository(
        "org/name", revision, COMMIT, {"a.bin": RepositoryFile("a.bin", 3, None, BLOB)}
    )
    assert asked == 2 * [(url, LONGEST_LISTING, TRAFFIC)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{}", "KeyError"),
        (b"<html>", "JSONDecodeError"),
        (b"[" * 10**5, "RecursionError"),
        (b"[1]", r"TypeError\('list'\)"),
    ],
)
def test_an_answer_that_is_no_listing(content: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, content)
    with pytest.raises(
        BadCheckpoint, match=rf"^https://hub/.*: the answer is not a repository listing \({why}"
    ):
        look_up("org/name", None, TRAFFIC)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, r"not a repository listing \(KeyError\('sha'\)\)"),
        ({"sha": COMMIT, "siblings": {"a": 1}}, r"not a repository listing \(TypeError\('siblings'\)\)"),
        ({"sha": COMMIT, "siblings": ["a"]}, r"not a repository listing \(TypeError\('siblings'\)\)"),
        ({"sha": COMMIT, "siblings": [{"size": 1}]}, r"not a repository listing \(KeyError\('rfilename'\)\)"),
        *(({"sha": sha}, "which is not a commit hash") for sha in ("main", COMMIT.upper(), COMMIT + "0", 5)),
        ({"sha": "x" * 200}, f"the hub calls its commit '{'x' * 80}', which is not a commit hash"),
    ],
)
def test_a_listing_that_is_damaged(content: dict[str, Any], why: str) -> None:
    with pytest.raises(BadCheckpoint, match=f"^an address: .*{why}$"):
        described_repository("org/name", None, content, "an address", TRAFFIC)


def test_sizes_that_are_not_told_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def size_of(url: str, traffic: Traffic) -> int:
        assert traffic is TRAFFIC
        asked.append(url)
        return len(asked)

    monkeypatch.setattr(repository, "size_of", size_of)
    told = [{"rfilename": "a.bin", "lfs": {"sha256": SHA}}, {"rfilename": "b.bin", "size": 0}]
    content = {"sha": COMMIT + 24 * "0", "siblings": [*told, {"rfilename": "c.json", "blobId": BLOB}]}
    found = described_repository("org/name", "v1", content, "an address", TRAFFIC)
    files = [
        RepositoryFile("a.bin", 1, SHA),
        RepositoryFile("b.bin", 0),
        RepositoryFile("c.json", 2, None, BLOB),
    ]
    assert found == Repository("org/name", "v1", COMMIT + 24 * "0", {file.name: file for file in files})
    at = f"https://hub/org/name/resolve/{COMMIT}{24 * '0'}"
    assert asked == [f"{at}/a.bin", f"{at}/c.json"]
    answering(monkeypatch, json.dumps(content).encode())
    assert look_up("org/name", None, TRAFFIC).files["c.json"].size == 4
    assert described_repository("o/n", None, {"sha": COMMIT}, "an address", TRAFFIC).files == {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"size": 5, "blobId": BLOB}, (5, None, BLOB)),
        ({"size": 5, "blobId": BLOB, "lfs": {"size": 7, "sha256": SHA}}, (7, SHA, None)),
        ({"size": 5, "blobId": BLOB, "lfs": {"sha256": SHA}}, (5, SHA, None)),
        ({"size": 5, "blobId": BLOB, "lfs": None}, (5, None, BLOB)),
        ({"size": 0, "blobId": BLOB + "0"}, (0, None, None)),
        ({"size": 1, "blobId": 5, "lfs": {"sha256": SHA + "0"}}, (1, None, None)),
        ({"lfs": {"size": 1, "sha256": 5}}, (1, None, None)),
        *(({"size": size}, (-1, None, None)) for size in (-1, True, "5", 5.0, None)),
    ],
)
def test_what_a_listing_says_of_a_file(entry: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert described({"rfilename": "a/b.bin", **entry}) == RepositoryFile("a/b.bin", *expected)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/../b", "/a", "a\\b", "a\0b", "c:a", "c:/a", "a//b", "a/", "./a", "a/./b"],
)
def test_a_name_that_leads_out_of_the_repository(name: str) -> None:
    with pytest.raises(BadCheckpoint, match="which is not a path within a repository"):
        described({"rfilename": name, "size": 1})


def test_a_name_that_leads_nowhere_else() -> None:
    for name in ("a..b", "a/b:c", "...", "a b/é.bin"):
        assert described({"rfilename": name, "size": 1}).name == name
    with pytest.raises(BadCheckpoint, match=f"^the hub lists a file '{'/' * 80}', which"):
        described({"rfilename": "/" * 100, "size": 1})


@pytest.mark.parametrize(
    ("first", "headers", "size"),
    [
        ({"x-linked-size": "7"}, {"content-length": "3"}, 7),
        ({}, {"content-length": "3"}, 3),
        ({}, {}, None),
        ({}, {"content-length": "-3"}, None),
    ],
)
def test_the_length_of_a_file(
    first: dict[str, str], headers: dict[str, str], size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(url: str, use: Callable[[Answer], None], *, traffic: Traffic, method: str) -> None:
        assert (url, traffic, method) == ("an address", TRAFFIC, "HEAD")
        use(Answer(url, 200, headers, first, None))  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "ask", ask)
    if size is None:
        with pytest.raises(BadCheckpoint, match=r"^an address: the hub does not say how long it is$"):
            size_of("an address", TRAFFIC)
    else:
        assert size_of("an address", TRAFFIC) == size
