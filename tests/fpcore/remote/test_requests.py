"""One question to the hub, answered by a client that stands in for the hub's."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import huggingface_hub.utils
import pytest
from huggingface_hub import constants

from fpcore.errors import BadCheckpoint
from fpcore.remote import patience, requests
from fpcore.remote.requests import Answer, CutOff, Refused, Unreachable, ask, read_all
from fpcore.remote.traffic import Fetched, Traffic

HUB, STORE = "https://hub.org/a", "https://store.org/b?signed"


@dataclass
class Reply:
    """An answer, or what the client raises instead."""

    status_code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = (b"ab", b"c")
    error: Exception | None = None

    def iter_raw(self) -> Iterator[bytes]:
        yield from self.chunks


class Client:
    """The hub's client: gives replies in turn, the last one for ever, and notes what was asked."""

    def __init__(self) -> None:
        self.replies = [Reply()]
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.open = 0

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: dict[str, str], timeout: float, follow_redirects: bool
    ) -> Iterator[Reply]:
        assert (timeout, follow_redirects) == (30.0, False)
        self.asked.append((method, url, headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.error is not None:
            raise reply.error
        self.open += 1
        yield reply
        self.open -= 1


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    own = {"authorization": "Bearer token", "user-agent": "me", "Accept-Encoding": "gzip"}
    monkeypatch.setattr(huggingface_hub.utils, "get_session", lambda: made)
    monkeypatch.setattr(huggingface_hub.utils, "build_hf_headers", lambda: dict(own))
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.org")
    monkeypatch.setattr("fpcore.remote.addresses.is_private", lambda host: False)
    return made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(patience, "pause", found.append)
    monkeypatch.setattr(
        patience, "wait_before", lambda attempt, asked: float(attempt) if asked is None else asked
    )
    return found


def test_an_answer_is_read_and_counted(client: Client) -> None:
    traffic = Traffic()
    client.replies = [Reply(headers={"X-Repo-Commit": "c"})]
    found: list[Any] = []

    def use(answer: Answer) -> None:
        found.append((answer.url, answer.status, answer.headers, answer.first, client.open))
        found.append(b"".join(answer.body(traffic, 3)))

    ask(HUB, use, traffic=traffic, method="HEAD", headers=lambda: {"Range": "bytes=0-2"})
    told = {"x-repo-commit": "c"}
    assert found == [(HUB, 200, told, told, 1), b"abc"]
    assert client.open == 0
    sent = {"authorization": "Bearer token", "user-agent": "me", "Accept-Encoding": "identity"}
    assert client.asked == [("HEAD", HUB, sent | {"Range": "bytes=0-2"})]
    assert (traffic.so_far.bytes, traffic.so_far.requests) == (3, 1)
    assert 0 < traffic.so_far.seconds < 60


def test_the_token_stays_with_the_hub(client: Client) -> None:
    client.replies = [Reply(302, {"Location": STORE, "X-Repo-Commit": "c"}), Reply(206, {"etag": "e"})]
    found: list[Answer] = []
    traffic = Traffic()
    ask(HUB, found.append, traffic=traffic, headers=lambda: {"Cookie": "c", "Range": "r"})
    assert (found[0].url, found[0].status, found[0].headers) == (STORE, 206, {"etag": "e"})
    assert found[0].first == {"location": STORE, "x-repo-commit": "c"}
    assert [(method, url) for method, url, _ in client.asked] == [("GET", HUB), ("GET", STORE)]
    at_hub, at_store = (headers for _, _, headers in client.asked)
    assert at_hub["authorization"] == "Bearer token"
    assert at_store == {"user-agent": "me", "Accept-Encoding": "identity", "Range": "r"}
    assert traffic.so_far.requests == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_end(client: Client, status: int) -> None:
    client.replies = [Reply(status, {"location": "/next?signed"})]
    with pytest.raises(BadCheckpoint, match=r"^https://hub\.org/a: more than 5 redirects; not followed$"):
        ask(f"{HUB}?signed", print, traffic=Traffic())
    assert len(client.asked) == 6
    client.replies = [*(Reply(status, {"location": "/next"}) for _ in range(5)), Reply()]
    assert read_all(HUB, 3, traffic=Traffic()) == b"abc"


def test_a_redirect_to_nowhere_and_a_place_beside_an_answer(client: Client) -> None:
    found: list[int] = []
    for reply in (Reply(302), Reply(201, {"location": STORE})):
        client.replies = [reply]
        ask(HUB, lambda answer: found.append(answer.status), traffic=Traffic())
    assert found == [302, 201]
    assert len(client.asked) == 2


@pytest.mark.parametrize(
    ("reply", "said", "code"),
    [
        (Reply(404), "404 Not Found", ""),
        (Reply(403, {"X-Error-Code": "GatedRepo"}), "403 GatedRepo", "GatedRepo"),
        (Reply(400, {"X-Error-Code": "C", "X-Error-Message": "x" * 300}), f"400 {'x' * 200}", "C"),
        (Reply(499), "499 no such status", ""),
    ],
)
def test_a_refusal_is_told_at_once(
    client: Client, waits: list[float], reply: Reply, said: str, code: str
) -> None:
    client.replies = [reply]
    with pytest.raises(Refused) as refused:
        ask(f"{HUB}?signed", print, traffic=Traffic())
    for error in (refused.value, pickle.loads(pickle.dumps(refused.value))):
        assert (str(error), error.status, error.code) == (f"{HUB}: {said}", reply.status_code, code)
    assert (len(client.asked), waits) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        CutOff("cut"),
        OSError("reset"),
        type("ReadTimeout", (type("TransportError", (Exception,), {}),), {})("slow"),
        type("StreamError", (Exception,), {})("closed"),
    ],
)
def test_what_passes_is_tried_again(client: Client, waits: list[float], error: Exception) -> None:
    traffic = Traffic()
    client.replies = [Reply(503, {"retry-after": "7"}), Reply(error=error), Reply(429), Reply()]
    assert read_all(HUB, 3, traffic=traffic) == b"abc"
    assert waits == [7.0, 2.0, 3.0]
    assert traffic.so_far.requests == 4


