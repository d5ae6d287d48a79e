"""One pass of a model over the prompts and random tokens, that all metrics of what it does share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import NotComparable
from fpcore.forward.batches import Batch, filled_up, of_one_length
from fpcore.forward.capture import Captured, capturing
from fpcore.forward.causal_model import CausalModel, Output, load_model
from fpcore.forward.prompts import tokenised
from fpcore.storage.tensor_source import integer

if TYPE_CHECKING:
    import torch

__all__ = ["ForwardPass", "forget_pass", "forward_pass"]

Floats = NDArray[np.float32]

RANDOM_INPUTS: Final = 128
RANDOM_LENGTH: Final = 16
RANDOM_SEED: Final = 20_250_930

ROUNDING: Final = 1e-3
"""Lengths relative to what they are of: rounding in float32 makes hundredths of it, another text far more."""

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

    Prompts are read together, the shorter ones filled up behind their end, where causal attention does not
    look. Where that shows all the same, prompts of one length are read together and nothing is filled up.

    Raises
    ------
    NotComparable
        There is no tokenizer, `transformers` cannot run the model, or what it computes is not finite.
    BadCheckpoint
        Tensors are missing, left over, or of another shape than the config says.
    """
    return model.memo.recall(_key(model), lambda: run(model))


def forget_pass(model: Checkpoint) -> None:
    """Let the result of `forward_pass` go, once all metrics that ask for it have their fingerprints."""
    model.memo.forget(_key(model))


def _key(model: Checkpoint) -> tuple[str, str, str]:
    return model.digest, "forward pass", model.device


def run(model: Checkpoint) -> ForwardPass:
    """Run a model over the prompts, then over random tokens."""
    rows = [row[: positions(model)] for row in tokenised(model)]
    running = load_model(model)
    with capturing(running, model.roles.depth) as captured:
        together = list(filled_up(rows))
        collected = read(running, captured, together, len(rows))
        exposed = {place: count for batch in together for place, count in batch.exposed.items()}
        most = max(exposed, key=exposed.__getitem__)
        alone = read(running, captured, of_one_length([rows[most]]), 1)
        if not collected.agrees(most, alone):
            collected = read(running, captured, of_one_length(rows), len(rows))
    size = int(running.get_input_embeddings().weight.shape[0])
    return collected.together(random_logits(running, size))


def read(running: CausalModel, captured: Captured, together: Iterable[Batch], n: int) -> Collected:
    """What a model makes of n prompts, batch by batch."""
    collected = Collected(n)
    for batch in together:
        captured.clear()
        output = next_tokens(running, batch)
        collected.add(batch, captured, output)
    return collected


def random_logits(running: CausalModel, size: int) -> Floats:
    """Logits behind sequences of random ids below `size`."""
    rng = np.random.default_rng(RANDOM_SEED)
    ids = rng.integers(0, size, (RANDOM_INPUTS, RANDOM_LENGTH))
    parts = [next_tokens(running, batch) for batch in of_one_length(ids.tolist())]
    return np.concatenate([as_floats(logits) for _, logits in parts])


def positions(model: Checkpoint) -> int | None:
    """Tokens that a model has positions for, None where its config does not say."""
    stated = [limit for name in POSITIONS if (limit := integer(model.config, name)) is not None]
    return min(stated, default=None)


def next_tokens(running: CausalModel, batch: Batch) -> tuple[Output, torch.Tensor]:
    """What a model makes of a batch, and the logits behind each of its prompts, (prompts, vocabulary)."""
    import torch

    # Of all logits, where it can, only those behind the end of some prompt.
    some = "logits_to_keep" in signature(running.forward).parameters
    asked = sorted(set(batch.ends)) if some else list(range(len(batch.ids[0])))
    with torch.inference_mode():
        tokens = torch.tensor(batch.ids, device=running.device)
        # What texts are filled up with counts as text: who looks at it is found out by `Collected.agrees`.
        more = {"logits_to_keep": tokens.new_tensor(asked)} if some else {}
        output = running(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=True, **more)
        return output, output.logits[batch.texts, [asked.index(end) for end in batch.ends]]


class Collected:
    """Pieces of a pass, batch by batch."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.parts: dict[tuple[str, int], Floats] = {}
        self.lengths: dict[int, float] = defaultdict(float)
        self.tokens = 0
        self.lost = False  # states that attention did not keep until the text ended

    def add(self, batch: Batch, captured: Captured, found: tuple[Output, torch.Tensor]) -> None:
        """Keep what is needed of one batch."""
        import torch

        output, logits = found
        device, tokens = logits.device, len(batch.ids[0])
        texts, ends = (torch.tensor(each, device=device) for each in (batch.texts, batch.ends))
        # Tokens of texts, each as often as it is in a prompt.
        counts = torch.zeros((len(batch.ids), tokens), dtype=torch.float64, device=device)
        counts.index_add_(0, texts, (torch.arange(tokens, device=device) <= ends[:, None]).double())
        self.tokens += int(counts.sum())
        for index, stream in captured.hidden.items():
            self.put("hidden", index, batch, stream[texts, ends])
            self.lengths[index] += float((stream.double().norm(dim=-1) * counts).sum())
        for index, stream in captured.inner.items():
            self.put("inner", index, batch, stream[texts, ends])
        for index, states in enumerate(cached(output)):
            gone = tokens - states[0].shape[2]  # those of a window are the last ones
            self.lost |= gone > min(batch.ends)
            for what, state in zip(("keys", "values"), states, strict=True):
                self.put(what, index, batch, state[texts, :, (ends - gone).clamp(min=0)])
        self.put("outputs", 0, batch, logits.double().log_softmax(dim=-1))

    def put(self, what: str, index: int, batch: Batch, rows: torch.Tensor) -> None:
        """Rows of some prompts into the array of all."""
        values = as_floats(rows.reshape(len(batch.places), -1))
        array = self.parts.setdefault((what, index), np.empty((self.n, values.shape[1]), dtype=np.float32))
        array[batch.places] = values

    def agrees(self, place: int, alone: Collected) -> bool:
        """Whether all pieces of a prompt are those of a pass over this prompt alone, but for rounding."""
        if self.lost or self.parts.keys() != alone.parts.keys():
            return False
        with np.errstate(invalid="ignore"):  # what is not finite is refused when all is together
            return all(
                np.linalg.norm(self.parts[part][place] - found[0]) <= ROUNDING * np.linalg.norm(found[0])
                for part, found in alone.parts.items()
            )

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
    """Keys and values, layer by layer, (texts, heads, tokens, width); nothing where a layer keeps none."""
    # Newer releases of transformers warn of the former name.
    states = output.cache if hasattr(output, "cache") else getattr(output, "past_key_values", None)
    for layer in getattr(states, "layers", ()):
        key, value = getattr(layer, "keys", None), getattr(layer, "values", None)
        if key is not None and value is not None and key.ndim == 4:
            yield key, value


def as_floats(tensor: torch.Tensor) -> Floats:
    """A tensor as a float32 array in this process's memory."""
    values: Floats = tensor.detach().float().cpu().numpy()
    return values


def require_finite(arrays: Iterable[Floats]) -> None:
    """Abstain if anything is not a finite number."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotComparable("its forward pass gives values that are not finite")
