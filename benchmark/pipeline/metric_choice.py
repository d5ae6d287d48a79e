"""Metrics by name, by glob, or from a user's file."""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import fpcore
from benchmark.session.errors import UsageError

__all__ = ["FunctionMetric", "choose_metrics", "load_metric", "metric_key"]


def choose_metrics(text: str | None, *, option: str = "--metrics") -> tuple[str, ...]:
    """Names of the metrics asked for, in the registry's order.

    Parameters
    ----------
    text : str or None
        Comma-separated names and globs; ``"all"`` for every metric; None for those marked cheap.
    option : str
        What an error calls the list.

    Raises
    ------
    UsageError
        A name or glob that fits no metric.
    """
    known = {metric.name: metric for metric in fpcore.metrics()}
    if text is None:
        return tuple(name for name, metric in known.items() if metric.cost == "cheap")
    if text == "all":
        return tuple(known)
    chosen: set[str] = set()
    for part in (piece.strip() for piece in text.split(",")):
        hits = fnmatch.filter(known, part) if part else []
        if not hits:
            raise UsageError(f"{option}: no metric fits {part!r}; known: {', '.join(known)}")
        chosen.update(hits)
    return tuple(name for name in known if name in chosen)


class FunctionMetric(fpcore.Metric):
    """A plain function of two checkpoints as a metric: of a model it keeps nothing but the model itself."""

    function: ClassVar[Callable[[fpcore.Checkpoint, fpcore.Checkpoint], float]]

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:  # noqa: D102
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:  # noqa: D102
        if a.checkpoint is None or b.checkpoint is None:
            raise fpcore.NotComparable("the function needs the checkpoints themselves")
        return type(self).function(a.checkpoint, b.checkpoint)


def load_metric(spec: str) -> fpcore.Metric:
    """The metric of a registry name or of ``FILE.py:Class`` (or ``FILE.py:function``).

    Raises
    ------
    UsageError
        The file or what is named in it is not there, is no metric, or takes the name of another metric.
    """
    if ".py:" not in spec:
        return fpcore.metric(spec)
    return _from_file(spec)


@lru_cache(maxsize=32)
def _from_file(spec: str) -> fpcore.Metric:
    path_text, _, name = spec.rpartition(":")
    module = _module(Path(path_text))
    if not hasattr(module, name):
        known = defined_in(module)
        raise UsageError(f"{path_text}: defines no {name}; it defines {', '.join(known) or 'no class'}")
    made = getattr(module, name)
    if inspect.isfunction(made):
        return _checked(_of_function(made, spec), spec)
    try:
        metric = made() if isinstance(made, type) else made
    except Exception as error:
        raise UsageError(f"{spec}: could not be made: {type(error).__name__}: {error}") from error
    if not isinstance(metric, fpcore.Metric):
        raise UsageError(
            f"{spec}: not a metric; derive the class from fpcore.Metric, or name a function of two models"
        )
    return _checked(metric, spec)


def defined_in(module: ModuleType) -> list[str]:
    """Public classes and functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if (isinstance(value, type) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _of_function(function: Callable[..., float], spec: str) -> fpcore.Metric:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise UsageError(f"{spec}: not a function of two checkpoints ({error})") from error
    said = (inspect.getdoc(function) or f"the function {function.__name__}").splitlines()[0]
    facts = {
        "name": function.__name__.strip("_").replace("_", "-"),
        "title": said.rstrip("."),
        "function": staticmethod(function),
    }
    metric: fpcore.Metric = type(function.__name__, (FunctionMetric,), facts)()
    return metric


def _checked(metric: fpcore.Metric, spec: str) -> fpcore.Metric:
    """The metric, if tables and files can name it and nothing else has its name."""
    for field in ("name", "title"):
        if not isinstance(getattr(metric, field, None), str):
            raise UsageError(f'{spec}: it has no {field}; give the class one, such as {field} = "my metric"')
    if not re.fullmatch(r"\w[\w.+-]*", metric.name):
        raise UsageError(f"{spec}: the name {metric.name!r} cannot name files; use letters, digits and -")
    known = {registered.name: registered for registered in fpcore.metrics()}.get(metric.name)
    if known is not None and type(known) is not type(metric):
        raise UsageError(f"{spec}: {metric.name} is the name of a registered metric; give yours another")
    return metric


def _module(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give FILE.py:Class")
    name = f"lookalike_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{path}: could not be imported: {type(error).__name__}: {error}") from error
    return module


def metric_key(spec: str) -> str:
    """What names a metric in the cache: name and version; for a user's file its content too."""
    metric = load_metric(spec)
    key = f"{metric.name}-v{metric.version}"
    if ".py:" in spec:
        content = Path(spec.rpartition(":")[0]).read_bytes()
        key += f"-{hashlib.sha256(content).hexdigest()[:16]}"
    return key
