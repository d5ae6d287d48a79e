"""A metric of a run: what finds it in any process, and what names it in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fpcore
from benchmark.pipeline.user_metrics import UserMetric

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
    """

    name: str
    version: int
    cost: Literal["cheap", "costly"]
    runs_model: bool
    foreign: bool
    file: Path | None = None
    attribute: str = ""
    content: str = ""

    def load(self) -> fpcore.Metric:
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
        return ChosenMetric(metric.name, metric.version, metric.cost, runs, foreign)
    return choose_from_file(spec)


def choose_from_file(spec: str) -> ChosenMetric:
    """The metric of ``FILE.py:Class`` or ``FILE.py:function``.

    Raises
    ------
    UsageError
        Not of that form; what is named is not there, is no metric, or takes the name of another metric.
    """
    user = UserMetric.named(spec)
    metric = user.load()
    # What a user's code does with a checkpoint is not known from what it states.
    return ChosenMetric(
        metric.name, metric.version, metric.cost, True, True, user.path, user.attribute, user.content
    )
