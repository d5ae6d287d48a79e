"""A proposed metric beside the baselines, on the same pairs, by the same work as the main job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import analysis
from analysis.results import Result
from benchmark.catalog import CatalogLike, load_catalog
from benchmark.evaluation.card import metric_card
from benchmark.evaluation.gates import Gate, GateOutcome, parse_gate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose, choose_from_file
from benchmark.pipeline.deadline import time_limit_in_seconds
from benchmark.pipeline.finish import default_out
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.plan import Plan, make_plan
from benchmark.pipeline.plugin_process import PluginProcess
from benchmark.pipeline.provenance import Request, catalog_facts
from benchmark.pipeline.run import carry_out
from benchmark.pipeline.same_settings import check_settings
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run
from benchmark.results.schema import MetricResult
from benchmark.session.errors import UsageError
from benchmark.session.files import write_text
from benchmark.session.session import Session

__all__ = ["Evaluation", "evaluate", "plan_evaluation", "write_template"]

TEMPLATE: Final = Path(__file__).with_name("own_metric.py")


@dataclass(frozen=True, eq=False)
class Evaluation(Result):
    """A proposed metric, judged.

    Attributes
    ----------
    metric : str
        Its name.
    run : Run
        The run it took part in.
    gates : tuple of GateOutcome
        In the order they were given.
    """

    metric: str
    run: Run
    gates: tuple[GateOutcome, ...]

    @property
    def result(self) -> MetricResult:
        """What results.json has of the metric."""
        return self.run.results.metric(self.metric)

    @property
    def comparisons(self) -> tuple[analysis.Comparison, ...]:
        """Paired differences, this metric minus each baseline."""
        return tuple(one for one in self.run.results.comparisons if one.metric_a == self.metric)

    @property
    def card(self) -> Path:
        """Where the metric card lies."""
        return RunDirectory(self.run.path).card

    @property
    def passed(self) -> bool:
        """Whether every gate held."""
        return all(outcome.passed for outcome in self.gates)

    def _facts(self) -> dict[str, object]:
        return {
            "metric": self.metric,
            "verdict": self.result.verdict,
            "because": self.result.because,
            "claim_verdict": self.result.claim_verdict,
            "claim_because": self.result.claim_because,
            "gates": [str(outcome) for outcome in self.gates],
            "card": str(self.card),
        }

    def to_json(self) -> dict[str, object]:
        """The whole as plain values."""
        results, record = self.run.results, self.run.record
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
            "costs": analysis.as_json(dict(record.costs)),
            "failures": analysis.as_json(record.failures),
            "directory": str(self.run.path),
        }


def write_template(path: Path) -> None:
    """Write a metric that runs as it is.

    Raises
    ------
    UsageError
        The file is there already, or is not to be a Python file.
    """
    if path.suffix != ".py":
        raise UsageError(f"--new {path}: give a Python file, such as my_metric.py")
    if path.exists():
        raise UsageError(f"--new {path}: the file exists; choose another name")
    write_text(path, TEMPLATE.read_text(encoding="utf-8"))


def evaluate(
    metric: str,
    *,
    against: str | Sequence[str] | None = None,
    gates: Sequence[Gate | str] = (),
    catalog: CatalogLike = None,
    tier: str = "zoo",
    models: str | None = None,
    limit: int | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    force: bool = False,
    workers: int | None = None,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Evaluation:
    """Run a proposed metric beside others and judge it.

    Parameters
    ----------
    metric : str
        ``FILE.py:Class`` or ``FILE.py:function``.
    against : str or sequence of str, optional
        Baselines: names and globs, or ``"all"``; default: those marked cheap.
    gates : sequence of Gate or str
        What must hold, such as ``"look_alike_auc=0.95"`` or ``"verdict=separates within limits"``.
    catalog, tier, models, limit, out, seed
        As for `benchmark.run`.
    time_limit : float, optional
        Seconds the proposed metric may take to be imported, for one model, and for one pair; 0: no limit.
        Default: 60 where the system has interval timers (POSIX), else no limit.
    force : bool
        Replace results of other settings that `out` holds.
    workers, device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    Evaluation
        Whether the gates held stands in ``passed``; what failed in ``run.record.failures``.

    Raises
    ------
    UsageError
        One line: the file or what is named in it is no metric, a gate that there is not, a time limit where
        there are no timers; and as for `benchmark.run`.

    Examples
    --------
    >>> write_template(Path("my_metric.py"))
    >>> judged = evaluate(
    ...     "my_metric.py:MyMetric", against="norm-pearson", models="zoo/qwen-[ab]*", gates=["auc=0.5"]
    ... )
    >>> judged.metric, str(judged.result.verdict), judged.passed, judged.card.name
    ('my-metric', 'cannot say', True, 'card.md')
    """
    session = Session.start(cache=cache, device=device, workers=workers, quiet=quiet)
    conditions = tuple(parse_gate(gate) if isinstance(gate, str) else gate for gate in gates)
    seconds = time_limit_in_seconds(time_limit)
    process = PluginProcess(session.device)
    proposed, *baselines = _metrics(metric, against, process, seconds)
    loaded = load_catalog(catalog)
    arguments: dict[str, object] = {
        "metric": proposed.name,
        "file": proposed.file.name if proposed.file else None,
        "against": [baseline.name for baseline in baselines],
        "gates": [gate.stated for gate in conditions],
        "tier": tier,
        "models": models,
        "limit": limit,
        "time_limit": seconds,
    }
    request = Request("evaluate", arguments, seed, tier, session.device, catalog_facts(loaded))
    directory = RunDirectory(Path(out) if out else default_out())
    check_settings(directory, request, force=force)
    plan = make_plan(loaded, [proposed, *baselines], tier=tier, models=models, limit=limit, seed=seed)

    def judged(run: Run) -> tuple[GateOutcome, ...]:
        result = run.results.metric(proposed.name)
        return tuple(gate.judge(result) for gate in conditions)

    def card(run: Run) -> str:
        return metric_card(run.record, run.results, proposed.name, list(map(str, judged(run))))

    run = carry_out(
        session,
        loaded,
        plan,
        directory.path,
        request,
        time_limits={} if seconds is None else {proposed.name: seconds},
        focus=proposed.name,
        card=card,
        processes={proposed: process},
    )
    process.close()
    return Evaluation(proposed.name, run, judged(run))


def plan_evaluation(
    metric: str,
    *,
    against: str | Sequence[str] | None = None,
    gates: Sequence[Gate | str] = (),
    catalog: CatalogLike = None,
    tier: str = "zoo",
    models: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    time_limit: float | None = None,
    workers: int | None = None,
    device: str | None = None,
) -> Plan:
    """Decide the work of `evaluate` without doing it; parameters and errors as there.

    Returns
    -------
    Plan
        ``print(plan)`` counts it.

    Examples
    --------
    >>> write_template(Path("planned_metric.py"))
    >>> planned = plan_evaluation("planned_metric.py:MyMetric", against="norm-std", models="zoo/qwen-[ab]*")
    >>> [one.name for one in planned.metrics]
    ['my-metric', 'norm-std']
    """
    Session.start(device=device, workers=workers)  # refuses what the evaluation would refuse
    for gate in gates:
        if isinstance(gate, str):
            parse_gate(gate)
    chosen = _metrics(metric, against, None, time_limit_in_seconds(time_limit))
    return make_plan(load_catalog(catalog), chosen, tier=tier, models=models, limit=limit, seed=seed)


def _metrics(
    metric: str, against: str | Sequence[str] | None, process: PluginProcess | None, seconds: float | None
) -> list[ChosenMetric]:
    """The proposed metric, and the baselines.

    It is the first, so that it pays itself for what it reads, and stands first in every comparison.
    """
    proposed = choose_from_file(metric, process, seconds)
    baselines = [name for name in choose_metrics(against, option="--against") if name != proposed.name]
    return [proposed, *map(choose, baselines)]
