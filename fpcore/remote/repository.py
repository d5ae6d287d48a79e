"""What a repository on the hub holds at one commit: its files with their sizes and digests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import Json
from fpcore.remote.requests import Answer, ask, read_all
from fpcore.remote.traffic import Traffic

__all__ = ["Repository", "RepositoryFile", "described_repository", "listing", "look_up"]

COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
BLOB: Final = re.compile(r"[0-9a-f]{40}")
LONGEST_LISTING: Final = 1 << 26  # bytes


@dataclass(frozen=True)
class RepositoryFile:
    """One file.

    Attributes
    ----------
    name : str
        Its path within the repository.
    size : int
        In bytes.
    sha256 : str or None
        Of the content, where it is in large-file storage.
    blob : str or None
        Git's digest of the content, where it is not.
    """

    name: str
    size: int
    sha256: str | None = None
    blob: str | None = None

    @property
    def key(self) -> str | None:
        """What the hub's cache calls the content; None where the hub gave no digest."""
        return self.sha256 or self.blob


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    Attributes
    ----------
    id : str
        ``org/name``.
    revision : str or None
        As it was asked for.
    commit : str
        Hexadecimal.
    files : mapping of str to RepositoryFile
    """

    id: str
    revision: str | None
    commit: str
    files: Mapping[str, RepositoryFile]

    def address(self, file: str) -> str:
        """Where the hub serves a file."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{self.id}/resolve/{self.commit}/{quote(file)}"


def look_up(repository: str, revision: str | None, traffic: Traffic) -> Repository:
    """Ask the hub what a revision holds.

    Parameters
    ----------
    repository : str
        ``org/name``.
    revision : str or None
        Branch, tag or commit; None for the default branch.
    traffic : Traffic

    Raises
    ------
    Refused
        There is no such model or revision, or it may not be seen.
    Unreachable
        Nobody answers.
    BadCheckpoint
        What the hub answers is no listing.
    """
    content, url = listing(repository, revision, traffic)
    return described_repository(repository, revision, content, url, traffic)


def listing(repository: str, revision: str | None, traffic: Traffic) -> tuple[dict[str, Json], str]:
    """What the hub answers about a revision, and at which address; parameters and errors as `look_up`."""
    from huggingface_hub import constants

    at = "" if revision is None else f"/revision/{quote(revision, safe='')}"
    url = f"{constants.ENDPOINT}/api/models/{repository}{at}?blobs=true"
    try:
        content = json.loads(read_all(url, LONGEST_LISTING, traffic=traffic))
    except (ValueError, RecursionError) as error:
        raise no_listing(url, error) from error
    if not isinstance(content, dict):
        raise no_listing(url, TypeError(type(content).__name__))
    return content, url


def no_listing(url: str, error: Exception) -> BadCheckpoint:
    """What to say of an answer that is something else."""
    return BadCheckpoint(f"{url}: the answer is not a repository listing ({error!r})")


def described_repository(
    repository: str, revision: str | None, content: Mapping[str, Json], url: str, traffic: Traffic
) -> Repository:
    """What a listing says of files and commit; errors as `look_up`."""
    siblings = content.get("siblings") or []
    try:
        commit = content["sha"]
        if not isinstance(siblings, list) or not all(isinstance(entry, Mapping) for entry in siblings):
            raise TypeError("siblings")
        files = [described(entry) for entry in siblings]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_listing(url, error) from error
    # It becomes part of addresses and of paths on this machine.
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise BadCheckpoint(
            f"{url}: the hub calls its commit {str(commit)[:80]!r}, which is not a commit hash"
        )
    found = Repository(repository, revision, commit, {file.name: file for file in files})
    missing = [file for file in files if file.size < 0]
    for file in missing:
        size = size_of(found.address(file.name), traffic)
        found = Repository(
            repository,
            revision,
            commit,
            {**found.files, file.name: RepositoryFile(file.name, size, file.sha256, file.blob)},
        )
    return found


def described(entry: Mapping[str, Json]) -> RepositoryFile:
    """One file of a listing; the size is -1 where it is not told.

    Raises
    ------
    BadCheckpoint
        Its name leads out of the repository.
    """
    name = str(entry["rfilename"])
    parts = PurePosixPath(name).parts
    outside = not parts or ".." in parts or name.startswith("/") or "\\" in name or "\0" in name
    if outside or ":" in parts[0] or str(PurePosixPath(*parts)) != name:
        raise BadCheckpoint(f"the hub lists a file {name[:80]!r}, which is not a path within a repository")
    large = entry.get("lfs")
    stated = large if isinstance(large, Mapping) else {}
    sha256, blob, size = stated.get("sha256"), entry.get("blobId"), stated.get("size", entry.get("size"))
    return RepositoryFile(
        name,
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else -1,
        sha256 if isinstance(sha256, str) and DIGEST.fullmatch(sha256) else None,
        blob if not stated and isinstance(blob, str) and BLOB.fullmatch(blob) else None,
    )


def size_of(url: str, traffic: Traffic) -> int:
    """The length of a file, by its header alone."""
    found: list[int] = []

    def use(answer: Answer) -> None:
        stated = answer.first.get("x-linked-size") or answer.headers.get("content-length") or ""
        if not stated.isdigit():
            raise BadCheckpoint(f"{url}: the hub does not say how long it is")
        found.append(int(stated))

    ask(url, use, traffic=traffic, method="HEAD")
    return found[-1]
