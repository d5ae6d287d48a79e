"""A metric of a run: what finds it in any process, and what names it in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fpcore
from benchmark.pipeline.deadline import USUAL_SECONDS
from benchmark.pipeline.plugin_process import ISOLATES, PluginEnded, PluginProcess
from benchmark.pipeline.stated_metric import StatedMetric
from benchmark.pipeline.user_metrics import UserMetric, usable_name
from benchmark.results.codec import SchemaMismatch
from benchmark.session.errors import UsageError
from fpcore.errors import described
from fpcore.printable import LONGEST, printable
from fpcore.registry import is_plugin

__all__ = ["ChosenMetric", "choose", "choose_from_file"]


@dataclass(frozen=True)
class ChosenMetric:
    """A metric by its name and, if it stands in a user's file, by that.

    Attributes
    ----------
    name : str
    version : int
    cost : {"cheap", "costly"}
    runs_model : bool
        Whether a score may depend on the device.
    foreign : bool
        Whether it is somebody else's code: a user's file, or a metric that another package brings.
    file : Path or None
        The user's file that it stands in; None for a registered metric.
    attribute : str
        The class or function in that file.
    content : str
        The sha256 of the file's text.
    stated : StatedMetric or None
        What a metric says that runs in a process of its own: its code is not run in this one.
    """

    name: str
    version: int
    cost: Literal["cheap", "costly"]
    runs_model: bool
    foreign: bool
    file: Path | None = None
    attribute: str = ""
    content: str = ""
    stated: StatedMetric | None = None

    @property
    def isolated(self) -> bool:
        """Whether it runs in a process of its own."""
        return self.stated is not None

    def load(self) -> fpcore.Metric:
        """The metric, to be asked what it is; one that is isolated says so, and does nothing."""
        return self.code() if self.stated is None else self.stated.metric()

    def code(self) -> fpcore.Metric:
        """Make the metric.

        Raises
        ------
        UsageError
            A user's file that was changed since it was chosen.
        """
        if self.file is None:
            return fpcore.metric(self.name)
        return UserMetric(self.file, self.attribute, self.content).load()

    def key(self, device: str) -> str:
        """What names its fingerprints and scores in the cache: all that decides them beside the models.

        Name and version; of a user's file the content too; and the device, where scores may depend on it and
        it is not the processor.
        """
        parts = [f"{self.name}-v{self.version}"]
        if self.content:
            parts.append(self.content[:16])
        if self.runs_model and device != "cpu":
            parts.append(device.replace(":", ""))
        return "-".join(parts)


def choose(spec: str) -> ChosenMetric:
    """The metric of a registry name or of ``FILE.py:Class`` (or ``FILE.py:function``).

    Raises
    ------
    UsageError
        The file or what is named in it is not there, is no metric, or takes the name of another metric.
    KeyError
        No metric is registered under that name.
    """
    if ".py:" not in spec:
        metric = fpcore.metric(spec)
        runs, foreign = (
            metric.needs_forward_pass,
            not type(metric).__module__.startswith("fpcore."),
        )
        stated = StatedMetric.of(metric) if ISOLATES and is_plugin(metric.name) else None
        return ChosenMetric(metric.name, metric.version, metric.cost, runs, foreign, stated=stated)
    return choose_from_file(spec)


def choose_from_file(
    spec: str, process: PluginProcess | None = None, limit: float | None = USUAL_SECONDS
) -> ChosenMetric:
    """The metric of ``FILE.py:Class`` or ``FILE.py:function``.

    Parameters
    ----------
    spec : str
    process : PluginProcess, optional
        Where the file is run, to see what is in it.
    limit : float or None
        Seconds that it may take to be imported.

    Raises
    ------
    UsageError
        Not of that form; what is named is not there, is no metric, or takes the name of another metric.
    """
    user = UserMetric.named(spec)
    if not ISOLATES:
        metric = user.load()
        # What a user's code does with a checkpoint is not known from what it states.
        return ChosenMetric(
            metric.name, metric.version, metric.cost, True, True, user.path, user.attribute, user.content
        )
    used = process or PluginProcess()
    try:
        (told,) = used.stream(limit, _stated, user)
        if isinstance(told, str):
            raise UsageError(printable(told[:LONGEST]))
        stated = StatedMetric.from_json(told)
    except PluginEnded as error:
        raise UsageError(f"{user}: could not be imported: {error}") from error
    except (SchemaMismatch, ValueError) as error:
        raise UsageError(f"{user}: its attributes are not those of a metric ({error})") from error
    finally:
        if process is None:
            used.close()
    usable_name(str(user), stated.name)
    if stated.name in {registered.name for registered in fpcore.metrics()}:
        raise UsageError(f"{user}: {stated.name} is already a registered metric; choose another name")
    return ChosenMetric(
        stated.name,
        stated.version,
        stated.cost,
        True,
        True,
        user.path,
        user.attribute,
        user.content,
        stated,
    )


def _stated(user: UserMetric) -> Iterator[object]:
    """In the process of its own: what a user's metric says of itself, or why there is none."""
    try:
        yield StatedMetric.of(user.load()).to_json()
    except UsageError as error:
        yield str(error)
    except Exception as error:
        yield f"{user}: its attributes are not those of a metric ({described(error)})"
