"""One file of a repository: which bytes are asked for, and which answers are believed."""

from __future__ import annotations

import errno
import hashlib
import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fpcore.errors import BadCheckpoint
from fpcore.remote import remote_file
from fpcore.remote.partial_file import PartialFile
from fpcore.remote.remote_file import EXPIRED, RangedStream, RemoteFile, gathered
from fpcore.remote.repository import Repository, RepositoryFile
from fpcore.remote.requests import Answer, CutOff, Refused
from fpcore.remote.traffic import Traffic

COMMIT = "0a" * 20
CONTENT = bytes(range(100))
SHA = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob 100\0" + CONTENT, usedforsecurity=False).hexdigest()


class Server:
    """Answers in the place of `ask`, and notes who is asked for what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self.store = ""  # where the hub sends its readers
        self.refusal: Refused | None = None
        self.changes: dict[str, Any] = {}
        self.cut = 0
        monkeypatch.setattr(remote_file, "ask", self.ask)

    def ask(
        self,
        url: str,
        use: Callable[[Answer], None],
        *,
        traffic: Traffic,
        headers: Callable[[], Mapping[str, str]],
    ) -> None:
        assert isinstance(traffic, Traffic)
        (wanted,) = headers().values()
        assert set(headers()) == {"Range"}
        self.asked.append((url, wanted))
        if self.refusal is not None and url == self.store:
            raise self.refusal
        begin, end = map(int, wanted.removeprefix("bytes=").split("-"))
        facts: dict[str, Any] = {
            "url": self.store or url,
            "status": 206,
            "headers": {"content-range": f"bytes {begin}-{end}/100", "etag": "one"},
            "first": {"x-repo-commit": COMMIT, "x-linked-etag": f'W/"{SHA}"', "x-linked-size": "100"},
        }
        facts |= {
            key: {**facts[key], **more} if isinstance(more, dict) else more
            for key, more in self.changes.items()
        }
        facts = {
            key: {name: each for name, each in fact.items() if each is not None}
            if isinstance(fact, dict)
            else fact
            for key, fact in facts.items()
        }
        use(Body(CONTENT[begin : end + 1 - self.cut], end + 1 - begin, **facts))


class Body(Answer):
    """An answer whose body is at hand."""

    def __init__(self, content: bytes, wanted: int, **facts: Any) -> None:
        super().__init__(**facts, response=None)  # type: ignore[arg-type]
        object.__setattr__(self, "content", content)
        object.__setattr__(self, "wanted", wanted)

    def body(self, traffic: Traffic, most: int) -> Iterator[bytes]:
        content: bytes = self.content  # type: ignore[attr-defined]
        assert isinstance(traffic, Traffic)
        assert most == self.wanted  # type: ignore[attr-defined]
        yield from (content[start : start + 7] for start in range(0, len(content), 7))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def opened(folder: Path, sha256: str | None = SHA, blob: str | None = None, size: int = 100) -> RemoteFile:
    file = RepositoryFile("a.bin", size, sha256, blob)
    return RemoteFile(Repository("org/name", None, COMMIT, {}), file, folder / "a.bin", Traffic("m"))


def test_a_span_is_asked_for_and_kept(tmp_path: Path, server: Server) -> None:
    file = opened(tmp_path)
    file.fetch((10, 30))
    assert server.asked == [(file.url, "bytes=10-29")]
    assert file.read(10, 30) == CONTENT[10:30]
    assert file.present == [(10, 30)]


def test_the_store_is_asked_again_until_its_address_expires(tmp_path: Path, server: Server) -> None:
    file, server.store = opened(tmp_path), "https://store/a?signed"
    file.fetch((0, 10))
    file.fetch((10, 20))
    server.refusal = Refused("gone", 403)
    assert 403 in EXPIRED
    file.fetch((20, 30))
    hub, store = file.url, server.store
    assert [url for url, _ in server.asked] == [hub, store, store, hub]
    server.refusal = Refused("broken", 500)
    with pytest.raises(Refused, match="broken"):
        file.fetch((30, 40))
    again = pickle.loads(pickle.dumps(file))
    again.fetch((40, 50))
    assert server.asked[-2:] == [(store, "bytes=30-39"), (hub, "bytes=40-49")]


def test_an_address_that_has_expired_is_forgotten(tmp_path: Path, server: Server) -> None:
    file, server.store = opened(tmp_path), "https://store/a?signed"
    file.fetch((0, 10))
    server.refusal, server.changes = Refused("gone", 404), {"status": 200}
    with pytest.raises(BadCheckpoint, match="does not serve byte ranges"):
        file.fetch((10, 20))
    server.refusal, server.changes = None, {}
    file.fetch((10, 20))
    assert server.asked[-1] == (file.url, "bytes=10-19")


def test_an_address_of_the_hub_itself_is_not_kept(tmp_path: Path, server: Server) -> None:
    file = opened(tmp_path)
    server.store = f"{file.url}?moved"
    file.fetch((0, 10))
    file.fetch((10, 20))
    assert [url for url, _ in server.asked] == 2 * [file.url]


def test_what_came_before_a_break_is_kept(tmp_path: Path, server: Server) -> None:
    file, server.cut = opened(tmp_path), 4
    with pytest.raises(CutOff, match=r"a\.bin: the body ended 4 bytes early"):
        file.fetch((0, 20))
    assert file.present == [(0, 16)]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 200, "headers": {"content-range": None}},
        {"first": {"x-repo-commit": None, "x-linked-etag": None, "x-linked-size": None}},
        {"headers": {"content-range": " bytes 0-99/* ", "etag": None}},
        {"headers": {"content-range": "bytes 0-50/100"}},
    ],
)
def test_an_answer_that_is_believed(tmp_path: Path, server: Server, changes: dict[str, Any]) -> None:
    file, server.changes = opened(tmp_path), changes
    file.fetch((0, 100))
    assert file.complete


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"first": {"x-repo-commit": "b" * 50}}, f"serves commit '{'b' * 40}' where {COMMIT} was asked for"),
        ({"first": {"x-linked-etag": "another"}}, "the file changed on the hub between reads; rerun"),
        ({"first": {"x-linked-size": "101"}}, "the file changed on the hub between reads; rerun"),
        ({"headers": {"etag": "two"}}, "the file changed on the hub between reads; rerun"),
        (
            {"headers": {"content-range": "bytes 10-19/101"}},
            "the file changed on the hub between reads; rerun",
        ),
        ({"status": 200}, "the server does not serve byte ranges; download the model first"),
        (
            {"headers": {"content-range": None}},
            "the server sent 'no range' instead of bytes 10-19",
        ),
        (
            {"headers": {"content-range": "bytes 9-19/100"}},
            "the server sent 'bytes 9-19/100' instead of bytes 10-19",
        ),
        (
            {"headers": {"content-range": "bytes 10-20/100"}},
            "the server sent 'bytes 10-20/100' instead of bytes 10-19",
        ),
        ({"headers": {"content-range": "x" * 90}}, f"the server sent '{'x' * 80}' instead of bytes 10-19"),
    ],
)
def test_an_answer_that_is_not(tmp_path: Path, server: Server, changes: dict[str, Any], why: str) -> None:
    file = opened(tmp_path)
    file.fetch((0, 10))
    server.changes = changes
    with pytest.raises(BadCheckpoint) as refused:
        file.fetch((10, 20))
    assert str(refused.value).startswith(file.url)
    assert why in str(refused.value)
    assert file.present == [(0, 10)]


def test_each_server_has_versions_of_its_own(tmp_path: Path, server: Server) -> None:
    file = opened(tmp_path, sha256=None)
    for at, host in enumerate(("", "https://store", "https://other")):
        server.store = f"{host}/x/a" if host else ""
        server.changes = {"headers": {"etag": f"of {host}"}, "first": {"x-linked-etag": "b"}}
        file._signed = None
        file.fetch((10 * at, 10 * at + 10))
    assert file.present == [(0, 30)]
    server.store, file._signed = "https://other/y/a", None
    server.changes = {"headers": {"etag": "of https://store"}}
    with pytest.raises(BadCheckpoint, match="the file changed on the hub between reads"):
        file.fetch((30, 40))


def test_the_whole_of_a_file_may_come_without_ranges_and_a_part_may_not(
    tmp_path: Path, server: Server
) -> None:
    for span in ((0, 99), (1, 100)):
        file, server.changes = opened(tmp_path), {"status": 200}
        with pytest.raises(BadCheckpoint, match="does not serve byte ranges"):
            file.fetch(span)


@pytest.mark.parametrize(
    ("sha256", "blob", "confirmed"), [(SHA, None, True), (None, BLOB, True), (None, None, False)]
)
def test_a_whole_file_is_compared_with_its_digest_once(
    tmp_path: Path, server: Server, sha256: str | None, blob: str | None, confirmed: bool
) -> None:
    file = opened(tmp_path, sha256, blob)
    file.fetch((0, 99))
    file.verify()
    assert (file.verified, file.confirmed) == (False, False)
    file.fetch((99, 100))
    file.verify()
    assert (file.verified, file.confirmed) == (True, confirmed)
    assert file.sha256() == SHA
    file.path.write_bytes(bytes(100))
    file.verify()  # not again
    assert file.complete


@pytest.mark.parametrize(("sha256", "blob"), [("b" * 64, None), (None, "b" * 40)])
def test_a_file_of_another_content_is_deleted(
    tmp_path: Path, server: Server, sha256: str | None, blob: str | None
) -> None:
    file = opened(tmp_path, sha256, blob)
    server.changes = {"first": {"x-linked-etag": None}}
    file.fetch((0, 100))
    with pytest.raises(BadCheckpoint, match="its content does not match the hub's digest; fetch it again"):
        file.verify()
    assert file.present == []
    assert not file.verified


def test_a_file_of_the_cache_needs_no_check(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(100))
    described = RepositoryFile("a.bin", 100, SHA)
    repository = Repository("org/name", None, COMMIT, {})
    file = RemoteFile(repository, described, tmp_path / "a.bin", Traffic("m"), whole=True)
    file.verify()
    assert (file.complete, file.verified, file.confirmed) == (True, True, False)


def test_a_file_longer_than_any_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OSError(errno.EFBIG, "too large"), OverflowError()):
        monkeypatch.setattr(PartialFile, "_take_up", lambda self, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(BadCheckpoint, match=r"says that it has 100 bytes; no file here can be that long"):
            opened(tmp_path)
    full = OSError(errno.ENOSPC, "disk full")
    monkeypatch.setattr(PartialFile, "_take_up", lambda self: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="disk full"):
        opened(tmp_path)


@pytest.mark.parametrize(("error", "kept"), [(OSError("cut"), [b"abc"]), (BadCheckpoint("wrong"), [])])
def test_pieces_are_gathered_and_none_is_lost(
    error: Exception, kept: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "WRITE", 4)
    assert list(gathered(iter([b"ab", b"cd", b"ef", b"", b"g"]))) == [b"abcd", b"efg"]
    assert list(gathered(iter([b"ab", b"cd"]))) == [b"abcd"]

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise error

    found: list[bytes] = []
    with pytest.raises(type(error)):
        found.extend(gathered(broken()))
    assert found == kept

    def broken_at_once() -> Iterator[bytes]:
        raise error
        yield b""

    with pytest.raises(type(error)):
        next(gathered(broken_at_once()))


def test_a_stream_reads_ahead_of_who_goes_on(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_file, "FIRST", 4)
    monkeypatch.setattr(remote_file, "AHEAD", 10)
    stream = RangedStream(opened(tmp_path))
    assert (stream.readable(), stream.seekable(), stream.tell()) == (True, True, 0)
    assert stream.read(2) == CONTENT[:2]
    assert stream.read(4) == CONTENT[2:6]
    assert stream.read(7) == CONTENT[6:13]
    assert stream.read(20) == CONTENT[13:33]
    assert (stream.seek(50), stream.tell()) == (50, 50)
    assert stream.read(1) == CONTENT[50:51]
    assert stream.seek(-3, io.SEEK_END) == 97
    assert stream.read(10) == CONTENT[97:]
    assert stream.read(10) == b""
    assert stream.seek(-200, io.SEEK_CUR) == 0
    assert stream.seek(105) == 105
    assert stream.read(1) == b""
    assert [wanted for _, wanted in server.asked] == [
        "bytes=0-3",
        "bytes=4-11",
        "bytes=12-21",
        "bytes=22-32",
        "bytes=50-53",
        "bytes=97-99",
    ]
