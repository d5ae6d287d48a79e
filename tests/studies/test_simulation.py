"""The simulation study: its truth is true, and the intervals cover it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

import analysis
from analysis.discrimination.wins import Wins
from studies.simulation.__main__ import main
from studies.simulation.coverage import design, measure_auc
from studies.simulation.designs import UNEQUAL, Design, spread
from studies.simulation.experiment import Experiment, markdown
from studies.simulation.pages import write

pytestmark = pytest.mark.thorough

DESIGNS = (
    Design("chain", (4,) * 12, 3),
    Design("hub", spread(10, UNEQUAL), 2, shape="hub", same_cell=0.5),
)


@pytest.mark.parametrize("population", DESIGNS, ids=lambda d: d.name)
def test_the_closed_form_is_the_mean_over_catalogs(population: Design) -> None:
    population = population.at_auc(0.9)
    assert population.auc() == pytest.approx(0.9, abs=1e-4)
    for kind in ("independent", "look-alike"):
        seen = [Wins.of(table, kind).estimate for table in population.draws(400, 1)]
        error = np.std(seen) / np.sqrt(len(seen))
        assert np.mean(seen) == pytest.approx(population.auc(matched=kind == "look-alike"), abs=3.5 * error)


@pytest.mark.parametrize("kind", ["fpr", "tpr"])
def test_true_rates(kind: str) -> None:
    population = Design("", (4,) * 10, 2, separation=1.5, same_cell=0.5)
    threshold = population.threshold_at(0.3, kind)  # type: ignore[arg-type]
    seen = [analysis.rate(t, threshold, kind).estimate for t in population.draws(300, 1)]  # type: ignore[arg-type]
    assert np.mean(seen) == pytest.approx(0.3, abs=3.5 * np.std(seen) / np.sqrt(300))


def test_draws_repeat_with_their_seed() -> None:
    one, two, other = (next(DESIGNS[0].draws(1, seed)).score for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("lineages", "sizes", "effects", "shape", "auc"),
    [
        (10, "3–5", "mixed", "chain", 0.965),
        pytest.param(10, "1–8", "lineage", "hub", 0.9, marks=pytest.mark.slow),
        pytest.param(18, "2", "independent pairs", "chain", 0.8, marks=pytest.mark.slow),
        pytest.param(18, "7", "lineage pair", "hub", 0.995, marks=pytest.mark.slow),
        pytest.param(36, "3–5", "model", "chain", 0.6, marks=pytest.mark.slow),
    ],
)
def test_nominal_95_percent_intervals_cover(
    lineages: int, sizes: str, effects: str, shape: str, auc: float
) -> None:
    """Never under 91 %: refused when so few hits would be a 1 in 1,000 accident at .93."""
    population = design(lineages, sizes, effects, shape).at_auc(auc)
    for row in measure_auc(population, 200, 5, n_compared=0):
        hits = round(200 * float(row["jackknife"]))  # type: ignore[arg-type]
        assert binomtest(hits, 200, 0.93, alternative="less").pvalue > 0.001


def test_methods_for_independent_pairs_do_not_cover() -> None:
    """The reason for all this, and a proof that the study can tell."""
    population = design(18, "3–5", "lineage", "chain").at_auc(0.965)
    row = measure_auc(population, 120, 5, n_compared=120, n_bootstrap=100)[0]
    for name in ("DeLong", "pair bootstrap"):
        hits = round(120 * float(row[name]))  # type: ignore[arg-type]
        assert binomtest(hits, 120, 0.85, alternative="greater").pvalue > 0.01
    assert float(row["jackknife width"]) > 1.5 * float(row["DeLong width"])  # type: ignore[arg-type]


def test_delong_is_right_about_independent_pairs_only() -> None:
    population = Design("", (4,) * 15, lineage_sd=0, model_sd=0, lineage_pair_sd=0, pair_sd=1).at_auc(0.8)
    held = [
        (found := analysis.auc(table, method="delong")).low <= 0.8 <= found.high
        for table in population.draws(200, 3)
    ]
    assert binomtest(sum(held), len(held), 0.94).pvalue > 0.01


def test_estimates_equal_scikit_learn_on_a_draw() -> None:
    table = DESIGNS[1].draw(np.random.default_rng(0))
    used = table.derived | table.independent
    assert analysis.auc(table).estimate == pytest.approx(
        roc_auc_score(table.derived[used], table.score[used])
    )


def test_a_section_of_the_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "statistics.md"
    page.write_text("above\n<!-- study:x -->\nold\n<!-- /study:x -->\nbelow\n", encoding="utf-8")
    table = pd.DataFrame({"design": ["a"], "coverage": [0.9512], "none": [np.nan], "n": [400]})
    found = Experiment("x", ("It covers.",), (("Coverage", table),), table)
    for _ in range(2):
        write(found, tmp_path)
        text = page.read_text(encoding="utf-8")
        assert "old" not in text
        assert text.count("| a | 0.951 | – | 400 |") == 1
        assert text.startswith("above\n<!-- study:x -->")
        assert text.endswith("<!-- /study:x -->\nbelow\n")
    with pytest.raises(ValueError, match="no section"):
        write(Experiment("y", (), (), table), tmp_path)
    assert markdown(table).splitlines()[0] == "| design | coverage | none | n |"


@pytest.mark.slow
def test_the_command_runs_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "statistics.md").write_text("<!-- study:held-out -->\n<!-- /study:held-out -->\n")
    assert main(["--quick", "--only", "held-out", "--write", str(tmp_path)]) == 0
    assert "held-out lineages say" in capsys.readouterr().out
    assert "| 36 lineages" in (tmp_path / "statistics.md").read_text(encoding="utf-8")
