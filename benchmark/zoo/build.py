"""Training the whole zoo: parents before children, several at once, going on where a killed build stopped."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import platform
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from safetensors import SafetensorError

from benchmark.session.locks import locked
from benchmark.session.progress import Advance
from benchmark.zoo.manifest import WEIGHTS, Entry, Manifest, file_digests, read_manifest, write_manifest
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import (
    Child,
    Exact,
    RawRecipes,
    Recipe,
    Trained,
    build_order,
    founder_of,
    needs,
    recipe_digest,
)
from benchmark.zoo.texts import corpora_facts, prepare_text, text_digest
from benchmark.zoo.training import Outcome, Text, train
from benchmark.zoo.verify import Check, verify
from fpcore.errors import first_line

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

__all__ = ["Check", "build", "verify"]

SHOWN_EVERY_SECONDS = 1.0

StepCount: TypeAlias = "Synchronized[int]"

# In a worker: the count of training steps that all workers share, and whether to stop; both are given to a
# process when it starts.
_steps: StepCount | None = None
_stop: Event | None = None


class Stopped(Exception):
    """The build was interrupted: nobody waits for this model."""


@dataclass(frozen=True)
class Job:
    """One model to train in a worker process."""

    name: str
    recipe: Trained
    text: Text
    parent: Path | None
    teacher: Path | None
    folder: Path


def build(
    recipes: RawRecipes,
    out: Path,
    *,
    workers: int = 2,
    progress: Advance | None = None,
) -> Path:
    """Train every model that has a training recipe; what `out` holds already is kept.

    A model counts as there when its files are those of the manifest, made by the same recipe from the same
    text. A model's folder appears whole or not at all, so a killed build loses only what it was training.

    Parameters
    ----------
    recipes : mapping
        Recipe name to recipe, as the catalog gives them; exact transforms are checked and left out.
    out : pathlib.Path
        Gets ``manifest.json`` and ``weights/<name>/``.
    workers : int
        Processes, of one thread each.
    progress : callable, optional
        Called with training steps done, steps in all, and what is being trained.

    Returns
    -------
    pathlib.Path
        The manifest.

    Raises
    ------
    UsageError
        A recipe is wrong, this Python does not carry the text, or another process builds there; one line.
    OSError
        A model cannot be written; `filename` is its folder.
    """
    parsed = parse_recipes(recipes)
    with locked(out, "--out"):
        return _built(parsed, out, workers, progress)


def _built(parsed: Mapping[str, Recipe], out: Path, workers: int, progress: Advance | None) -> Path:
    """Train what is missing in a folder that is locked; parameters as for `build`."""
    todo = _trained(parsed)
    (out / WEIGHTS).mkdir(parents=True, exist_ok=True)
    for left in (out / WEIGHTS).glob(".*.*"):  # of a build that was killed
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
    old = read_manifest(out)
    kept = {name: entry for name in todo if (entry := _kept(parsed, name, old, out)) is not None}
    made_with = old.made_with if len(kept) == len(todo) else _made_with(old.made_with if kept else {})
    manifest = Manifest(made_with, corpora_facts(parsed), kept)
    show = _Progress({name: recipe.steps for name, recipe in todo.items()}, set(kept), progress)
    missing = {name: recipe for name, recipe in todo.items() if name not in kept}
    with tempfile.TemporaryDirectory(prefix="lookalike-text-") as texts:
        jobs = {}
        for name, recipe in missing.items():
            show.say(f"text for {name}")
            parent = out / WEIGHTS / recipe.parent if isinstance(recipe, Child) else None
            text = prepare_text(parsed, name, Path(texts))
            teacher = out / WEIGHTS / recipe.teacher if recipe.teacher is not None else None
            jobs[name] = Job(name, recipe, text, parent, teacher, out / WEIGHTS / name)
        for name, outcome in _run(jobs, workers, show):
            manifest.models[name] = _entry(parsed, name, outcome, out)
            ordered = {one: manifest.models[one] for one in todo if one in manifest.models}
            manifest = replace(manifest, models=ordered)
            write_manifest(out, manifest)
    return write_manifest(out, manifest)


def train_into(job: Job) -> Outcome:
    """Train one model into its folder, which appears whole or not at all."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{job.name}.", dir=job.folder.parent) as partial:
            made = Path(partial) / "model"
            made.mkdir()
            outcome = train(
                job.recipe, job.text, job.parent, made, teacher=job.teacher, after_step=_count_step
            )
            for file in job.text.tokenizer.iterdir():
                shutil.copyfile(file, made / file.name)
            for file in made.iterdir():
                file.chmod(0o644)  # weights are written for their owner alone
            if job.folder.exists():
                shutil.rmtree(job.folder)
            os.replace(made, job.folder)
    except (OSError, SafetensorError) as error:
        # The writer of weights says neither file nor number.
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
        told = os.strerror(number) if isinstance(error, OSError) else first_line(error)
        raise OSError(number, f"could not be trained: {told}", str(job.folder)) from None
    return outcome


