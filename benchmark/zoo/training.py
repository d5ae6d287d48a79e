"""One zoo model trained from its recipe: an ordinary loop on an ordinary `transformers` model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from benchmark.zoo.bigram import bigram_loss
from benchmark.zoo.cells import CONTEXT, VOCABULARY
from benchmark.zoo.fresh import fresh_model
from benchmark.zoo.optimisers import make_optimiser
from benchmark.zoo.recipes import Child, Founder, Trained
from benchmark.zoo.starts import add_lora, merge_lora, start_of
from benchmark.zoo.tokens import Windows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Outcome", "Text", "held_out_loss", "load_model", "train"]

Tokens: TypeAlias = npt.NDArray[np.uint16]
Learned: TypeAlias = npt.NDArray[np.bool_]

BATCH = 16
WARM_UP = 0.05
WEIGHT_DECAY = 0.1
FLOOR = 0.05
DECAY_FROM = 0.75  # where the trapezoid begins to fall
EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Text:
    """Where a model's training text lies, tokenised.

    Attributes
    ----------
    training, held_out : pathlib.Path
        Files of `Windows`.
    tokenizer, former_tokenizer : pathlib.Path
        Folder of the tokenizer it is trained with, and of its parent's.
    """

    training: Path
    held_out: Path
    tokenizer: Path
    former_tokenizer: Path


@dataclass(frozen=True)
class Outcome:
    """What training came to.

    Attributes
    ----------
    tokens : int
        Tokens seen in training.
    loss : float
        On held-out text of the corpus after training, saved weights, nats a token.
    start_loss : float
        The same before the first step.
    bigram_loss : float
        Of a smoothed bigram model of the same training text; NaN where prompts are not learned.
    seconds : float
        Wall time of the training alone.
    """

    tokens: int
    loss: float
    start_loss: float
    bigram_loss: float
    seconds: float


def train(
    recipe: Trained,
    text: Text,
    parent: Path | None,
    folder: Path,
    *,
    teacher: Path | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train one model and save it in hub layout, in bfloat16.

    Parameters
    ----------
    recipe : Founder or Child
    text : Text
    parent : pathlib.Path or None
        Folder of the parent's saved weights.
    folder : pathlib.Path
        Exists; gets ``config.json`` and ``model.safetensors``.
    teacher : pathlib.Path or None
        Folder of the saved weights whose predictions are learned instead of the text.
    after_step : callable
        Called after each training step.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # those for loading and saving; ours is the caller's
    began = time.perf_counter()
    training, held_out = Windows.load(text.training), Windows.load(text.held_out)
    if isinstance(recipe, Founder):
        model = fresh_model(recipe)
    else:
        assert parent is not None, "a child has a parent"
        model = start_of(recipe, load_model(parent), text.former_tokenizer, text.tokenizer)
    start_loss = held_out_loss(model, held_out)
    if isinstance(recipe, Child) and recipe.lora is not None:
        add_lora(model, recipe.lora, seed=recipe.order)
    _learn(model, recipe, training, load_model(teacher).eval() if teacher else None, after_step)
    if isinstance(recipe, Child) and recipe.lora is not None:
        merge_lora(model)
    model.to(torch.bfloat16)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)  # says only what config.json says
    seconds = time.perf_counter() - began
    return Outcome(
        tokens=recipe.steps * _Practice.of(recipe).batch * CONTEXT,
        loss=held_out_loss(load_model(folder), held_out),
        start_loss=start_loss,
        bigram_loss=bigram_loss(training.tokens, held_out.tokens, VOCABULARY)
        if held_out.learned.all()
        else math.nan,
        seconds=seconds,
    )


def load_model(folder: Path) -> PreTrainedModel:
    """A saved model, in float32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


