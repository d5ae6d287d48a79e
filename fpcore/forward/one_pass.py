"""One pass of a model over the prompts and random tokens, that all metrics of what it does share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.forward.capture import Captured, capturing
from fpcore.forward.causal_model import CausalModel, Output, load_model
from fpcore.forward.prompts import tokenised
from fpcore.storage.tensor_source import integer

if TYPE_CHECKING:
    import torch

__all__ = ["ForwardPass", "forward_pass"]

Floats = NDArray[np.float32]

TOKENS_AT_A_TIME: Final = 2048
"""Prompts of one length are read together up to so many tokens: this bounds the memory that a pass takes."""

RANDOM_INPUTS: Final = 128
RANDOM_LENGTH: Final = 16
RANDOM_SEED: Final = 20_250_930

POSITIONS: Final = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """What a model made of n prompts, at the last token of each, and of random tokens.

    Attributes
    ----------
    hidden : tuple of ndarray, (n, width)
        The residual stream behind each layer.
    inner : tuple of ndarray, (n, width)
        What the feed-forward block of each layer reads; empty where there is no such module.
    keys, values : tuple of ndarray, (n, key-value heads × head width)
        The state that attention keeps of the token, a layer; keys as they are cached, with their rotation.
    norms : ndarray, (depth,)
        Mean length of the residual stream behind each layer, over all tokens of all prompts.
    log_probabilities : ndarray, (n, vocabulary)
        Of the next token, natural logarithm.
    random_logits : ndarray, (inputs, vocabulary)
        Of the next token behind `RANDOM_INPUTS` sequences of `RANDOM_LENGTH` ids, each drawn evenly from the
        vocabulary: for all models of one vocabulary the same ones.
    """

    hidden: tuple[Floats, ...]
    inner: tuple[Floats, ...]
    keys: tuple[Floats, ...]
    values: tuple[Floats, ...]
    norms: Floats
    log_probabilities: Floats
    random_logits: Floats

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        states = (*self.hidden, *self.inner, *self.keys, *self.values)
        outputs = (self.norms, self.log_probabilities, self.random_logits)
        return sum(array.nbytes for array in (*states, *outputs))


def forward_pass(model: Checkpoint) -> ForwardPass:
    """Run a model once for all metrics that ask for it: its memo keeps the result, not the running model.

    Prompts of equal length go together, so that nothing is padded and no position is shifted; a batch holds
    at most `TOKENS_AT_A_TIME` tokens.

    Raises
    ------
    NotComparable
        There is no tokenizer, `transformers` cannot run the model, or what it computes is not finite.
    BadCheckpoint
        Tensors are missing, left over, or of another shape than the config says.
    """
    return model.memo.recall((model.digest, "forward pass", model.device), lambda: run(model))


def run(model: Checkpoint) -> ForwardPass:
    """Run a model over the prompts, then over random tokens."""
    rows = [row[: positions(model)] for row in tokenised(model)]
    running = load_model(model)
    collected = Collected(len(rows))
    with capturing(running, model.roles.depth) as captured:
        for places, ids in batches(rows):
            captured.clear()
            output = next_token(running, ids)
            collected.add(places, captured, output)
    size = int(running.get_input_embeddings().weight.shape[0])
    return collected.together(random_logits(running, size))


def random_logits(running: CausalModel, size: int) -> Floats:
    """Logits behind sequences of random ids below `size`."""
    rng = np.random.default_rng(RANDOM_SEED)
    ids = rng.integers(0, size, (RANDOM_INPUTS, RANDOM_LENGTH))
    step = TOKENS_AT_A_TIME // RANDOM_LENGTH
    parts = [next_token(running, ids[at : at + step].tolist()) for at in range(0, len(ids), step)]
    return np.concatenate([as_floats(part.logits[:, -1]) for part in parts])


def positions(model: Checkpoint) -> int | None:
    """Tokens that a model has positions for, None where its config does not say."""
    stated = [limit for name in POSITIONS if (limit := integer(model.config, name)) is not None]
    return min(stated, default=None)


def batches(rows: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Places and ids of prompts of one length at a time."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_length[len(row)].append(place)
    for length, places in sorted(by_length.items()):
        step = max(1, TOKENS_AT_A_TIME // length)
        for start in range(0, len(places), step):
            chosen = places[start : start + step]
            yield chosen, [list(rows[place]) for place in chosen]


def next_token(running: CausalModel, ids: list[list[int]]) -> Output:
    """What a model makes of a batch: of all its logits, where it can, only those behind the last token."""
    import torch

    more = {"logits_to_keep": 1} if "logits_to_keep" in signature(running.forward).parameters else {}
    with torch.inference_mode():
        tokens = torch.tensor(ids, device=running.device)
        return running(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=True, **more)


class Collected:
    """Pieces of a pass, batch by batch."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.parts: dict[tuple[str, int], Floats] = {}
        self.lengths: dict[int, float] = defaultdict(float)
        self.tokens = 0

    def add(self, places: list[int], captured: Captured, output: Output) -> None:
        """Keep what is needed of one batch."""
        for index, stream in captured.hidden.items():
            self.put("hidden", index, places, stream[:, -1])
            self.lengths[index] += float(stream.double().norm(dim=-1).sum())
        self.tokens += int(captured.hidden[0].shape[0] * captured.hidden[0].shape[1])
        for index, stream in captured.inner.items():
            self.put("inner", index, places, stream[:, -1])
        for index, (key, value) in enumerate(cached(output)):
            self.put("keys", index, places, key)
            self.put("values", index, places, value)
        self.put("outputs", 0, places, output.logits[:, -1].double().log_softmax(dim=-1))

    def put(self, what: str, index: int, places: list[int], rows: torch.Tensor) -> None:
        """Rows of some prompts into the array of all."""
        values = as_floats(rows.reshape(len(places), -1))
        array = self.parts.setdefault((what, index), np.empty((self.n, values.shape[1]), dtype=np.float32))
        array[places] = values

    def together(self, random_logits: Floats) -> ForwardPass:
        """All batches together."""
        require_finite([*self.parts.values(), random_logits])
        by_layer: dict[str, list[Floats]] = defaultdict(list)
        for (what, _), array in sorted(self.parts.items()):
            by_layer[what].append(array)
        norms = np.array([self.lengths[i] / self.tokens for i in sorted(self.lengths)], dtype=np.float32)
        return ForwardPass(
            hidden=tuple(by_layer["hidden"]),
            inner=tuple(by_layer["inner"]),
            keys=tuple(by_layer["keys"]),
            values=tuple(by_layer["values"]),
            norms=norms,
            log_probabilities=by_layer["outputs"][0],
            random_logits=random_logits,
        )


def cached(output: Output) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values of the last token, layer by layer; nothing where a layer keeps none."""
    # Newer releases of transformers warn of the former name.
    states = output.cache if hasattr(output, "cache") else getattr(output, "past_key_values", None)
    for layer in getattr(states, "layers", ()):
        key, value = getattr(layer, "keys", None), getattr(layer, "values", None)
        if key is not None and value is not None and key.ndim == 4:
            yield key[:, :, -1], value[:, :, -1]


def as_floats(tensor: torch.Tensor) -> Floats:
    """A tensor as a float32 array in this process's memory."""
    values: Floats = tensor.detach().float().cpu().numpy()
    return values


def require_finite(arrays: Iterable[Floats]) -> None:
    """Abstain if anything is not a finite number."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotComparable("its forward pass gives values that are not finite")
