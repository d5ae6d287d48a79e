"""An entry of the cache as a file: a line that seals it, then what it holds.

The seal is the sha256 of the entry's name in the cache and its content. The name says what decides the
content: kind, metric and version, digests of models. So an entry that was changed, cut short, or moved from
another place does not fit its seal. The seal is no signature: who may write to the cache can make one.
"""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["BadEntry", "opened", "sealed"]

MAGIC: Final = b"lookalike cache entry 1"


class BadEntry(ValueError):
    """An entry that is not as it was written; the message says why, in a few words."""


def sealed(name: str, content: bytes) -> bytes:
    r"""The file of an entry.

    Parameters
    ----------
    name : str
        Its place below the folder of the cache, with slashes.
    content : bytes

    Examples
    --------
    >>> sealed("results/ab.results", b"held").count(b"\n")
    1
    >>> opened("results/ab.results", sealed("results/ab.results", b"held"))
    b'held'
    """
    return b"%s %d %s\n%s" % (MAGIC, len(content), _digest(name, content), content)


def opened(name: str, entry: bytes) -> bytes:
    """What an entry holds.

    Parameters
    ----------
    name : str
        As for `sealed`.
    entry : bytes

    Raises
    ------
    BadEntry
        It is not as `sealed` made it under this name.
    """
    if not entry:
        raise BadEntry("the entry is empty")
    line, _, content = entry.partition(b"\n")
    seal = line.removeprefix(MAGIC).split()
    if not line.startswith(MAGIC) or len(seal) != 2:
        raise BadEntry("not a cache entry of this version")
    if seal[0] != b"%d" % len(content):
        raise BadEntry("the entry has the wrong length")
    if seal[1] != _digest(name, content):
        raise BadEntry("the entry was altered, or belongs under another name")
    return content


def _digest(name: str, content: bytes) -> bytes:
    total = hashlib.sha256(name.encode() + b"\0")
    total.update(content)
    return total.hexdigest().encode()
