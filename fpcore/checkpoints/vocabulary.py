"""The tokens of a model, from the file of the `tokenizers` library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fpcore.errors import BadCheckpoint

__all__ = ["read_vocabulary"]


def read_vocabulary(file: Path) -> dict[str, int]:
    """Token to id as a ``tokenizer.json`` gives it, added tokens included.

    Raises
    ------
    BadCheckpoint
        If the file is not a tokenizer of the ``tokenizers`` library.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        listed = content["model"]["vocab"]
        if isinstance(listed, Mapping):  # BPE, WordPiece, WordLevel
            vocabulary = {str(token): int(index) for token, index in listed.items()}
        else:  # Unigram: a list of (token, score), the place is the id
            vocabulary = {str(entry[0]): index for index, entry in enumerate(listed)}
        for added in content.get("added_tokens") or ():
            vocabulary[str(added["content"])] = int(added["id"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BadCheckpoint(f"{file}: not a readable tokenizer.json ({error!r}); fetch it again") from error
    return vocabulary
