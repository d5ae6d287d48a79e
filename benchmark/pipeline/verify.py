"""``report --verify``: whether a run follows from its scores, and its scores from the models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import analysis
import fpcore
from analysis.results import JSON, Result
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.pipeline import provenance
from benchmark.pipeline.verified_results import Difference, label_differences, result_differences
from benchmark.pipeline.verified_scores import ScoresAgain, score_again
from benchmark.results.run import Run, read_run
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError
from benchmark.session.session import Session

__all__ = ["Verification", "verify"]

N_PAIRS: Final = 8
"""Pairs of each metric that are scored again."""
NAMED: Final = 10


@dataclass(frozen=True, eq=False)
class Verification(Result):
    """What came out when a run was computed again.

    Attributes
    ----------
    run : str
        Its directory.
    results, labels : tuple of Difference
        Of results.json from what follows from the scores; of the score table from the catalog, and of what
        run.json says of metrics from what they state here.
    scores : ScoresAgain or None
        Pairs that were scored again; None where the run opened no model.
    other_code : tuple of str
        Packages, and parts of this one, that are not as they were when the run was made.
    """

    run: str
    results: tuple[Difference, ...]
    labels: tuple[Difference, ...]
    scores: ScoresAgain | None
    other_code: tuple[str, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All of them, causes before what follows from them."""
        return (*self.labels, *(self.scores.differences if self.scores else ()), *self.results)

    @property
    def agrees(self) -> bool:
        """Whether all that was computed again came out as the run states it."""
        return not self.differences

    def __str__(self) -> str:
        lines = [f"results.json {'does not follow' if self.results else 'follows'} from scores.parquet"]
        if self.labels:
            lines.append("labels differ from the catalog's, or claims from the metrics'")
        again = self.scores
        if again is not None and again.n_scores:
            n = len(again.differences)
            lines.append(
                f"{again.n_scores:,} scores ({again.n_metrics} metrics, {again.n_pairs:,} pairs) recomputed"
                f" from {again.n_models:,} models: " + (f"{n:,} differences" if n else "all as in the run")
            )
        else:
            lines.append("no score was recomputed from the models")
        lines += [f"differs: {one}" for one in self.differences[:NAMED]]
        if len(self.differences) > NAMED:
            lines.append(f"differs: {len(self.differences) - NAMED:,} more (--json has all)")
        lines += [f"not rescored: {why}" for why in (again.left_out if again else ())]
        if self.other_code:
            lines.append(f"changed since the run: {', '.join(self.other_code)}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, JSON]:
        """The same as plain values."""
        return {
            "run": self.run,
            "agrees": self.agrees,
            "results": analysis.as_json(self.results),
            "labels": analysis.as_json(self.labels),
            "scores": analysis.as_json(self.scores),
            "other_code": list(self.other_code),
        }


def verify(
    run: Run | Path | str,
    *,
    catalog: CatalogLike = None,
    n_pairs: int = N_PAIRS,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    quiet: bool = True,
) -> Verification:
    """Compute a run again from its scores, and some of its scores again from the models.

    Nothing is taken from the cache.

    Parameters
    ----------
    run : Run or path
    catalog : Catalog, path or several paths, optional
        That of the run; default: the shipped catalog.
    n_pairs : int
        Pairs of each metric that are scored again; 0: none.
    seed : int
        Of their choice.
    workers, device, quiet
        As for `Session.start`.

    Returns
    -------
    Verification
        ``print(verification)`` says whether all agrees.

    Raises
    ------
    UsageError
        The directory is refused, or the catalog is not that of the run.

    Examples
    --------
    >>> from benchmark import run
    >>> made = run(models="zoo/qwen-[ab]*", metrics="norm-pearson", limit=6, out="runs/small")
    >>> found = verify(made, n_pairs=3)
    >>> found.agrees, found.scores.n_scores
    (True, 3)
    """
    read = run if isinstance(run, Run) else read_run(run)
    labels = _catalog(read, catalog)
    session = Session.start(device=device or read.record.device, workers=workers, quiet=quiet)
    with tempfile.TemporaryDirectory(prefix="lookalike-verify-") as folder:
        session = replace(session, cache=Cache(Path(folder)))
        with session.progress.phase("statistics") as advance:
            results = result_differences(session, read, labels)
            advance(1, 1, "")
        opened = labels is not None and bool(read.record.models) and n_pairs > 0
        scores = score_again(session, read, labels, n_pairs=n_pairs, seed=seed) if opened and labels else None
    return Verification(
        run=str(read.path),
        results=results,
        labels=(*_descriptions(read), *(() if labels is None else label_differences(read, labels))),
        scores=scores,
        other_code=_other_code(read),
    )


def _catalog(run: Run, given: CatalogLike) -> Catalog | None:
    """The catalog of a run; paths that a run states are not opened."""
    facts = run.record.catalog
    if facts is None:
        return None
    catalog = load_catalog(given)
    if catalog.digest != facts.digest:
        which = catalog.file if given is not None else "the shipped one"
        raise UsageError(
            f"{run.path}: it was made with the catalog {facts.path!r} (SHA-256 {facts.digest[:12]}…), but"
            f" {which} has {catalog.digest[:12]}…; give the right one with --catalog"
        )
    return catalog


def _descriptions(run: Run) -> list[Difference]:
    """What run.json says of metrics that are registered here at its version, and they do not."""
    known = {metric.name: metric for metric in fpcore.metrics()}
    return [
        Difference(
            f"run.json: claims of {name}", analysis.as_json(stated.claims), analysis.as_json(now.claims)
        )
        for name, stated in run.record.metrics.items()
        if name in known and known[name].version == stated.version
        if (now := provenance.describe_metric(known[name])).claims != stated.claims
    ]


def _other_code(run: Run) -> tuple[str, ...]:
    """What is not as it was when the run was made: last digits may differ for that."""
    now: Mapping[str, str] = provenance.code(()) | provenance.packages()
    before: Mapping[str, str] = {**run.record.packages, **run.record.code}
    return tuple(sorted(name for name in now if name in before and now[name] != before[name]))
