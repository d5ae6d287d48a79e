"""The tokens of a model, from the file of the `tokenizers` library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fpcore.counts import count
from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import Json, parse_json
from fpcore.plain_files import read_file
from fpcore.printable import shown

__all__ = ["read_vocabulary"]

LARGEST: Final = 512 << 20  # bytes; the largest known have 40 MB
MOST_VALUES: Final = 32_000_000
MOST_IDS: Final = (1 << 31) - 1


def read_vocabulary(file: Path) -> dict[str, int]:
    """Token to id as a ``tokenizer.json`` gives it, added tokens included.

    Raises
    ------
    BadCheckpoint
        If the file is not a tokenizer of the ``tokenizers`` library.
    """
    content = parse_json(
        read_file(file, LARGEST), str(file), "a tokenizer.json", largest=LARGEST, most=MOST_VALUES
    )
    model = content.get("model") if isinstance(content, Mapping) else None
    listed = model.get("vocab") if isinstance(model, Mapping) else None
    added = content.get("added_tokens") if isinstance(content, Mapping) else None
    if not isinstance(listed, Mapping | list) or not isinstance(added or [], list):
        raise BadCheckpoint(f"{file}: not a tokenizer.json with a vocabulary; fetch it again")
    if isinstance(listed, Mapping):  # BPE, WordPiece, WordLevel
        vocabulary = {token: _id(index, token, file) for token, index in listed.items()}
    else:  # Unigram: a list of (token, score), the place is the id
        vocabulary = {_token(entry, file): index for index, entry in enumerate(listed)}
    for entry in added if isinstance(added, list) else ():
        token = entry.get("content") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(token, str):
            raise BadCheckpoint(f"{file}: an added token has no content; fetch it again")
        vocabulary[token] = _id(entry.get("id"), token, file)
    return vocabulary


def _id(value: Json, token: str, file: Path) -> int:
    if type(value) is int and 0 <= value <= MOST_IDS:  # as nearly all are: nothing has to be said of them
        return value
    return count(value, f"{file}: the id of token {shown(token)}", most=MOST_IDS, exact=True)


def _token(entry: Json, file: Path) -> str:
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
        raise BadCheckpoint(
            f"{file}: {shown(entry)} in its vocabulary is not a token with a score; fetch it again"
        )
    return entry[0]
