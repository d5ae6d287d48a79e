"""One pass of a model over the prompts and random tokens, that all metrics of what it does share."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import NotComparable
from fpcore.forward.prompts import tokenised
from fpcore.forward.running import running_model

if TYPE_CHECKING:
    import torch

    from fpcore.checkpoints.checkpoint import Checkpoint

__all__ = ["Reading", "next_logits", "reading_of"]

Floats = NDArray[np.float32]

TOKENS_AT_A_TIME: Final = 2048
"""Prompts of one length are read together up to so many tokens: this bounds the memory that a pass takes."""

RANDOM_INPUTS: Final = 128
RANDOM_LENGTH: Final = 16
RANDOM_SEED: Final = 20_250_930

# What transformers calls the feed-forward block of a layer.
FEED_FORWARD: Final = ("mlp", "feed_forward", "block_sparse_moe", "moe", "ffn")

LIMITS: Final = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


@dataclass(frozen=True, eq=False)
class Reading:
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


KEPT_READINGS: Final = 2
"""A run asks for all metrics of one model after another, a comparison for one metric of both models."""

_readings: OrderedDict[tuple[str, str], Reading] = OrderedDict()


def reading_of(model: Checkpoint) -> Reading:
    """Run a model once for all metrics that ask for it; the last two readings are kept, the models are not.

    Prompts of equal length go together, so that nothing is padded and no position is shifted; a batch holds
    at most `TOKENS_AT_A_TIME` tokens.

    Raises
    ------
    NotComparable
        There is no tokenizer, `transformers` cannot run the model, or what it computes is not finite.
    BadCheckpoint
        Tensors are missing, left over, or of another shape than the config says.
    """
    key = (model.remembered("digest", lambda: model.digest), model.device)
    if key not in _readings:
        while len(_readings) >= KEPT_READINGS:  # let one go before the next takes its memory
            _readings.popitem(last=False)
        _readings[key] = read(model)
    _readings.move_to_end(key)
    return _readings[key]


def read(model: Checkpoint) -> Reading:
    """Run a model over the prompts, then over random tokens."""
    rows = [row[: longest(model)] for row in tokenised(model)]
    running = running_model(model)
    found = Collected(len(rows))
    with listening(running, model.roles.depth) as heard:
        for places, ids in batches(rows):
            heard.clear()
            logits, states = next_logits(running, ids)
            found.take(places, heard, states, logits)
    size = int(running.get_input_embeddings().weight.shape[0])
    return found.reading(random_logits(running, size))


def random_logits(running: Any, size: int) -> Floats:
    """Logits behind sequences of random ids below `size`."""
    rng = np.random.default_rng(RANDOM_SEED)
    ids = rng.integers(0, size, (RANDOM_INPUTS, RANDOM_LENGTH))
    step = TOKENS_AT_A_TIME // RANDOM_LENGTH
    parts = [next_logits(running, ids[at : at + step].tolist())[0] for at in range(0, len(ids), step)]
    return np.concatenate([plain(part) for part in parts])


def longest(model: Checkpoint) -> int | None:
    """Tokens that a model has positions for, None where its config does not say."""
    stated = [int(model.config[name]) for name in LIMITS if isinstance(model.config.get(name), int)]
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


def next_logits(running: Any, ids: list[list[int]]) -> tuple[torch.Tensor, Any]:
    """Logits of the next token behind each row, (rows, vocabulary), and the states that attention kept."""
    import inspect

    import torch

    more: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(running.forward).parameters:
        more["logits_to_keep"] = 1
    with torch.inference_mode():
        tokens = torch.tensor(ids, device=running.device)
        out = running(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=True, **more)
    return out.logits[:, -1], getattr(out, "past_key_values", None)


@dataclass
class Heard:
    """What passed the hooks in one batch: by layer, tensors of (rows, tokens, width)."""

    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    inner: dict[int, torch.Tensor] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget the batch before."""
        self.hidden.clear()
        self.inner.clear()


