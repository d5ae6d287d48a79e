"""A metric of a run: what finds it in any process, and what names it in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import fpcore
from benchmark.pipeline.user_metrics import UserMetric

__all__ = ["ChosenMetric", "choose"]


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
    file : str
        ``FILE.py:Class`` with the whole path; empty for a registered metric.
    content : str
        The sha256 of the file's text; empty for a registered metric.
    """

    name: str
    version: int
    cost: Literal["cheap", "costly"]
    runs_model: bool
    foreign: bool
    file: str = ""
    content: str = ""

    def load(self) -> fpcore.Metric:
        """Make the metric.

        Raises
        ------
        UsageError
            A user's file that was changed since it was chosen.
        """
        if not self.file:
            return fpcore.metric(self.name)
        return UserMetric(self.file, self.content).load()

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
    user = UserMetric(spec)
    metric = user.load()
    file = f"{user.path}:{user.name}"
    # What a user's code does with a checkpoint is not known from what it states.
    return ChosenMetric(metric.name, metric.version, metric.cost, True, True, file, user.content)
