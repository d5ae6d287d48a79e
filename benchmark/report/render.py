"""From a run directory to its report: read the three files, write the page, the text and the figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any

import matplotlib

from analysis import as_json
from benchmark.report.entries import metric_views
from benchmark.report.figures import as_svg, decay_panels, forest, roc_panels, score_plot
from benchmark.report.markdown import markdown
from benchmark.report.page import dots_each, page
from benchmark.report.view import MetricView
from benchmark.results.files import RunDirectory
from benchmark.session.files import atomic_path, write_json

__all__ = ["render"]


def render(run_dir: Path, *, cache: Path | None = None) -> list[Path]:
    """Write report.html, report.md and the figures of a run, each whole or not at all.

    Parameters
    ----------
    run_dir : Path
        Holds run.json, results.json and scores.parquet.
    cache : Path, optional
        Where figures are kept by content: matplotlib takes half a second for each.

    Returns
    -------
    list of Path
        What was written, the page first. The same run gives the same bytes.

    Raises
    ------
    benchmark.session.errors.UsageError
        A file is absent, unreadable, or of another schema.
    """
    directory = RunDirectory(Path(run_dir))
    run, results = as_json(directory.read_record()), as_json(directory.read_results())
    scores = directory.read_scores()
    views = metric_views(run, results, scores, most=dots_each(results))
    figures = directory.path / "figures"
    drawn = _figures(views, None if cache is None else cache / "figures" / f"{_key(directory, run)}.json")
    texts = {
        directory.path / "report.html": page(run, results, scores, views),
        directory.path / "report.md": markdown(run, results, scores, views),
        **{figures / name: content for name, content in drawn.items()},
    }
    for path, content in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    # An earlier rendering of this run may have had other metrics; its plots would be taken for this one's.
    for stale in set(figures.glob("scores-*.svg")) - set(texts):
        stale.unlink()
    return list(texts)


def _figures(views: Sequence[MetricView], kept: Path | None) -> dict[str, str]:
    """Every figure by its file name, as SVG."""
    if kept is not None and kept.is_file():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    whole = {"look-alike-auc": forest, "roc": roc_panels, "decay": decay_panels}
    drawn = {f"{name}.svg": as_svg(draw(views)) for name, draw in whole.items()}
    drawn |= {f"scores-{view.anchor.removeprefix('metric-')}.svg": as_svg(score_plot(view)) for view in views}
    if kept is not None:
        write_json(kept, drawn)
    return drawn


def _key(directory: RunDirectory, run: Mapping[str, Any]) -> str:
    """What decides the figures: scores, results, what is said of the metrics, and the code that draws."""
    parts = [(directory.path / name).read_bytes() for name in ("scores.parquet", "results.json")]
    parts += [json.dumps(run.get("metrics"), sort_keys=True).encode(), _code()]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@once
def _code() -> bytes:
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return b"\0".join([path.read_bytes() for path in files] + [matplotlib.__version__.encode()])
