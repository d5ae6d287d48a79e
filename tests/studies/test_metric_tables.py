"""The tables of docs/reference/metrics.md: made from a run, and where the page shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.pipeline.run import run
from studies.metric_tables import PAGE, in_page, tables


def test_the_page_has_a_place_for_both_tables() -> None:
    shown = in_page(PAGE.read_text(encoding="utf-8"))
    assert set(shown) == {"weights", "forward"}
    assert "| `weight-cosine` |" in shown["weights"]
    assert "| `kv-cache` |" in shown["forward"]


@pytest.mark.slow
def test_rows_say_what_the_run_says(tmp_path: Path) -> None:
    done = run(
        models="zoo/qwen-[a-d]*",
        metrics="norm-pearson,config-match",
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        workers=1,
    )
    made = tables(done)
    rows = [line.split(" | ") for line in made["weights"].splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == ["| `norm-pearson`", "| `config-match`"]  # the better one first
    for row in rows:
        found = done.results.metric(row[0].strip("| `"))
        assert row[1] == f"{found.look_alike_auc.estimate:.3f}"
        head = made["weights"].splitlines()[0]
    assert f"{len(done.record.models):,} zoo models" in head
    absent = head.split("Not in this run: ")[1]
    assert "`weight-cosine`" in absent
    assert "`norm-pearson`" not in absent
    assert "`kv-cache`" not in absent  # of the other kind
    assert set(made) == {"weights"}  # no metric of the run runs models
