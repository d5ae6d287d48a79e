"""The one way to score a pair: what is done is kept, what failed is tried again, and a limit is kept."""

from __future__ import annotations

import math
import textwrap
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from counting_metric import calls, write_metric
from small_catalog import write_catalog

import fpcore
from benchmark.catalog import load_catalog
from benchmark.pipeline import score
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose, choose_from_file
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction, extract
from benchmark.pipeline.score import BESIDE, Job, score_pairs
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache

PAIRS = [("f0", "f0c0"), ("f0", "f1"), ("f1", "f1c0")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=2, children=1)


def quiet(_done: int, _total: int, _text: str) -> None:
    pass


def scored(
    models: Path, metric: ChosenMetric, cache: Cache, *, limit: float | None = None, device: str = "cpu"
) -> pd.DataFrame:
    """Score `PAIRS` as a run would, in a process that has done nothing before."""
    catalog = load_catalog(models)
    engine = Engine(partial(Workspace, cache, device), workers=1)
    limits = {} if limit is None else {metric.name: limit}
    found: dict[str, Extraction] = {}
    for model in sorted({name for pair in PAIRS for name in pair}):
        found[model] = extract(engine.here, locate(catalog, model), [metric], limits)
    jobs = [Job(metric, pd.DataFrame(PAIRS, columns=["model_a", "model_b"]))]
    (frame,) = score_pairs(engine, jobs, found, advance=quiet, limits=limits)
    return frame


def test_what_is_done_is_not_done_again(models: Path, tmp_path: Path) -> None:
    metric = choose_from_file(f"{write_metric(tmp_path)}:Counting")
    first = scored(models, metric, Cache(tmp_path / "cache"))
    assert sorted(calls(tmp_path)) == sorted(
        [f"fingerprint {model}" for model in ("f0", "f0c0", "f1", "f1c0")]
        + [f"similarity {a} {b}" for a, b in PAIRS]
    )
    again = scored(models, metric, Cache(tmp_path / "cache"))
    assert calls(tmp_path) == []
    pd.testing.assert_frame_equal(first, again)
    assert set(first["status"]) == {"ok"}
    assert {*BESIDE} < {*first.columns}


@pytest.mark.parametrize("method", ["in_fingerprint", pytest.param("in_similarity", marks=pytest.mark.slow)])
def test_a_failure_is_tried_again_and_success_is_kept(models: Path, tmp_path: Path, method: str) -> None:
    """The cause lies outside: a file that is not there. What did not fail is not done again."""
    where = {"in_fingerprint": 'model.path.name == "f1"', "in_similarity": '"f1c0" in (a.model, b.model)'}
    switch = tmp_path / "there"
    line = f"assert not ({where[method]}) or Path({str(switch)!r}).exists(), 'not there'"
    metric = choose_from_file(f"{write_metric(tmp_path, **{method: line})}:Counting")
    first = scored(models, metric, Cache(tmp_path / "cache")).set_index(["model_a", "model_b"])
    failed = first[first["status"] == "failed"]
    assert set(failed.index) == ({PAIRS[1], PAIRS[2]} if method == "in_fingerprint" else {PAIRS[2]})
    assert failed["score"].isna().all()
    said = "counting: AssertionError: not there" if method == "in_fingerprint" else "counting on f1 – f1c0: "
    assert failed["reason"].str.contains(said, regex=False).all()
    assert set(failed["bare_reason"]) == {"AssertionError: not there"}
    calls(tmp_path)

    switch.touch()
    again = scored(models, metric, Cache(tmp_path / "cache"))
    assert set(again["status"]) == {"ok"}
    if method == "in_similarity":
        assert calls(tmp_path) == ["similarity f1 f1c0"]
    else:
        assert "fingerprint f1" in calls(tmp_path)
    scored(models, metric, Cache(tmp_path / "cache"))
    assert calls(tmp_path) == []


