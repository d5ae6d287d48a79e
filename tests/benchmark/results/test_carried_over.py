"""Zoo against real: the rule by which a conclusion has carried over, and the panel that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from altered_run import signed_again
from conftest import Evaluated, command

import analysis
from analysis import Interval
from analysis.verdict_words import family_level
from benchmark.results.carried_over import _conclusion, _sides, zoo_against_real
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run, read_run
from benchmark.session.errors import UsageError
from studies.simulation.designs import Design


def ends(low: float, high: float) -> Interval:
    return replace(analysis.auc(drawn(3.0, 1)), estimate=(low + high) / 2, low=low, high=high)


def drawn(separation: float, seed: int) -> analysis.ScoreTable:
    design = Design("small", (3,) * 12, n_cells=3, separation=separation)
    return design.draw(np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("zoo", "real", "outcome", "words"),
    [
        ((0.92, 0.97), (0.91, 0.99), "carried over", "above 0.9"),
        ((0.92, 0.97), (0.80, 0.97), "in part", "above 0.75"),
        ((0.92, 0.97), (0.60, 0.97), "open", "open"),
        ((0.92, 0.97), (0.76, 0.85), "contradicted", "above 0.75 and below 0.9"),
        ((0.50, 0.70), (0.30, 0.60), "carried over", "below 0.75"),
        ((0.50, 0.70), (0.80, 0.95), "contradicted", "above 0.75"),
        ((0.60, 0.95), (0.95, 0.99), "open", "above 0.9"),
    ],
)
def test_rule_for_an_auc(
    zoo: tuple[float, float], real: tuple[float, float], outcome: str, words: str
) -> None:
    here, there = ends(*zoo), ends(*real)
    found = _conclusion("AUC", _sides(here), _sides(there), (here, there))
    assert (found.outcome, found.real) == (outcome, words)
    assert f"[{real[0]:.3f}, {real[1]:.3f}]" in found.reason


def test_what_a_table_cannot_answer_is_not_asked() -> None:
    missing = Interval.undefined("no look-alike", level=0.95, method="m")
    found = _conclusion(
        "look-alike AUC", _sides(ends(0.92, 0.97)), _sides(missing), (ends(0.92, 0.97), missing)
    )
    assert (found.outcome, found.reason) == ("not asked", "no look-alike")


@pytest.fixture(scope="module")
def zoo(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small run, as if its models were the zoo's."""
    folder = tmp_path_factory.mktemp("against") / "zoo"
    folder.mkdir()
    for path in evaluated.run.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    signed_again(folder, tier="zoo")
    return read_run(folder)


@pytest.fixture(scope="module")
def table(zoo: Run, evaluated: Evaluated) -> Path:
    """A real table of one of its metrics: the same pairs, without architectures."""
    scores = zoo.scores[zoo.scores["metric"] == "weight-cosine"]
    columns = ["metric", "model_a", "model_b", "score", "relation", "method", "lineage_a", "lineage_b"]
    scores[columns].to_csv(zoo.path.parent / "scores.csv", index=False)
    out = zoo.path.parent / "real"
    arguments = ("--citation", "a paper", "--out", out, "--quiet")
    assert command("analyse", zoo.path.parent / "scores.csv", *arguments, cache=evaluated.cache).code == 0
    return out


@pytest.mark.slow
def test_figures_are_those_of_the_runs_and_all_intervals_hold_together(zoo: Run, table: Path) -> None:
    found = zoo_against_real([zoo, read_run(table)])
    (one,) = found.metrics
    assert one.metric == "weight-cosine"
    assert set(found.without_table) == set(zoo.names) - {"weight-cosine"}
    assert (one.auc, one.look_alike_auc) == (
        zoo.result(one.metric).auc,
        zoo.result(one.metric).look_alike_auc,
    )
    (there,) = one.tables
    assert there.auc == read_run(table).result("weight-cosine").auc
    assert (found.n_intervals, found.level) == (8, family_level(8))
    assert found.tables[0].citation == "a paper"
    wide = analysis.auc(read_run(table).table("weight-cosine"), level=found.level)
    conclusions = {each.about: each for each in there.conclusions}
    assert f"[{wide.low:.3f}, {wide.high:.3f}]" in conclusions["AUC"].reason
    assert conclusions["look-alike AUC"].outcome == "not asked"
    assert "architectures are unknown" in conclusions["look-alike AUC"].reason
    assert there.negatives == "independent"
    assert any("weight-cosine on real, look-alike AUC" in each for each in found.sentences)


def test_command_writes_the_panel_and_a_second_rendering_keeps_it(
    zoo: Run, table: Path, evaluated: Evaluated
) -> None:
    said = command("report", zoo.path, "--against", table, cache=evaluated.cache)
    assert said.code == 0, said.err
    assert "Carried over: " in said.err
    kept = RunDirectory(zoo.path).read_against()
    assert analysis.as_json(kept) == analysis.as_json(zoo_against_real([zoo, read_run(table)]))
    for name in ("report.html", "report.md"):
        page = (zoo.path / name).read_text(encoding="utf-8")
        assert "Zoo vs. real models" in page
        assert "a paper" in page
    before = (zoo.path / "report.html").read_bytes()
    assert command("report", zoo.path, cache=evaluated.cache).code == 0
    assert (zoo.path / "report.html").read_bytes() == before


def test_a_scale_of_its_own_has_no_threshold(zoo: Run, table: Path, evaluated: Evaluated) -> None:
    out = table.parent / "ranks"
    scores = table.parent / "scores.csv"
    arguments = ("--citation", "a paper", "--own-units", "--out", out, "--quiet")
    assert command("analyse", scores, *arguments, cache=evaluated.cache).code == 0
    (one,) = zoo_against_real([zoo, read_run(out)]).metrics
    (conclusion,) = [each for each in one.tables[0].conclusions if each.about == "threshold"]
    assert (conclusion.outcome, conclusion.reason) == ("not asked", "its scores are on a scale of their own")
    assert not one.tables[0].fpr.defined


def test_what_cannot_be_compared_is_one_clear_line(zoo: Run, table: Path, evaluated: Evaluated) -> None:
    with pytest.raises(UsageError, match="exactly one of the runs must be on the zoo"):
        zoo_against_real([read_run(table)])
    nameless = table.parent / "nameless"
    scores = table.parent / "scores.csv"
    assert command("analyse", scores, "--out", nameless, "--quiet", cache=evaluated.cache).code == 0
    said = command("report", zoo.path, "--against", nameless, cache=evaluated.cache)
    assert said.code == 2
    assert "--citation" in said.err
    other = pd.read_csv(scores).assign(metric="something")
    other.to_csv(table.parent / "other.csv", index=False)
    strange = table.parent / "strange"
    arguments = ("--citation", "b", "--out", strange, "--quiet")
    assert command("analyse", table.parent / "other.csv", *arguments, cache=evaluated.cache).code == 0
    with pytest.raises(UsageError, match="no metric of"):
        zoo_against_real([zoo, read_run(strange)])
