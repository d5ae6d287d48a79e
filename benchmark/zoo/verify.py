"""Checking the shipped zoo: the files against the manifest, and a sample trained again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import fpcore
from benchmark.session.errors import UsageError
from benchmark.session.progress import Advance
from benchmark.zoo.library import open_zoo
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, Manifest, read_manifest
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import Child, Exact, Founder, RawRecipes, Recipe
from benchmark.zoo.texts import prepare_text, text_digest
from benchmark.zoo.training import train

__all__ = ["Check", "verify"]

# The same text: what other processors make of the same arithmetic. Other text: another sample of a language.
LOSS_TOLERANCE = 0.02
LOSS_TOLERANCE_OTHER_TEXT = 0.25
LEAST_COSINE = 0.98


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes
    ----------
    model : str
        Recipe name, or ``all``.
    what : str
    passed : bool
    detail : str
        What was found, what was expected, or why nothing could be said.
    """

    model: str
    what: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'} {self.model}: {self.what}: {self.detail}"


def verify(
    recipes: RawRecipes,
    sample: int = 3,
    *,
    folder: Path = SHIPPED,
    seed: int = 0,
    progress: Advance | None = None,
) -> list[Check]:
    """Check every file, then train a few models again from their recipe (children from their shipped parent).

    Where this Python carries the text the zoo was trained on, held-out loss must agree within 0.02 nats and
    the weights must have a cosine of at least 0.98 with the shipped ones. Another Python version carries
    other text: then the loss must agree within 0.25 nats, and the weights are not compared.

    Parameters
    ----------
    recipes : mapping
        As for `benchmark.zoo.build.build`.
    sample : int
        How many models to train again: a founder first, then children and founders in turn, drawn by `seed`.
    folder : pathlib.Path
        The zoo; the shipped one otherwise.
    progress : callable, optional
        Called with models done, models in all, and which one is being trained.

    Returns
    -------
    list of Check
        One for the files, then two for each model trained again.
    """
    parsed = parse_recipes(recipes)
    manifest = read_manifest(folder)
    checks = [_files(parsed, recipes, folder)]
    if not checks[0].passed:
        return checks
    chosen = _draw(parsed, sample, seed)
    with tempfile.TemporaryDirectory(prefix="lookalike-verify-") as scratch:
        for done, name in enumerate(chosen):
            if progress is not None:
                progress(done, len(chosen), f"retraining {name}")
            checks += _again(parsed, name, manifest, folder, Path(scratch))
    if progress is not None:
        progress(len(chosen), len(chosen), "done")
    return checks


def _files(parsed: Mapping[str, Recipe], recipes: RawRecipes, folder: Path) -> Check:
    trained = [name for name, recipe in parsed.items() if not isinstance(recipe, Exact)]
    for name in trained:
        try:
            open_zoo(name, recipes, folder=folder)
        except fpcore.BadCheckpoint as error:
            return Check(name, "files", False, str(error))
    return Check("all", "files", True, f"{len(trained)} trained models match the manifest and the recipes")


def _draw(parsed: Mapping[str, Recipe], sample: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    kinds = [
        [name for name, recipe in parsed.items() if isinstance(recipe, kind)] for kind in (Founder, Child)
    ]
    founders, children = ([str(name) for name in rng.permutation(names)] for names in kinds)
    drawn: list[str] = []
    while len(drawn) < sample and (founders or children):
        source = founders if founders and (len(drawn) % 2 == 0 or not children) else children
        drawn.append(source.pop())
    return drawn


def _again(
    parsed: Mapping[str, Recipe], name: str, manifest: Manifest, folder: Path, scratch: Path
) -> list[Check]:
    recipe, entry = parsed[name], manifest.models[name]
    if isinstance(recipe, Exact):
        raise UsageError(f"{name} is not trained")
    texts = scratch / "texts"
    texts.mkdir(exist_ok=True)
    made = scratch / name
    made.mkdir()
    parent = folder / WEIGHTS / recipe.parent if isinstance(recipe, Child) else None
    teacher = folder / WEIGHTS / recipe.teacher if recipe.teacher is not None else None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcome = train(recipe, prepare_text(parsed, name, texts), parent, made, teacher=teacher)
    finally:
        torch.set_num_threads(threads)
    same_text = entry.text == text_digest(parsed, name)
    tolerance = LOSS_TOLERANCE if same_text else LOSS_TOLERANCE_OTHER_TEXT
    loss = Check(
        name,
        "held-out loss",
        abs(outcome.loss - entry.loss) <= tolerance,
        f"{outcome.loss:.4f}, shipped {entry.loss:.4f}, tolerance {tolerance}",
    )
    if not same_text:
        made_with = manifest.made_with.get("python", "another Python")
        detail = f"not compared: the zoo was trained on text from {made_with}, which differs in this Python"
        return [loss, Check(name, "weights", True, detail)]
    cosine = weight_cosine(fpcore.open_checkpoint(made), fpcore.open_checkpoint(folder / WEIGHTS / name))
    detail = f"cosine {cosine:.5f} with the shipped ones, at least {LEAST_COSINE}"
    return [loss, Check(name, "weights", cosine >= LEAST_COSINE, detail)]


def weight_cosine(first: fpcore.Checkpoint, second: fpcore.Checkpoint) -> float:
    """Cosine of all matrices of two models of one shape, taken as one vector."""
    dot = squares_first = squares_second = 0.0
    for name, info in first.tensors.items():
        if len(info.shape) == 2:
            a, b = first.read(name).double(), second.read(name).double()
            dot += float((a * b).sum())
            squares_first += float((a * a).sum())
            squares_second += float((b * b).sum())
    return float(dot / (squares_first * squares_second) ** 0.5)
