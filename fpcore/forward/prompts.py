"""The fixed texts that every model reads, and what its own tokenizer makes of them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import BadCheckpoint, NotComparable

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["LONGEST", "normal_form", "prompts", "prompts_digest", "tokenised", "tokenizer_of"]

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


def tokenizer_of(model: Checkpoint) -> Tokenizer:
    """The model's own tokenizer, without padding or truncation.

    Raises
    ------
    NotComparable
        The model brings no ``tokenizer.json``.
    BadCheckpoint
        The file cannot be read.
    """
    file = model.tokenizer_file()
    if file is None:
        raise NotComparable("no tokenizer.json: it cannot read the prompts")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more specific
        raise BadCheckpoint(f"{file}: not a readable tokenizer.json ({error}); fetch it again") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def tokenised(model: Checkpoint) -> list[list[int]]:
    """Ids of each prompt under the model's tokenizer, with the special tokens that it puts in front.

    Of a longer prompt the first `LONGEST` tokens count.

    Raises
    ------
    NotComparable
        There is no tokenizer, it makes nothing of a prompt, or it knows tokens that the model does not.
    """
    tokenizer = tokenizer_of(model)
    rows = [open_end(encoding)[:LONGEST] for encoding in tokenizer.encode_batch(list(prompts()))]
    if not all(rows):
        raise NotComparable("its tokenizer turns a prompt into no tokens")
    highest = max(map(max, rows))
    known = model.architecture.vocabulary
    if known is not None and highest >= known:
        raise NotComparable(f"its tokenizer produces token {highest}, but its embedding has {known} rows")
    return rows


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
