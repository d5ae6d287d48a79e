"""The tables of a run for papers and spreadsheets: every number as CSV, what a paper quotes as LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from analysis import Interval
from benchmark.report.notation import UNDEFINED, interval, p_value, percent_interval, plain, signed
from benchmark.results.run import Run
from benchmark.session.errors import UsageError
from benchmark.session.untrusted_text import csv_text

__all__ = ["FIGURES", "TABLES", "kinds", "run_tables"]

TABLES: Final = ("csv", "latex")
FIGURES: Final = ("svg", "pdf")

#: What a paper's text cannot hold as it stands. Each character is looked at once.
ESCAPED: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\N{MINUS SIGN}": "$-$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "×": r"$\times$",
        "–": "--",
        "—": "---",
        "\N{NARROW NO-BREAK SPACE}": r"\,",
        "\N{NO-BREAK SPACE}": "~",
    }
)


def kinds(asked: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Read a list such as ``csv,latex``.

    Raises
    ------
    UsageError
        A kind that there is not.

    Examples
    --------
    >>> kinds("latex, csv", TABLES, "--tables")
    ('csv', 'latex')
    """
    named = [part.strip() for part in asked.split(",")]
    unknown = [part for part in named if part not in known]
    if unknown:
        raise UsageError(f"{option}: {unknown[0]!r}; known: {', '.join(known)}")
    return tuple(kind for kind in known if kind in named)


def run_tables(run: Run, wanted: Sequence[str]) -> dict[str, str]:
    """Write the tables of a run.

    Parameters
    ----------
    run : Run
    wanted : sequence of {"csv", "latex"}

    Returns
    -------
    dict of str to str
        File name → content. As CSV what `Run` has as DataFrames, a file each; LaTeX needs the package
        booktabs.
    """
    found: dict[str, str] = {}
    if "csv" in wanted:
        frames: Mapping[str, pd.DataFrame] = {
            "metrics": run.metrics.reset_index(),
            "methods": run.methods,
            "comparisons": run.comparisons,
            "families": run.families,
            "decay": run.decay,
        }
        found |= {f"{name}.csv": csv_text(frame) + "\n" for name, frame in frames.items() if len(frame)}
    if "latex" in wanted:
        written: Mapping[str, Callable[[Run], str]] = {
            "metrics": _metrics,
            "methods": _methods,
            "comparisons": _comparisons,
        }
        found |= {f"{name}.tex": text for name, write in written.items() if (text := write(run))}
    return found


def _metrics(run: Run) -> str:
    head = ("Metric", "Look-alike AUC", "AUC", "Threshold", "Certified", "Children found", "Verdict")
    rows = []
    for one in run.results.metrics:
        threshold = one.thresholds[0] if one.thresholds else None
        rows.append(
            (
                one.metric,
                interval(one.look_alike_auc),
                interval(one.auc),
                plain(threshold.value) if threshold else UNDEFINED,
                ("yes" if threshold.certified and threshold.finds_any else "no") if threshold else UNDEFINED,
                _share(threshold.tpr) if threshold else UNDEFINED,
                str(one.verdict),
            )
        )
    return _tabular(head, rows, "lrrrlrl")


def _methods(run: Run) -> str:
    head = ("Metric", "Derivation", "Pairs", "Lineages", "Look-alike AUC", "Children found")
    rows = [
        (
            one.metric,
            method,
            f"{found.n_pairs:,}",
            f"{found.n_lineages:,}",
            interval(found.look_alike_auc),
            _share(found.tpr),
        )
        for one in run.results.metrics
        for method, found in one.by_method.items()
    ]
    return _tabular(head, rows, "llrrrr")


def _comparisons(run: Run) -> str:
    head = ("Metric", "less", "AUC", "AUC", "Difference", "p (Holm)")
    rows = []
    for one in run.results.comparisons:
        value = one.difference
        ends = f" [{signed(value.low)}, {signed(value.high)}]" if value.defined else ""
        difference = f"{signed(value.estimate)}{ends}"
        areas, p = (plain(one.auc_a), plain(one.auc_b)), p_value(one.adjusted_p_value)
        rows.append((one.metric_a, one.metric_b, *areas, difference, p))
    return _tabular(head, rows, "llrrrr")


def _share(value: Interval | None) -> str:
    return UNDEFINED if value is None else f"{percent_interval(value)}"


def _tabular(head: Sequence[str], rows: Iterable[Sequence[str]], columns: str) -> str:
    """A tabular environment; empty without a row."""
    lines = [_line(row) for row in rows]
    if not lines:
        return ""
    body = [r"\toprule", _line(head), r"\midrule", *lines, r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}", ""])


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cell.translate(ESCAPED) for cell in cells)} \\"