@pytest.mark.slow
def test_a_pair_that_takes_too_long_fails_and_is_no_result(models: Path, tmp_path: Path) -> None:
    slow = "import time; time.sleep(600 if (a.model, b.model) == ('f0', 'f1') else 0)"
    metric = choose_from_file(f"{write_metric(tmp_path, in_similarity=slow)}:Counting")
    frame = scored(models, metric, Cache(tmp_path / "cache"), limit=3.0)
    assert frame["status"].tolist() == ["ok", "failed", "ok"]
    assert frame.loc[1, "reason"] == "counting on f0 – f1: took longer than 3 s"
    assert math.isnan(frame.loc[1, "score"])


def test_a_score_that_is_no_number_has_failed(models: Path, tmp_path: Path) -> None:
    metric = choose_from_file(
        f"{write_metric(tmp_path, in_similarity='return float(chr(110) + chr(97) + chr(110))')}:Counting"
    )
    frame = scored(models, metric, Cache(tmp_path / "cache"))
    assert set(frame["status"]) == {"failed"}
    assert frame["bare_reason"].str.startswith("the score is NaN").all()


@pytest.mark.slow
def test_files_of_the_cache_that_are_damaged_or_gone_are_made_again(models: Path, tmp_path: Path) -> None:
    metric = choose_from_file(f"{write_metric(tmp_path)}:Counting")
    cache = Cache(tmp_path / "cache")
    first = scored(models, metric, cache).drop(columns="seconds")
    files = [path for path in cache.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".outcome", ".fingerprint", ".scores"}
    for suffix in (".outcome", ".fingerprint", ".scores"):
        for path in files:
            if path.suffix == suffix:
                path.write_bytes(path.read_bytes()[:7])
        pd.testing.assert_frame_equal(scored(models, metric, cache).drop(columns="seconds"), first)
        for path in files:
            if path.suffix in {suffix, ".scores"}:
                path.unlink()
        pd.testing.assert_frame_equal(scored(models, metric, cache).drop(columns="seconds"), first)


@pytest.mark.slow
def test_the_content_of_a_users_file_is_part_of_its_key(models: Path, tmp_path: Path) -> None:
    """Name and version are the same: only the text says that the metric is another one."""
    cache = Cache(tmp_path / "cache")
    before = choose_from_file(f"{write_metric(tmp_path)}:Counting")
    plain = scored(models, before, cache)
    after = choose_from_file(f"{write_metric(tmp_path, in_similarity='return 7.0')}:Counting")
    assert (before.name, before.version) == (after.name, after.version)
    assert before.key("cpu") != after.key("cpu")
    calls(tmp_path)
    assert set(scored(models, after, cache)["score"]) == {7.0}
    assert sum(call.startswith("fingerprint") for call in calls(tmp_path)) == 4
    assert 7.0 not in set(plain["score"])


def test_the_device_is_part_of_the_key_where_a_model_is_run() -> None:
    def key(runs_model: bool, device: str) -> str:
        return ChosenMetric("some", 2, "cheap", runs_model, foreign=False).key(device)

    assert key(False, "cpu") == key(False, "cuda:1") == key(True, "cpu") == "some-v2"
    assert len({key(True, device) for device in ("cpu", "cuda", "cuda:0", "cuda:1")}) == 4


def test_registered_metrics_say_whether_they_run_models() -> None:
    assert choose("next-token-agreement").runs_model
    assert not choose("weight-cosine").runs_model
    assert not choose("weight-cosine").foreign


TOGETHER = """
        def pair_similarities(self, fingerprints, pairs):
            note("together", *sorted(each.model for each in fingerprints), len(pairs))
            {in_pair_similarities}
            found = np.full(len(pairs), np.nan)
            for place, (a, b) in enumerate(pairs):
                left, right = fingerprints[a], fingerprints[b]
                if "f1" not in (left.model, right.model):
                    found[place] = np.corrcoef(left.arrays["values"], right.arrays["values"])[0, 1]
            return found
"""


