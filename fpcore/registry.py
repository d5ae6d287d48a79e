"""The metrics by name: those of this package, and those that other packages bring."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Final, TypeVar

from fpcore.errors import BadPlugin, described
from fpcore.plugin_trial import named, on_trial, try_import
from fpcore.protocol import INVARIANCES, Metric

__all__ = ["metric", "metrics", "register"]

ENTRY_POINTS: Final = "lookalike.metrics"

M = TypeVar("M", bound=type[Metric])

registered: dict[str, Metric] = {}
_brought: set[str] = set()


def register(cls: M) -> M:
    """Class decorator: make a metric known by its name.

    Other packages name their classes under the entry point ``lookalike.metrics`` instead.

    Parameters
    ----------
    cls : type
        A subclass of `Metric` that can be made without arguments.

    Returns
    -------
    type
        The class, unchanged.

    Raises
    ------
    ValueError
        The name is taken by another class, or an invariance is none of `fpcore.protocol.INVARIANCES`.

    Examples
    --------
    >>> import fpcore
    >>> @fpcore.register
    ... class AlwaysAlike(fpcore.Metric):
    ...     name = "always-alike"
    ...     title = "the same score for any two models"
    ...
    ...     def fingerprint(self, model):
    ...         return self.make_fingerprint(model, {})
    ...
    ...     def similarity(self, a, b):
    ...         return 1.0
    >>> fpcore.metric("always-alike")
    <metric always-alike v1>
    """
    unknown = cls.invariances - set(INVARIANCES)
    if unknown:
        raise ValueError(f"metric {cls.name}: unknown invariances {sorted(unknown)}; known: {INVARIANCES}")
    known = registered.get(cls.name)
    if known is not None and (type(known).__module__, type(known).__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise ValueError(f"metric {cls.name}: {cls.__module__} and {type(known).__module__} both define it")
    registered[cls.name] = cls()
    return cls


@cache
def load_metrics() -> None:
    """Import the modules of `fpcore.metrics` and the entry points of other packages."""
    package = import_module("fpcore.metrics")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    points = tuple(entry_points(group=ENTRY_POINTS))
    if not on_trial():
        try_import(points)
    for point in points:
        try:
            with redirect_stdout(sys.stderr):  # what it prints is not the result of a command
                loaded = point.load()
        except (Exception, SystemExit) as error:
            raise BadPlugin(
                f"{named(point)} cannot be imported ({described(error)}); repair or uninstall the package"
                " that brings it"
            ) from error
        if isinstance(loaded, type) and issubclass(loaded, Metric):
            register(loaded)
            _brought.add(loaded.name)


def is_plugin(name: str) -> bool:
    """Whether a metric of that name is brought by another package."""
    load_metrics()
    return name in _brought


def metrics() -> tuple[Metric, ...]:
    """All metrics: the built-in ones by module and place in it, then those of other packages by name.

    Returns
    -------
    tuple of Metric

    Raises
    ------
    BadPlugin
        A package that brings metrics cannot be imported; the message names it. That is tried in a process of
        its own before, so that it may crash or exit.

    Examples
    --------
    >>> import fpcore
    >>> [metric.name for metric in fpcore.metrics() if metric.evidence == {"tokenizer"}]
    ['tokenizer-overlap']
    """
    load_metrics()
    order = list(registered)

    def key(name: str) -> tuple[bool, str, int | str]:
        module = type(registered[name]).__module__
        built_in = module.startswith("fpcore.metrics.")
        return (not built_in, module if built_in else "", order.index(name) if built_in else name)

    return tuple(registered[name] for name in sorted(order, key=key))


def metric(name: str) -> Metric:
    """The metric of that name.

    Parameters
    ----------
    name : str
        Such as ``attention-std``.

    Returns
    -------
    Metric

    Raises
    ------
    KeyError
        There is none; the message lists those there are.

    Examples
    --------
    >>> import fpcore
    >>> metric = fpcore.metric("attention-std")
    >>> parent, child = (fpcore.open_checkpoint(f"models/{name}") for name in ("parent", "child"))
    >>> metric.similarity(metric.fingerprint(parent), metric.fingerprint(child)) > 0.9
    True
    """
    load_metrics()
    if name not in registered:
        raise KeyError(f"unknown metric {name!r}; known: {', '.join(sorted(registered))}")
    return registered[name]
