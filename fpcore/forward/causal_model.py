"""A checkpoint as a model that runs, through `transformers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.gguf_file import UNREAD
from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.foreign_json import Json
from fpcore.storage.dequantised import dequantised_tensors, read_dequantised

if TYPE_CHECKING:
    import torch

__all__ = ["CausalModel", "Output", "load_model"]

# They read text in both directions, or answer to another text: there is no next token of a prompt.
NOT_CAUSAL: Final = frozenset(
    {"bert", "roberta", "xlm-roberta", "t5", "mt5", "umt5", "bart", "electra", "albert"}
)

NAMED: Final = 3  # tensors that an error names


class Output(Protocol):
    """What a causal language model of `transformers` gives."""

    @property
    def logits(self) -> torch.Tensor:
        """Of the next token, (rows, tokens, vocabulary)."""


class CausalModel(Protocol):
    """A causal language model of `transformers`, as far as it is used here."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    @property
    def forward(self) -> Callable[..., Output]:
        """The function that a call runs, with its parameters."""

    def __call__(self, **inputs: torch.Tensor | int | bool) -> Output:
        """Run it."""

    def modules(self) -> Iterator[torch.nn.Module]:
        """Every module, outermost first."""

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The embedding of tokens."""


@dataclass(frozen=True)
class LoadReport:
    """What `transformers` made of a checkpoint's tensors."""

    missing_keys: Sequence[str]
    mismatched_keys: Sequence[str | tuple[str, ...]]
    unexpected_keys: Sequence[str]


def load_model(model: Checkpoint) -> CausalModel:
    """The `transformers` model of a checkpoint, in evaluation mode, on the checkpoint's device.

    It works in float32, or in float64 if the weights are stored so; quantised weights are turned back first.
    No code of the checkpoint is run: only types that `transformers` has itself.

    Raises
    ------
    NotComparable
        The type is not known to `transformers`, or is not a causal language model.
    BadCheckpoint
        Tensors are missing, left over, or of another shape than the config says.
    """
    config = config_of(model)
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    weights = dict(read_weights(model))
    precise = any(tensor.dtype == torch.float64 for tensor in weights.values())
    with quiet():
        loaded, found = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].from_pretrained(
            None,
            config=config,
            state_dict=weights,
            dtype=torch.float64 if precise else torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, with the checkpoint's name
        )
    report = LoadReport(found["missing_keys"], found["mismatched_keys"], found["unexpected_keys"])
    check(model, type(loaded).__name__, report)
    ready: CausalModel = loaded.to(model.device).eval()
    return ready


def config_of(model: Checkpoint) -> object:
    """The model's configuration as `transformers` knows it."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    facts: dict[str, Json] = {
        key: value for key, value in model.config.items() if key != "quantization_config"
    }
    unread = facts.pop(UNREAD, "")
    if unread:
        raise NotComparable(f"a GGUF file that cannot be run: it does not say {unread}")
    model_type = str(facts.pop("model_type", ""))
    if model_type in NOT_CAUSAL or facts.get("is_encoder_decoder"):
        raise NotComparable(f"{model_type} is not a causal language model, so it predicts no next token")
    if model_type not in CONFIG_MAPPING:
        raise NotComparable(f"transformers cannot run the model type {model_type!r} without foreign code")
    with quiet():
        config: object = CONFIG_MAPPING[model_type](**facts)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise NotComparable(f"transformers has no causal language model of type {model_type!r}")
    return config


def read_weights(model: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """The language model's tensors as real numbers, by stored name."""
    for name in dequantised_tensors(model):
        # A copy: loading must not touch what the checkpoint keeps.
        yield name, read_dequantised(model, name).clone()


def check(model: Checkpoint, kind: str, report: LoadReport) -> None:
    """Refuse a model that would run on anything but the checkpoint's weights."""
    mismatched = [entry[0] if isinstance(entry, tuple) else entry for entry in report.mismatched_keys]
    for problem, names in (
        ("does not have", report.missing_keys),
        ("has in a shape other than its config says", mismatched),
        ("has but does not use", report.unexpected_keys),
    ):
        if names:
            listed = sorted(map(str, names))
            more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
            raise BadCheckpoint(
                f"{model.name}: cannot be run: tensors of {kind} that it {problem}: "
                f"{', '.join(listed[:NAMED])}{more}; complete the checkpoint or correct its config"
            )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep `transformers` from writing while it loads; what matters is checked and said here."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