def test_patience_ends(client: Client, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    client.replies = [Reply(503)]
    with pytest.raises(Refused, match="503 Service Unavailable"):
        read_all(HUB, 3, traffic=Traffic())
    assert (len(client.asked), len(waits)) == (patience.TRIES, patience.TRIES - 1)
    client.replies = [Reply(error=OSError("reset"))]
    with pytest.raises(Unreachable, match=r"^https://hub\.org/a: OSError: reset$"):
        read_all(f"{HUB}?signed", 3, traffic=Traffic())
    assert len(client.asked) == 2 * patience.TRIES
    monkeypatch.setattr(patience, "wait_before", lambda attempt, asked: None)
    client.replies = [Reply(429, {"retry-after": "1000000"})]
    with pytest.raises(Refused, match=r"429 Too Many Requests; it asks to wait 1000000 s$") as refused:
        read_all(HUB, 3, traffic=Traffic())
    assert (refused.value.status, refused.value.code) == (429, "TooLong")


def offline() -> Exception:
    return type("OfflineModeIsEnabled", (ConnectionError,), {})("no network")


@pytest.mark.parametrize("error", [offline(), ValueError("wrong"), TypeError("odd")])
def test_what_does_not_pass_is_told_at_once(client: Client, waits: list[float], error: Exception) -> None:
    client.replies = [Reply(error=error)]
    with pytest.raises(Unreachable, match=rf"^https://hub\.org/a: {type(error).__name__}: {error}$"):
        read_all(f"{HUB}?signed", 3, traffic=Traffic())
    assert (len(client.asked), waits) == (1, [])


def test_what_use_says_is_final_and_what_broke_off_is_read_anew(client: Client, waits: list[float]) -> None:
    def use(answer: Answer) -> None:
        raise BadCheckpoint("it changed")

    with pytest.raises(BadCheckpoint, match=r"^it changed$"):
        ask(HUB, use, traffic=Traffic())
    assert len(client.asked) == 1

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OSError("reset")

    first = Reply()
    first.iter_raw = broken  # type: ignore[method-assign]
    client.replies = [first, Reply()]
    assert read_all(HUB, 3, traffic=Traffic()) == b"abc"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            Reply(chunks=(b"ab", b"cd", b"ef")),
            r"^https://hub\.org/a: the server sent more than the 3 bytes requested$",
        ),
        (
            Reply(headers={"Content-Encoding": "gzip"}),
            r"^https://hub\.org/a: the server sent compressed data",
        ),
    ],
)
def test_a_body_that_is_not_what_was_asked_for(client: Client, reply: Reply, why: str) -> None:
    client.replies, traffic = [reply], Traffic()
    with pytest.raises(BadCheckpoint, match=why):
        read_all(f"{HUB}?signed", 3, traffic=traffic)
    assert traffic.so_far.bytes == (3 if "more than" in why else 0), "what is beyond is not counted"
    client.replies = [Reply(headers={"Content-Encoding": "identity"})]
    assert read_all(HUB, 3, traffic=Traffic()) == b"abc"


@pytest.mark.parametrize(
    ("seconds", "sent", "given_up"),
    [(31, 1000, True), (30, 1000, False), (31, 126_975, True), (31, 126_976, False)],
)
def test_a_body_that_trickles_is_given_up(
    seconds: int, sent: int, given_up: bool, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, float(seconds), float(seconds)])
    answer = Answer(f"{HUB}?signed", 200, {}, {}, Reply(chunks=(bytes(sent), b"a")))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    body = answer.body(Traffic(), sent + 10**6)
    assert next(body) == bytes(sent)
    if given_up:
        with pytest.raises(CutOff, match=r"^https://hub\.org/a: less than 4096 bytes per second; gave up$"):
            next(body)
    else:
        assert list(body) == [b"a"], "what is there by then is not given up"


def test_a_whole_body_is_never_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1000.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    traffic = Traffic()
    assert list(Answer(HUB, 200, {}, {}, Reply(chunks=(b"ab",))).body(traffic, 2)) == [b"ab"]
    assert traffic.so_far == Fetched(2, 0, 0.0)
    assert [requests.shown(url) for url in (HUB, STORE, f"{STORE}?more")] == [
        HUB,
        *2 * ["https://store.org/b"],
    ]
    assert Refused("gone", 404).code == ""
