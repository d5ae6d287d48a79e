"""From a run directory to its report: read the three files, write the page, the text and the figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from analysis import as_json
from analysis.processes import started_meanwhile
from benchmark.report.figure_names import figure_names
from benchmark.report.markdown import markdown
from benchmark.report.page import dots_each, page
from benchmark.report.sections import MetricSection, claimed, metric_sections
from benchmark.report.tables import run_tables
from benchmark.results.files import RunDirectory
from benchmark.results.kept_values import keep_value, kept_value
from benchmark.results.run import Run, read_run
from benchmark.results.schema import Results, RunRecord
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError
from benchmark.session.files import write_bytes
from benchmark.session.locks import locked
from benchmark.session.packages import package_version

__all__ = ["render", "write_report"]


def render(
    run: Path | Run,
    *,
    cache: Cache | None = None,
    workers: int = 1,
    figures: Sequence[str] = ("svg",),
    tables: Sequence[str] = (),
) -> list[Path]:
    """Write report.html, report.md, the figures and the tables of a run, each whole or not at all.

    Parameters
    ----------
    run : Path or Run
        A directory that holds run.json, results.json and scores.parquet, or what was read from one.
    cache : Cache, optional
        Where figures are kept by content: matplotlib takes half a second for each.
    workers : int
        Processes that draw figures while the page is written.
    figures : sequence of {"svg", "pdf"}
        What `figures/` holds.
    tables : sequence of {"csv", "latex"}
        What `tables/` holds.

    Returns
    -------
    list of Path
        What was written, the page first. The same run gives the same bytes.

    Raises
    ------
    benchmark.session.errors.UsageError
        A file is absent, unreadable, or not of this schema, the files are not of one run, the run has not
        ended, or another process writes there.
    """
    found = run if isinstance(run, Run) else read_run(run)
    with locked(found.path, ""):
        return write_report(found, cache=cache, workers=workers, figures=figures, tables=tables)


def write_report(
    run: Run,
    *,
    cache: Cache | None = None,
    workers: int = 1,
    figures: Sequence[str] = ("svg",),
    tables: Sequence[str] = (),
) -> list[Path]:
    """Write what `render` writes in a directory that the caller has locked; parameters as there."""
    directory = RunDirectory(run.path, run.record)
    record, results, scores = run.record, run.results, run.scores
    _check(directory.path, results, scores)
    folder = directory.figures
    kept = None if cache is None else cache.figures / f"{_key(directory, record)}.figures"
    drawn = _kept(cache, kept, figure_names(results)) if cache and kept else None
    apart = drawn is None and workers > 1
    with started_meanwhile(workers, _load) if apart else nullcontext():
        sections = metric_sections(record, results, scores, most=dots_each(results))
        against = directory.read_against()
    drawing = _begun(sections, results, workers) if drawn is None else None
    texts = {
        directory.path / "report.html": page(record, results, scores, sections, against),
        directory.path / "report.md": markdown(record, results, scores, sections, against),
    }
    if drawing is not None:
        drawn = dict(drawing)
        if cache and kept:
            keep_value(cache, kept, drawn)
    if "svg" in figures:
        texts |= {folder / name: content for name, content in (drawn or {}).items()}
    texts |= {directory.tables / name: text for name, text in run_tables(run, tables).items()}
    contents = {path: text.encode() for path, text in texts.items()}
    if "pdf" in figures:
        from benchmark.report.figures import pdf_figures

        contents |= {folder / name: pdf for name, pdf in pdf_figures(sections, results)}
    for path, content in contents.items():
        write_bytes(path, content)
    # An earlier rendering of this run may have had other metrics; its plots would be taken for this one's.
    for stale in {*folder.glob("scores-*.svg"), *folder.glob("*.pdf")} - set(contents):
        stale.unlink()
    return list(contents)


def _load() -> None:
    """In a process that will draw."""
    import benchmark.report.figures  # noqa: F401


def _check(path: Path, results: Results, scores: pd.DataFrame) -> None:
    """Refuse files that each read well and do not belong together."""
    scored = set(scores["metric"]) if "metric" in scores else set()
    for result in results.metrics:
        if result.metric not in scored:
            raise UsageError(f"{path}: scores.parquet has no row of {result.metric}, which results.json has")
        try:
            claimed(result)
        except ValueError as error:
            raise UsageError(f"{path / 'results.json'}: {error}") from error


def _begun(sections: Sequence[MetricSection], results: Results, workers: int) -> Iterator[tuple[str, str]]:
    # Imported here: where the figures are kept already, nobody waits for matplotlib.
    from benchmark.report.figures import run_figures

    return run_figures(sections, results, workers)


def _kept(cache: Cache, path: Path, names: Sequence[str]) -> dict[str, str] | None:
    """Figures from the cache; None where none can be believed, or they have other names than this run's."""
    kept = kept_value(cache, path, dict[str, str])
    return kept if kept is not None and set(kept) == set(names) else None


def _key(directory: RunDirectory, record: RunRecord) -> str:
    """What decides the figures: scores, results, what is said of the metrics, and the code that draws."""
    code = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    parts = [
        *directory.digest_parts(),
        json.dumps(as_json(dict(record.metrics)), sort_keys=True).encode(),
        *code,
        package_version("matplotlib").encode(),
    ]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
