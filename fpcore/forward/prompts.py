"""The fixed texts that every model reads, and what its own tokenizer makes of them."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.vocabulary import LARGEST
from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.plain_files import read_file

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["LONGEST", "normal_form", "prompts", "prompts_digest", "tokenised"]

LONGEST: Final = 96
"""Tokens of a prompt that are read, at most."""


@cache
def prompts() -> tuple[str, ...]:
    """Every line of ``prompts.txt`` up to the last word boundary of its first half, and whole.

    Two places to look at a line cost little more text than one. Prompts end within a sentence and without a
    space, so that the next token begins a word or ends one.
    """
    text = (files("fpcore.forward") / "prompts.txt").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        half = line[: len(line) // 2]
        start = half.rpartition(" ")[0].rstrip()
        found += [start if start.strip() else half, line]
    return tuple(found)


def prompts_digest() -> str:
    """The sha256 of all prompts: metrics that read them change their version when it changes."""
    return hashlib.sha256("\n".join(prompts()).encode()).hexdigest()


def tokenised(model: Checkpoint) -> list[list[int]]:
    """Ids of each prompt under the model's tokenizer, with the special tokens that it puts in front.

    Of a longer prompt the first `LONGEST` tokens count.

    Raises
    ------
    NotComparable
        There is no tokenizer, it makes nothing of a prompt, or it knows tokens that the model does not.
    BadCheckpoint
        The file of the tokenizer cannot be read.
    """
    file = model.tokenizer_file()
    if file is None:
        raise NotComparable("no tokenizer.json: it cannot read the prompts")
    content = read_file(file, LARGEST)
    try:
        rows = encoded(content)
    except Exception as error:  # the library raises nothing more specific
        raise BadCheckpoint(f"{file}: not a readable tokenizer.json ({error}); fetch it again") from error
    if not all(rows):
        raise NotComparable("its tokenizer turns a prompt into no tokens")
    highest = max(map(max, rows))
    known = model.architecture.vocabulary
    if known is not None and highest >= known:
        raise NotComparable(f"its tokenizer produces token {highest}, but its embedding has {known} rows")
    return [list(row) for row in rows]


@lru_cache(maxsize=2)  # models of one maker share their tokenizer
def encoded(content: bytes) -> tuple[tuple[int, ...], ...]:
    """Ids of each prompt under the tokenizer of a ``tokenizer.json``, `LONGEST` at most."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encodings = tokenizer.encode_batch(list(prompts()))
    return tuple(tuple(open_end(encoding)[:LONGEST]) for encoding in encodings)


def open_end(encoding: Encoding) -> list[int]:
    """Ids without the special tokens that end a text: the prompts are to be continued."""
    ids = list(encoding.ids)
    for special in reversed(encoding.special_tokens_mask):
        if not special:
            break
        ids.pop()
    return ids


def normal_form(token: str) -> str:
    """A token's text, with the spellings that tokenizers have for spaces and line ends made one."""
    return token.replace("Ġ", " ").replace("▁", " ").replace("Ċ", "\n").replace("<0x0A>", "\n")
