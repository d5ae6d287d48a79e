"""A proposed metric beside the baselines, on the same pairs, by the same work as the main job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import analysis
from analysis.notebook import Shown
from benchmark.catalog import Catalog
from benchmark.evaluation.card import metric_card
from benchmark.evaluation.gates import Gate, GateOutcome
from benchmark.pipeline.deadline import SUPPORTED
from benchmark.pipeline.execute import Finished, Told, execute
from benchmark.pipeline.metric_choice import load_metric
from benchmark.pipeline.plan import make_plan
from benchmark.results.schema import CatalogFacts, MetricResult
from benchmark.session.errors import UsageError
from benchmark.session.files import atomic_path, write_text
from benchmark.session.progress import Reporter
from fpcore.forward import current_device

__all__ = ["Evaluation", "default_time_limit", "evaluate", "own_spec", "write_template"]

TEMPLATE: Final = Path(__file__).with_name("own_metric.py")
CARD: Final = "card.md"


@dataclass(frozen=True)
class Evaluation(Shown):
    """A proposed metric, judged.

    Attributes
    ----------
    metric : str
        Its name.
    finished : Finished
        The run it took part in.
    gates : tuple of GateOutcome
        In the order they were given.
    """

    metric: str
    finished: Finished
    gates: tuple[GateOutcome, ...]

    @property
    def result(self) -> MetricResult:
        """What results.json has of the metric."""
        return self.finished.results.metric(self.metric)

    @property
    def comparisons(self) -> tuple[analysis.Comparison, ...]:
        """Paired differences, this metric less each baseline."""
        return tuple(one for one in self.finished.results.comparisons if one.metric_a == self.metric)

    @property
    def card(self) -> Path:
        """Where the metric card lies."""
        return self.finished.directory.path / CARD

    @property
    def passed(self) -> bool:
        """Whether every gate held."""
        return all(outcome.passed for outcome in self.gates)

    def _facts(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "verdict": self.result.verdict,
            "because": self.result.because,
            "gates": [str(outcome) for outcome in self.gates],
            "card": str(self.card),
        }

    def to_json(self) -> dict[str, object]:
        """The whole as plain values."""
        results = self.finished.results
        return {
            "metric": analysis.as_json(self.result),
            "baselines": [analysis.as_json(one) for one in results.metrics if one.metric != self.metric],
            "comparisons": analysis.as_json(self.comparisons),
            "gates": [
                {
                    "quantity": outcome.gate.quantity,
                    "sense": outcome.gate.sense,
                    "goal": outcome.gate.goal,
                    "value": analysis.as_json(outcome.value),
                    "passed": outcome.passed,
                }
                for outcome in self.gates
            ],
            "costs": analysis.as_json(dict(self.finished.record.costs)),
            "failures": analysis.as_json(self.finished.failures),
            "directory": str(self.finished.directory.path),
        }


def own_spec(text: str) -> str:
    """``FILE.py:Class`` as every process finds it.

    Raises
    ------
    UsageError
        Not of that form, no such file or class, no metric, or the name of another metric.
    """
    path, found, name = text.rpartition(":")
    if not found or not path.endswith(".py") or not name:
        raise UsageError(f"{text}: write it as FILE.py:Class (a start: evaluate --new my_metric.py)")
    load_metric(text)
    return f"{Path(path).resolve()}:{name}"


def default_time_limit() -> float | None:
    """Seconds for one model or pair: a minute where there are timers, else none."""
    return 60.0 if SUPPORTED else None


def write_template(path: Path) -> None:
    """Write a metric that runs as it is.

    Raises
    ------
    UsageError
        The file is there already, or is not to be a Python file.
    """
    if path.suffix != ".py":
        raise UsageError(f"--new {path}: name a Python file, such as my_metric.py")
    if path.exists():
        raise UsageError(f"--new {path}: it is there already; name another file")
    with atomic_path(path) as temporary:
        temporary.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")


def evaluate(
    catalog: Catalog,
    spec: str,
    *,
    against: Sequence[str],
    gates: Sequence[Gate],
    out: Path,
    cache: Path,
    workers: int,
    seed: int,
    reporter: Reporter,
    facts: CatalogFacts,
    tier: str = "zoo",
    models: str | None = None,
    time_limit: float | None = None,
) -> Evaluation:
    """Run a proposed metric beside others and judge it.

    Parameters
    ----------
    catalog : Catalog
    spec : str
        ``FILE.py:Class`` or ``FILE.py:function``, as `own_spec` gives it.
    against : sequence of str
        Baselines, by registry name.
    gates : sequence of Gate
    out, cache, workers, seed, reporter
        As for `benchmark.pipeline.execute.execute`.
    facts : CatalogFacts
        What run.json says of the catalog.
    tier, models
        As for `benchmark.pipeline.plan.make_plan`.
    time_limit : float, optional
        Seconds the proposed metric may take for one model, and for one pair.

    Raises
    ------
    UsageError
        A time limit where there are no timers.
    """
    if time_limit is not None and not SUPPORTED:
        raise UsageError("--time-limit: this system has no interval timers (POSIX); give 0 for no limit")
    name = load_metric(spec).name
    baselines = [metric for metric in against if metric != name]
    # First of all, so that it pays itself for what it reads, and stands first in every comparison.
    plan = make_plan(catalog, [spec, *baselines], tier=tier, models=models, seed=seed)
    finished = execute(
        catalog,
        plan,
        out,
        cache=cache,
        workers=workers,
        seed=seed,
        reporter=reporter,
        time_limits={} if time_limit is None else {spec: time_limit},
        focus=name,
        told=Told(
            "evaluate",
            {
                "metric": name,
                "file": Path(spec.rpartition(":")[0]).name,
                "against": baselines,
                "gates": [f"{gate.quantity}={gate.goal:g}" for gate in gates],
                "tier": tier,
                "models": models,
                "time_limit": time_limit,
            },
            tier=tier,
            device=current_device(),
            catalog=facts,
        ),
    )
    result = finished.results.metric(name)
    evaluation = Evaluation(name, finished, tuple(gate.judge(result) for gate in gates))
    card = metric_card(
        finished.record, finished.results, name, [str(outcome) for outcome in evaluation.gates]
    )
    write_text(evaluation.card, card)
    return evaluation