@contextmanager
def listening(running: Any, depth: int) -> Iterator[Heard]:
    """Hear what each layer gives and what its feed-forward block reads, while the block runs."""
    heard = Heard()
    with ExitStack() as stack:

        def keep(handle: Any) -> None:
            stack.callback(handle.remove)

        for index, layer in enumerate(layers_of_running(running, depth)):
            keep(layer.register_forward_hook(hear_output(heard, index)))
            block = next((getattr(layer, name) for name in FEED_FORWARD if hasattr(layer, name)), None)
            if block is not None:
                keep(block.register_forward_pre_hook(hear_input(heard, index), with_kwargs=True))
        yield heard


def hear_output(heard: Heard, index: int) -> Callable[..., None]:
    """A hook that notes what layer `index` gives."""

    def hook(module: Any, inputs: Any, output: Any) -> None:
        heard.hidden[index] = output[0] if isinstance(output, tuple) else output

    return hook


def hear_input(heard: Heard, index: int) -> Callable[..., None]:
    """A hook that notes what the feed-forward block of layer `index` reads."""

    def hook(module: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        heard.inner[index] = inputs[0] if inputs else named["hidden_states"]

    return hook


def layers_of_running(running: Any, depth: int) -> Any:
    """The list of layers inside a `transformers` model: the outermost list that is as long as it is deep."""
    from torch.nn import ModuleList

    for module in running.modules():
        if isinstance(module, ModuleList) and len(module) == depth:
            return module
    raise NotComparable(f"{type(running).__name__} has no list of {depth} layers")


class Collected:
    """Pieces of a reading, batch by batch."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.parts: dict[tuple[str, int], Floats] = {}
        self.lengths: dict[int, float] = defaultdict(float)
        self.tokens = 0

    def take(self, places: list[int], heard: Heard, states: Any, logits: torch.Tensor) -> None:
        """Keep what is needed of one batch."""
        for index, stream in heard.hidden.items():
            self.put("hidden", index, places, stream[:, -1])
            self.lengths[index] += float(stream.double().norm(dim=-1).sum())
        self.tokens += int(heard.hidden[0].shape[0] * heard.hidden[0].shape[1])
        for index, stream in heard.inner.items():
            self.put("inner", index, places, stream[:, -1])
        for index, (key, value) in enumerate(cached(states)):
            self.put("keys", index, places, key)
            self.put("values", index, places, value)
        self.put("outputs", 0, places, logits.double().log_softmax(dim=-1))

    def put(self, what: str, index: int, places: list[int], rows: torch.Tensor) -> None:
        """Rows of some prompts into the array of all."""
        values = plain(rows.reshape(len(places), -1))
        array = self.parts.setdefault((what, index), np.empty((self.n, values.shape[1]), dtype=np.float32))
        array[places] = values

    def reading(self, random_logits: Floats) -> Reading:
        """All batches together."""
        finite([*self.parts.values(), random_logits])
        by_layer: dict[str, list[Floats]] = defaultdict(list)
        for (what, _), array in sorted(self.parts.items()):
            by_layer[what].append(array)
        norms = np.array([self.lengths[i] / self.tokens for i in sorted(self.lengths)], dtype=np.float32)
        return Reading(
            hidden=tuple(by_layer["hidden"]),
            inner=tuple(by_layer["inner"]),
            keys=tuple(by_layer["keys"]),
            values=tuple(by_layer["values"]),
            norms=norms,
            log_probabilities=by_layer["outputs"][0],
            random_logits=random_logits,
        )


def cached(states: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values of the last token, layer by layer; nothing where a layer keeps none."""
    for layer in getattr(states, "layers", ()):
        key, value = getattr(layer, "keys", None), getattr(layer, "values", None)
        if key is not None and value is not None and key.ndim == 4:
            yield key[:, :, -1], value[:, :, -1]


def plain(tensor: torch.Tensor) -> Floats:
    """A tensor as a float32 array in this process's memory."""
    values: Floats = tensor.detach().float().cpu().numpy()
    return values


def finite(arrays: Iterable[Floats]) -> None:
    """Abstain if anything is not a finite number."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotComparable("its forward pass gives values that are not finite")