def _count_step() -> None:
    assert _steps is not None, "set when the worker started"
    assert _stop is not None, "set when the worker started"
    if _stop.is_set():
        raise Stopped
    with _steps.get_lock():
        _steps.value += 1


def _trained(recipes: Mapping[str, Recipe]) -> dict[str, Trained]:
    order = build_order(recipes)
    return {name: recipe for name in order if not isinstance(recipe := recipes[name], Exact)}


def _kept(recipes: Mapping[str, Recipe], name: str, manifest: Manifest, out: Path) -> Entry | None:
    """The entry of a model that need not be trained again."""
    entry = manifest.models.get(name)
    if (
        entry is None
        or entry.recipe != recipe_digest(recipes, name)
        or entry.text != text_digest(recipes, name)
    ):
        return None
    return entry if file_digests(out / WEIGHTS / name) == entry.files else None


def _entry(recipes: Mapping[str, Recipe], name: str, outcome: Outcome, out: Path) -> Entry:
    recipe = recipes[name]
    assert not isinstance(recipe, Exact), "only trained models have entries"
    return Entry(
        recipe=recipe_digest(recipes, name),
        text=text_digest(recipes, name),
        files=file_digests(out / WEIGHTS / name),
        steps=recipe.steps,
        tokens=outcome.tokens,
        share_of_founder_budget=round(recipe.steps / founder_of(recipes, name).steps, 4),
        loss=round(outcome.loss, 5),
        start_loss=round(outcome.start_loss, 5),
        bigram_loss=None if math.isnan(outcome.bigram_loss) else round(outcome.bigram_loss, 5),
        seconds=round(outcome.seconds, 1),
    )


def _run(jobs: dict[str, Job], workers: int, show: _Progress) -> Iterator[tuple[str, Outcome]]:
    """Yield (name, outcome) as models are done; each waits for what it needs, longer ones go first."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    steps, stop = context.Value("q", 0), context.Event()
    executor = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(steps, stop))
    waiting = dict(sorted(jobs.items(), key=lambda item: -item[1].recipe.steps))
    running: dict[Future[Outcome], str] = {}
    unfinished = set(jobs)
    try:
        while waiting or running:
            ready = [name for name, job in waiting.items() if unfinished.isdisjoint(needs(job.recipe))]
            for name in ready[: workers - len(running)]:
                running[executor.submit(train_into, waiting.pop(name))] = name
            done, _ = wait(running, timeout=SHOWN_EVERY_SECONDS, return_when=FIRST_COMPLETED)
            show.training(sorted(running.values()), int(steps.value))
            for future in done:
                name = running.pop(future)
                outcome = future.result()
                unfinished.discard(name)
                show.finished(name, int(steps.value))
                yield name, outcome
    finally:
        stop.set()  # whoever trains still does so for nobody
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker(steps: StepCount, stop: Event) -> None:
    """One thread for everything; and no life without the process that waits for the result."""
    global _steps, _stop
    _steps, _stop = steps, stop
    # A Ctrl-C is for that process to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "workers have been started by the build"

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _made_with(before: Mapping[str, str]) -> dict[str, str]:
    """Versions of what trains now, behind those with which models that are kept were trained."""
    import tokenizers
    import torch
    import transformers

    now = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "machine": platform.machine(),
    }
    return {
        name: ", ".join(dict.fromkeys([*filter(None, before.get(name, "").split(", ")), version]))
        for name, version in now.items()
    }


class _Progress:
    """Steps done so far, said through the caller's function."""

    def __init__(self, steps: dict[str, int], kept: set[str], progress: Advance | None) -> None:
        self.total = sum(steps.values())
        self.before = sum(steps[name] for name in kept)
        self.n_models = len(steps)
        self.n_done = len(kept)
        self.progress = progress

    def say(self, text: str, steps: int = 0) -> None:
        """`steps` are those trained in this build."""
        if self.progress is not None:
            self.progress(self.before + steps, self.total, text)

    def training(self, names: list[str], steps: int) -> None:
        if names:
            self.say(f"{self.n_done} of {self.n_models} models; training {', '.join(names)}", steps)

    def finished(self, name: str, steps: int) -> None:
        self.n_done += 1
        self.say(f"{self.n_done} of {self.n_models} models; {name} done", steps)
