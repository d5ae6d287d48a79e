"""Tokens by their text: the embedding rows that two models' vocabularies have in common."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.features.role_values import rows_in_parts

__all__ = [
    "FEWEST_TOKENS",
    "TokenRows",
    "aligning_rows",
    "embedding_rows",
    "embedding_view",
    "shared_tokens",
    "token_keys",
]

FEWEST_TOKENS: Final = 16

# Tokens that align the dimensions of two embeddings, at most: so many, and so many for each dimension.
ALIGNING: Final = 4096
ALIGNING_EACH: Final = 4

# Embeddings wider than this are read as float32: stored weights have no more digits than that.
DOUBLE_WIDTH: Final = 1024

# Keys are numbers that float64 holds exactly; of a million tokens, two share one with chance 1e-4.
KEY_BYTES: Final = 6

Array = NDArray[np.float64]
Rows = NDArray[np.floating]
Index = NDArray[np.int64]


class TokenRows(NamedTuple):
    """Embedding rows of some tokens.

    Attributes
    ----------
    keys : ndarray of float64, (n,)
        The numbers of the tokens, ascending.
    rows : ndarray, (n, width)
        Of float64, or of float32 where they are wider than `DOUBLE_WIDTH`.
    """

    keys: Array
    rows: Rows

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return self.keys.nbytes + self.rows.nbytes


def token_keys(model: Checkpoint) -> tuple[Array, Index]:
    """Every token of the vocabulary as a number made of its text, ascending, and its id.

    The numbers order tokens at random, but for all models alike: the lowest ones of two vocabularies are a
    fair sample of what they share.

    Raises
    ------
    NotComparable
        The model brings no ``tokenizer.json``.
    """
    return model.remembered("token keys", lambda: _token_keys(model))


def _token_keys(model: Checkpoint) -> tuple[Array, Index]:
    vocabulary = model.tokenizer_vocabulary()
    if not vocabulary:
        raise NotComparable("no tokenizer.json: tokens cannot be matched by their text")
    by_key = {key_of(token): index for token, index in vocabulary.items()}
    order = sorted(by_key)
    return np.array(order), np.array([by_key[key] for key in order], dtype=np.int64)


@lru_cache(maxsize=1 << 17)  # models of one maker share their vocabulary
def key_of(token: str) -> float:
    """The number of a token: 48 bits of the sha256 of its text."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return float(int.from_bytes(digest[:KEY_BYTES], "big"))


def embedding_view(model: Checkpoint) -> RoleView:
    """The embedding, (tokens, width).

    Raises
    ------
    NotComparable
        The model has none, or it cannot be read as one matrix.
    """
    view = model.roles.get("embedding.weight")
    if view is None or len(view.shape) != 2:
        raise NotComparable("no embedding")
    return view


def embedding_rows(model: Checkpoint, most: int) -> TokenRows:
    """Keys and embedding rows of the tokens with the lowest keys, rows of zeros left out.

    Parameters
    ----------
    model : Checkpoint
    most : int
        Tokens to take.

    Returns
    -------
    TokenRows
        Of n tokens, at most `most`.

    Raises
    ------
    NotComparable
        No tokenizer, no embedding, or fewer than `FEWEST_TOKENS` rows.
    """
    keys, ids = token_keys(model)
    view = embedding_view(model)
    known = ids < view.shape[0]
    # Some more than asked for, as padding and reserved tokens may have rows of zeros.
    keys, ids = keys[known][: 2 * most], ids[known][: 2 * most]
    kind = np.float64 if view.shape[1] <= DOUBLE_WIDTH else np.float32
    rows: Rows = np.empty((len(ids), view.shape[1]), kind)
    first = 0
    for part in rows_in_parts(view):
        here = np.flatnonzero((first <= ids) & (ids < first + len(part)))
        rows[here] = part[ids[here] - first]
        first += len(part)
    used = np.flatnonzero(rows.any(axis=1))[:most]
    if len(used) < FEWEST_TOKENS:
        raise NotComparable(f"{len(used)} tokens with an embedding; at least {FEWEST_TOKENS} are needed")
    return TokenRows(keys[used], rows[used])


def aligning_rows(model: Checkpoint) -> TokenRows:
    """Keys and embedding rows of up to `ALIGNING` tokens, or `ALIGNING_EACH` times the width if that is more.

    They are kept in the model's memo. There must be more tokens than dimensions to align them, and a map
    that noise does not decide needs a few times as many.
    """
    view = model.roles.get("embedding.weight")
    width = 0 if view is None else view.shape[-1]
    most = max(ALIGNING, ALIGNING_EACH * width)
    return model.memo.recall((model.digest, "aligning rows"), lambda: embedding_rows(model, most))


def shared_tokens(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[Index, Index]:
    """Places in `a` and in `b` (ascending keys) of the tokens in both.

    Raises
    ------
    NotComparable
        Fewer than `FEWEST_TOKENS` are, and not all of both.
    """
    if len(a) == len(b) and np.array_equal(a, b):
        every = np.arange(len(a), dtype=np.int64)
        return every, every
    _, left, right = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    if len(left) < FEWEST_TOKENS:
        raise NotComparable(f"{len(left)} tokens in common; at least {FEWEST_TOKENS} are needed")
    return left, right
