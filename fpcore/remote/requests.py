"""One question to the hub: patience with what passes, not a byte too many, no token for strangers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

from fpcore.errors import BadCheckpoint, first_line
from fpcore.remote import patience
from fpcore.remote.addresses import MOST_REDIRECTS, next_address, same_host
from fpcore.remote.traffic import Traffic

__all__ = ["Answer", "CutOff", "Refused", "Unreachable", "ask", "read_all"]

TIMEOUT: Final = 30.0  # seconds without a byte before a request is given up and repeated
SLOWEST: Final = 4096  # bytes a second, on average, below which a body is given up, too
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
SECRET: Final = frozenset({"authorization", "cookie"})


class Refused(BadCheckpoint):
    """The hub answered, and not with what was asked for.

    Attributes
    ----------
    status : int
    code : str
        The hub's own word for it, such as ``GatedRepo``; empty where it gives none.
    """

    def __init__(self, message: str, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (str(self), self.status, self.code)


class Unreachable(BadCheckpoint):
    """No answer at all."""


class CutOff(Exception):
    """A body ended before its end."""


class Response(Protocol):
    """What is used of the response of the hub's HTTP client."""

    def iter_raw(self) -> Iterator[bytes]:
        """The body as it comes; in larger pieces what came before it broke off would be lost."""


@dataclass(frozen=True)
class Answer:
    """An answer whose body has not been read.

    Attributes
    ----------
    url : str
        Where it came from, after redirects.
    status : int
    headers : mapping of str to str
        Of the last answer.
    first : mapping of str to str
        Of the first: the hub itself says there which commit and file it is.
    response : Response
    """

    url: str
    status: int
    headers: Mapping[str, str]
    first: Mapping[str, str]
    response: Response = field(repr=False)

    def body(self, traffic: Traffic, most: int) -> Iterator[bytes]:
        """The body in chunks.

        Raises
        ------
        BadCheckpoint
            It is longer than `most` bytes (what is beyond is not read), or is compressed.
        """
        here = shown(self.url)
        if self.headers.get("content-encoding", "identity") != "identity":
            raise BadCheckpoint(
                f"{here}: the server sent compressed data although uncompressed was requested; try later"
            )
        left, begun = most, time.perf_counter()
        for chunk in self.response.iter_raw():
            traffic.add(bytes=min(len(chunk), left))
            if len(chunk) > left:
                raise BadCheckpoint(f"{here}: the server sent more than the {most} bytes requested")
            left -= len(chunk)
            yield chunk
            spent = time.perf_counter() - begun
            if left and spent > TIMEOUT and most - left < SLOWEST * spent:
                raise CutOff(f"{here}: less than {SLOWEST} bytes per second; gave up")


def ask(
    url: str,
    use: Callable[[Answer], None],
    *,
    traffic: Traffic,
    method: str = "GET",
    headers: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Ask, and hand the answer to `use`; what fails for a moment is tried again.

    Parameters
    ----------
    url : str
    use : callable
        Reads the body of a success. It may be called several times: what it raises as `CutOff`, and what the
        network breaks off, is tried again.
    traffic : Traffic
    method : str
    headers : callable
        Gives those of an attempt, beside those of the hub's client.

    Raises
    ------
    Refused
        The last answer was no success.
    Unreachable
        There was none.
    BadCheckpoint
        What `use` says, or a redirect that is not followed.
    """
    for attempt in range(1, patience.TRIES + 1):
        asked: float | None = None
        begun = time.perf_counter()
        try:
            with answered(method, url, headers(), traffic) as answer:
                if answer.status < HTTPStatus.BAD_REQUEST:
                    use(answer)
                    return
                problem: BadCheckpoint = refusal(answer)
                asked = patience.wait_asked(answer.headers)
                if not patience.passing(answer.status):
                    raise problem
        except BadCheckpoint:
            raise
        except Exception as error:  # its classes are those of the HTTP library that the hub's client uses
            if not passing(error):
                raise Unreachable(f"{shown(url)}: {first_line(error)}") from error
            problem = Unreachable(f"{shown(url)}: {first_line(error)}")
        finally:
            traffic.add(seconds=time.perf_counter() - begun)
        wait = patience.wait_before(attempt, asked)
        if wait is None:
            raise Refused(f"{problem}; it asks to wait {asked:.0f} s", 429, "TooLong") from None
        if attempt == patience.TRIES:
            raise problem
        patience.pause(wait)


@contextmanager
def answered(method: str, url: str, headers: Mapping[str, str], traffic: Traffic) -> Iterator[Answer]:
    """The answer to one request, redirects followed by our own rules; its body is closed at the end."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # loaded on demand there
        build_hf_headers,
        get_session,
    )

    own = build_hf_headers() | {"Accept-Encoding": "identity"}
    here = url
    first: Mapping[str, str] | None = None
    for _ in range(MOST_REDIRECTS + 1):
        sent = dict(own) | dict(headers)
        if not same_host(here, constants.ENDPOINT):
            sent = {key: value for key, value in sent.items() if key.lower() not in SECRET}
        traffic.add(requests=1)
        stream = get_session().stream(method, here, headers=sent, timeout=TIMEOUT, follow_redirects=False)
        with stream as response:
            told = {str(key).lower(): str(value) for key, value in response.headers.items()}
            first = told if first is None else first
            location = told.get("location")
            if response.status_code not in REDIRECTS or not location:
                yield Answer(here, response.status_code, told, first, response)
                return
        here = next_address(here, location)
    raise BadCheckpoint(f"{shown(url)}: more than {MOST_REDIRECTS} redirects; not followed")


def read_all(url: str, most: int, *, traffic: Traffic) -> bytes:
    """The body of an answer of at most `most` bytes; errors as `ask`."""
    content = bytearray()

    def use(answer: Answer) -> None:
        content.clear()
        for chunk in answer.body(traffic, most):
            content.extend(chunk)

    ask(url, use, traffic=traffic)
    return bytes(content)


def shown(url: str) -> str:
    """An address without what signs it."""
    return url.partition("?")[0]


def passing(error: Exception) -> bool:
    """Whether an error of the HTTP client may be gone in a moment; offline it is not."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "OfflineModeIsEnabled" in names:
        return False
    return isinstance(error, CutOff | OSError) or bool(names & {"TransportError", "StreamError"})


def refusal(answer: Answer) -> Refused:
    """An answer that is no success, as an error."""
    code = answer.headers.get("x-error-code", "")
    said = answer.headers.get("x-error-message") or code
    try:
        name = HTTPStatus(answer.status).phrase
    except ValueError:
        name = "no such status"
    return Refused(f"{shown(answer.url)}: {answer.status} {said[:200] or name}", answer.status, code)