@torch.no_grad()
def held_out_loss(model: PreTrainedModel, held_out: Windows) -> float:
    """Mean loss in nats over the learned targets of held-out windows."""
    model.eval()
    total, count = 0.0, 0
    for start in range(0, len(held_out.tokens), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        losses = _losses(model, held_out.tokens[part], held_out.learned[part])
        total += float(losses.double().sum())
        count += len(losses)
    return total / count


@dataclass(frozen=True)
class _Practice:
    """What a recipe leaves open, filled in."""

    optimiser: str
    weight_decay: float
    warm_up: float
    batch: int

    @classmethod
    def of(cls, recipe: Trained) -> _Practice:
        if isinstance(recipe, Child):
            return cls("adamw", WEIGHT_DECAY, WARM_UP, BATCH)
        return cls(
            optimiser=recipe.optimiser or "adamw",
            weight_decay=WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay,
            warm_up=WARM_UP if recipe.warm_up is None else recipe.warm_up,
            batch=recipe.batch or BATCH,
        )


def _learn(
    model: PreTrainedModel,
    recipe: Trained,
    training: Windows,
    teacher: PreTrainedModel | None,
    after_step: Callable[[], None],
) -> None:
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    practice = _Practice.of(recipe)
    groups = [{"params": decayed, "weight_decay": practice.weight_decay}]
    groups += [{"params": others, "weight_decay": 0.0}]
    optimizer = make_optimiser(practice.optimiser, groups, recipe.rate)
    batches = _batches(len(training.tokens), recipe.order, practice.batch)
    torch.manual_seed(recipe.order)  # of dropout, the only thing here that draws
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * rate_share(
                recipe.schedule, (step + 0.5) / recipe.steps, practice.warm_up
            )
        chosen = next(batches)
        batch = (training.tokens[chosen], training.learned[chosen])
        if teacher is not None:
            loss = taught_losses(model, teacher, *batch).mean()
        elif recipe.balance is not None:
            loss = balanced_loss(model, *batch, weight=recipe.balance)
        else:
            loss = _losses(model, *batch).mean()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        after_step()


def rate_share(schedule: str, progress: float, warm_up: float = WARM_UP) -> float:
    """Share of the highest learning rate when `progress` (0 to 1) of the steps is done."""
    if progress < warm_up:
        return progress / warm_up
    if schedule == "linear":
        return (1.0 - progress) / (1.0 - warm_up)
    if schedule == "trapezoid":
        return min(1.0, (1.0 - progress) / (1.0 - DECAY_FROM))
    done = (progress - warm_up) / (1.0 - warm_up)
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * done))


def _batches(n_windows: int, order: int, batch: int) -> Iterator[npt.NDArray[np.int64]]:
    """Batches of window numbers: each epoch a new shuffle, decided by `order` alone."""
    for epoch in range(1_000_000):
        shuffled = np.random.default_rng((order, epoch)).permutation(n_windows)
        for start in range(0, n_windows - batch + 1, batch):
            yield shuffled[start : start + batch]


def taught_losses(
    model: PreTrainedModel, teacher: PreTrainedModel, tokens: Tokens, learned: Learned
) -> torch.Tensor:
    """Cross-entropy of the student under the teacher's predictions, of every learned target, flat.

    Of the teacher only its outputs are seen (distillation at temperature 1, arXiv:1503.02531); the text's own
    next token plays no part.
    """
    ids = torch.from_numpy(tokens.astype(np.int64))[:, :-1]
    kept = torch.from_numpy(learned)
    with torch.no_grad():
        predicted = teacher(input_ids=ids, use_cache=False).logits[kept].softmax(dim=-1)
    logits = model(input_ids=ids, use_cache=False).logits[kept]
    return torch.nn.functional.cross_entropy(logits, predicted, reduction="none")


def balanced_loss(model: PreTrainedModel, tokens: Tokens, learned: Learned, weight: float) -> torch.Tensor:
    """Mean loss of a mixture of experts, plus `weight` times what spreads tokens over the experts."""
    ids = torch.from_numpy(tokens.astype(np.int64))
    out = model(input_ids=ids[:, :-1], use_cache=False, output_router_logits=True)
    kept = torch.from_numpy(learned)
    loss = torch.nn.functional.cross_entropy(out.logits[kept], ids[:, 1:][kept])
    return loss + weight * torch.as_tensor(out.aux_loss)


def _losses(model: PreTrainedModel, tokens: Tokens, learned: Learned) -> torch.Tensor:
    """Loss of every learned target, flat."""
    ids = torch.from_numpy(tokens.astype(np.int64))
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    kept = torch.from_numpy(learned)
    return torch.nn.functional.cross_entropy(logits[kept], ids[:, 1:][kept], reduction="none")