def together(folder: Path, body: str = "pass", **changes: str) -> ChosenMetric:
    """The counting metric, which scores the pairs without f1 together and leaves those with it alone."""
    path = write_metric(folder, **changes)
    path.write_text(
        path.read_text()
        + textwrap.indent(textwrap.dedent(TOGETHER), "    ").format(in_pair_similarities=body)
    )
    return choose_from_file(f"{path}:Counting")


def test_pairs_are_scored_together_and_what_is_left_alone(models: Path, tmp_path: Path) -> None:
    alone = scored(models, choose_from_file(f"{write_metric(tmp_path)}:Counting"), Cache(tmp_path / "cache"))
    calls(tmp_path)
    metric = together(tmp_path)
    found = scored(models, metric, Cache(tmp_path / "cache"))
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), alone.drop(columns="seconds"))
    said = [call for call in calls(tmp_path) if not call.startswith("fingerprint")]
    assert said == ["together f0 f0c0 f1 f1c0 3", "similarity f0 f1", "similarity f1 f1c0"]
    again = scored(models, metric, Cache(tmp_path / "cache"))
    pd.testing.assert_frame_equal(again, found)
    assert calls(tmp_path) == []


@pytest.mark.slow
def test_what_goes_wrong_together_is_said_of_every_pair_and_tried_again(models: Path, tmp_path: Path) -> None:
    switch = tmp_path / "there"
    metric = together(tmp_path, f"assert Path({str(switch)!r}).exists(), 'not there'")
    found = scored(models, metric, Cache(tmp_path / "cache"))
    assert set(found["status"]) == {"failed"}
    assert found.loc[0, "reason"] == "counting on f0 – f0c0: pair_similarities: AssertionError: not there"
    switch.touch()
    assert set(scored(models, metric, Cache(tmp_path / "cache"))["status"]) == {"ok"}
    short = together(tmp_path, "return np.zeros(2)")
    wrong = scored(models, short, Cache(tmp_path / "cache"))
    assert wrong["bare_reason"].str.contains(r"3 pairs have scores of shape \(2,\)").all()


def test_a_pair_that_abstains_or_fails_says_why_beside_those_scored_together(
    models: Path, tmp_path: Path
) -> None:
    line = "import fpcore; exec('raise fpcore.NotComparable(\"no\")') if b.model == 'f1' else 1 / 0"
    found = scored(models, together(tmp_path, in_similarity=line), Cache(tmp_path / "cache"))
    assert found["status"].tolist() == ["ok", "abstained", "failed"]
    assert found["bare_reason"].tolist() == ["", "no", "ZeroDivisionError: division by zero"]


@pytest.mark.slow
def test_a_limit_is_that_of_a_pair_also_together(models: Path, tmp_path: Path) -> None:
    """What takes too long together has its limit pair by pair."""
    metric = together(tmp_path, "import time; time.sleep(600)")
    found = scored(models, metric, Cache(tmp_path / "cache"), limit=3.0)
    assert set(found["status"]) == {"ok"}
    assert sum(call.startswith("similarity") for call in calls(tmp_path)) == 3


@pytest.mark.parametrize("name", ["weight-cosine", "weight-distance", "attention-std", "norm-cosine"])
def test_scores_do_not_depend_on_how_pairs_fall_into_units(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(score, "PAIRS_PER_UNIT", 1)
    with monkeypatch.context() as patch:
        patch.setattr(fpcore.Metric, "scores_together", False)
        alone = scored(models, choose(name), Cache(tmp_path / "alone"))
    for side in (1, 2, 64):
        monkeypatch.setattr(score, "MODELS_PER_BLOCK", {"fingerprints": side, "models": side})
        found = scored(models, choose(name), Cache(tmp_path / str(side)))
        pd.testing.assert_frame_equal(
            found.drop(columns="seconds"), alone.drop(columns="seconds"), check_exact=True
        )
