"""A proposed metric beside the baselines: judged like them, gated, and never able to stop the rest."""

from __future__ import annotations

import json
import re
import signal
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import Evaluated, Said, command
from small_catalog import write_catalog

from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.deadline import TookTooLong, deadline

ROOT = Path(__file__).parents[3]
BASELINES = {"config-match", "weight-cosine", "attention-std", "qkv-bias-std"}

LIMIT = 4  # seconds for a model or a pair: far above what the good ones take on a busy machine

FAULTY = """
    import time
    import fpcore


    def faulty(a, b):
        '''A function with two bad pairs.'''
        names = {a.path.name, b.path.name}
        if names == {"f0", "f1"}:
            raise ZeroDivisionError("nothing to divide by")
        if names == {"f0", "f2"}:
            time.sleep(30)
        if names == {"f1", "f2"}:
            raise fpcore.NotComparable("not today")
        name = "model.layers.0.mlp.up_proj.weight"
        return -float((a.read(name) - b.read(name)).abs().mean())


    class Broken(fpcore.Metric):
        name = "broken"
        title = "fails on one model and abstains on all others"

        def fingerprint(self, model):
            if model.path.name == "f1c0":
                raise ValueError("cannot see f1c0's weights")
            if model.path.name == "f2c0":
                return {"a": 1}
            raise fpcore.NotComparable("nothing to see")

        def similarity(self, a, b):
            return 0.0


    class Taken(Broken):
        name = "weight-cosine"


    class Untitled(fpcore.Metric):
        name = "untitled"

        def fingerprint(self, model):
            return self.make_fingerprint(model, {})

        def similarity(self, a, b):
            return 0.0


    class Half(fpcore.Metric):
        name = "half"
        title = "half a metric"


    class Stranger:
        pass


    def alone(a):
        return 0.0
"""


SIZES = """
def sizes(a, b):
    left, right = a.path.name, b.path.name
    if left[:2] != right[:2]:
        raise ValueError(f"{left} and {right} differ")  # what is said differs, the line does not
    return float("inf") if "f0" in (left, right) else 0.5
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty.py").write_text(textwrap.dedent(FAULTY))
    (folder / "bad.py").write_text("raise RuntimeError('not importable')\n")
    (folder / "models").mkdir()
    write_catalog(folder / "models", founders=3, children=1)
    return folder


def test_template_runs_as_it_is(evaluated: Evaluated) -> None:
    assert evaluated.said.code == 0, evaluated.said.err
    assert "gate look_alike_auc >= 0.5: " in evaluated.said.err
    assert "my-metric minus each baseline" in evaluated.said.out
    run = json.loads((evaluated.run / "run.json").read_text())
    assert (run["command"], run["status"]) == ("evaluate", "complete")
    assert run["arguments"]["metric"] == "my-metric"
    assert list(run["metrics"]) == [
        "my-metric",
        "config-match",
        "attention-std",
        "qkv-bias-std",
        "weight-cosine",
    ]
    assert {"report.html", "report.md", "card.md", "results.json"} <= {
        path.name for path in evaluated.run.iterdir()
    }


def test_template_is_never_overwritten(evaluated: Evaluated) -> None:
    before = evaluated.metric.read_bytes()
    said = command("evaluate", "--new", evaluated.metric, cache=evaluated.cache)
    assert said.code == 2
    assert "the file exists" in said.err
    assert evaluated.metric.read_bytes() == before


def test_same_pairs_paired_differences_and_holm(evaluated: Evaluated) -> None:
    scores = pd.read_parquet(evaluated.run / "scores.parquet")
    pairs = {
        metric: set(zip(part["model_a"], part["model_b"], strict=True))
        for metric, part in scores.groupby("metric")
    }
    assert all(found == pairs["my-metric"] for found in pairs.values())
    assert json.loads((evaluated.run / "run.json").read_text())["device"] == "cpu"
    results = json.loads((evaluated.run / "results.json").read_text())
    ours = {one["metric_b"]: one for one in results["comparisons"] if one["metric_a"] == "my-metric"}
    assert set(ours) == BASELINES
    beaten = ours["config-match"]
    assert beaten["difference"]["estimate"] == pytest.approx(beaten["auc_a"] - beaten["auc_b"])
    assert beaten["difference"]["low"] <= beaten["difference"]["estimate"] <= beaten["difference"]["high"]
    # Holm over our own comparisons alone: the least of their p-values times how many there are.
    tested = [one for one in ours.values() if one["p_value"] is not None]
    least = min(tested, key=lambda one: one["p_value"])
    assert least["adjusted_p_value"] == pytest.approx(min(1.0, least["p_value"] * len(tested)))
    # qkv-bias-std abstains on every pair here: no difference, and the reason.
    assert ours["qkv-bias-std"]["difference"]["estimate"] is None
    assert ours["qkv-bias-std"]["reason"]


def test_card_is_one_page_that_holds_the_results(evaluated: Evaluated) -> None:
    card = (evaluated.run / "card.md").read_text()
    result = json.loads((evaluated.run / "results.json").read_text())["metrics"][0]
    for heading in (
        "What breaks it",
        "Thresholds",
        "As evidence",
        "Compared with the baselines",
        "Cost",
        "Gates",
    ):
        assert f"## {heading}\n" in card
    against = [line for line in card.splitlines() if line.startswith("- Against ")]
    assert [line.split(":")[0].removeprefix("- Against ") for line in against] == [
        "look-alikes", "independent models of any shapes", "siblings", "models of one initialisation",
        "distilled models",
    ]  # fmt: skip
    assert f" Cllr {result['evidence']['cllr']:.3f} bits" in against[0]
    assert result["evidence"]["negatives"] == "look-alike"
    assert against[-1].endswith(": none, no distilled pair has a score.")
    assert f"**Does it separate children from look-alikes? {result['verdict'].capitalize()}.**" in card
    assert "Claimed: 0.900" in card
    assert "not certified" in card
    assert "| fine-tune | 18 | 9 |" in card
    assert "not measured" not in card
    assert len(card.splitlines()) < 75


@pytest.mark.slow
def test_costs_are_measured_and_touch_no_result(evaluated: Evaluated, tmp_path: Path) -> None:
    costs = json.loads((evaluated.run / "run.json").read_text())["costs"]
    assert set(costs) == BASELINES | {"my-metric"}
    assert costs["my-metric"]["n_models"] == 27
    assert costs["my-metric"]["n_pairs"] == 27 * 26 // 2
    assert costs["my-metric"]["seconds_a_pair"] > 0
    assert costs["my-metric"]["seconds_a_model"] > 0
    again = command(
        "evaluate", f"{evaluated.metric}:MyMetric", "--catalog", evaluated.catalog, "--json",
        "--out", tmp_path / "again", "--against", ",".join(BASELINES),
        "--gate", "look_alike_auc=1.5", "--gate", "fpr@claim=1", cache=tmp_path / "cache",
    )  # fmt: skip
    for name in ("results.json", "scores.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (evaluated.run / name).read_bytes(), name
    # A failed gate: everything is done and said, and the code is 3.
    assert again.code == 3
    assert re.search(r"gate look_alike_auc >= 1\.5: \S+, FAILED", again.err)
    assert re.search(r"gate fpr@claim <= 1: \S+, passed", again.err)
    value = json.loads(again.out)
    assert [gate["passed"] for gate in value["gates"]] == [False, True]
    assert value["metric"]["metric"] == "my-metric"
    assert {one["metric"] for one in value["baselines"]} == BASELINES
    assert len(value["comparisons"]) == len(BASELINES)


@pytest.mark.slow
def test_failing_and_slow_pairs_leave_the_rest_whole(faulty: Path, tmp_path: Path) -> None:
    said = command(
        "evaluate", f"{faulty / 'faulty.py'}:faulty", "--catalog", faulty / "models" / "catalog.yaml",
        "--out", tmp_path / "out", "--against", "config-match", "--time-limit", LIMIT, "--quiet",
        cache=tmp_path / "cache",
    )  # fmt: skip
    assert said.code == 1
    lines = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert "failed: faulty on f0 – f1: ZeroDivisionError: nothing to divide by (faulty.py:10)" in lines
    assert "failed: faulty on f0 – f2: took longer than 4 s" in lines
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet").query("metric == 'faulty'")
    status = {f"{row.model_a} {row.model_b}": row.status for row in scores.itertuples()}
    assert status.pop("f0 f1") == status.pop("f0 f2") == "failed"
    assert status.pop("f1 f2") == "abstained"
    assert set(status.values()) == {"ok"}
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["status"] == "partial"
    assert "A function with two bad pairs" in (tmp_path / "out" / "card.md").read_text()


@pytest.mark.slow
def test_a_cause_is_said_once_with_its_line_however_many_pairs_it_fails(faulty: Path, tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text(SIZES)
    said = command(
        "evaluate", f"{tmp_path / 'sizes.py'}:sizes", "--catalog", faulty / "models" / "catalog.yaml",
        "--out", tmp_path / "out", "--against", "config-match", "--json", "--quiet", cache=tmp_path / "cache",
    )  # fmt: skip
    assert said.code == 1
    failed = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert failed == [
        "failed: sizes on 12 pairs, first f0 – f1: ValueError: f0 and f1 differ (sizes.py:5)",
        "failed: sizes on f0 – f0c0: the score is inf, which cannot be ranked; raise NotComparable to"
        " abstain",
    ]
    assert said.err.splitlines()[-1] == "13 units of work failed; the rest is complete and in the report"
    causes = json.loads(said.out)["failures"]
    assert [(one["count"], one["where"]) for one in causes] == [(12, "sizes.py:5"), (1, "")]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["failures"] == causes
    told = (tmp_path / "out" / "report.md").read_text()
    assert "| score | sizes | 12 | f0 – f1 | ValueError: f0 and f1 differ | sizes.py:5 |" in told
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<td>12</td>" in page
    assert "<td>sizes.py:5</td>" in page
    assert "13 units of work failed" in page


@pytest.mark.slow
def test_failing_model_is_named_and_an_undefined_gate_fails(faulty: Path, tmp_path: Path) -> None:
    said = command(
        "evaluate", f"{faulty / 'faulty.py'}:Broken", "--catalog", faulty / "models" / "catalog.yaml",
        "--out", tmp_path / "out", "--against", "config-match", "--gate", "look_alike_auc=0.9", "--quiet",
        cache=tmp_path / "cache",
    )  # fmt: skip
    assert said.code == 3
    assert "failed: broken on f1c0: ValueError: cannot see f1c0's weights (faulty.py:25)" in said.err
    assert "failed: broken on f2c0: TypeError: fingerprint() returned dict" in said.err
    assert "gate look_alike_auc >= 0.9: undefined, FAILED" in said.err
    card = (tmp_path / "out" / "card.md").read_text()
    assert "**Does it separate children from look-alikes? Cannot say.**" in card
    assert "Claimed: no threshold." in card


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("faulty.py:Taken", "weight-cosine is already a registered metric"),
        ("faulty.py:Untitled", "it has no title"),
        ("faulty.py:Half", "could not be instantiated: TypeError"),
        ("faulty.py:Stranger", "not a metric"),
        ("faulty.py:alone", "not a function of two checkpoints"),
        (
            "faulty.py:Nobody",
            "defines no Nobody; it defines faulty, Broken, Taken, Untitled, Half, Stranger, alone",
        ),
        ("faulty.py", "write it as FILE.py:Class"),
        ("nowhere.py:Any", "no such file"),
        ("bad.py:Any", "could not be imported: RuntimeError: not importable"),
    ],
)
def test_bad_metric_is_one_line(faulty: Path, tmp_path: Path, spec: str, said: str) -> None:
    done = command("evaluate", faulty / spec, "--out", tmp_path / "out", cache=tmp_path)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--new"),
        (("--new", "metric.txt"), "give a Python file"),
        (("--gate", "beauty=1"), "beauty"),
        (("--gate", "look_alike_auc"), "write it as"),
        (("--against", "no-such-metric"), "--against: no metric matches 'no-such-metric'"),
        (("--catalog", "nowhere.yaml"), "nowhere.yaml"),
        (("--models", "nothing/*"), "nothing/*"),
    ],
)
def test_bad_usage_is_one_line(
    evaluated: Evaluated, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    spec = [f"{evaluated.metric}:MyMetric"] if arguments and arguments[0] != "--new" else []
    done = command("evaluate", *spec, *arguments, "--out", tmp_path / "out", cache=tmp_path)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert said in line
    assert not (tmp_path / "out").exists()


def test_function_is_a_metric(faulty: Path) -> None:
    metric = choose(f"{faulty / 'faulty.py'}:faulty").load()
    assert (metric.name, metric.title) == ("faulty", "A function with two bad pairs")


def test_deadline_cannot_be_swallowed_and_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)

    def stubborn() -> None:
        try:
            time.sleep(10)
        except Exception:
            time.sleep(10)

    with pytest.raises(TookTooLong, match=r"took longer than 0\.1 s"), deadline(0.1):
        stubborn()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    with deadline(5):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_readme_metric_runs(evaluated: Evaluated, tmp_path: Path) -> None:
    (example,) = re.findall(r"```py\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "my_metric.py").write_text(example)
    named = re.findall(r"evaluate my_metric\.py:(\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    said = command(
        "evaluate", f"{tmp_path / 'my_metric.py'}:{named[-1]}", "--catalog", evaluated.catalog, "--models",
        "f[012]*", "--against", "config-match", "--out", tmp_path / "out", cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    result = json.loads((tmp_path / "out" / "results.json").read_text())["metrics"][0]
    assert result["look_alike_auc"]["estimate"] > 0.5


ONE_WAY = """
import numpy as np


def one_way(a, b):
    "Looks at the first model alone."
    return float(a.path.name[1]) / 10


def nearly(a, b):
    "Sums in another order."
    names = [a.path.name, b.path.name]
    return 0.5 + (1e-14 if names == sorted(names) else 0.0)


def half(a, b):
    "Scores a pair from one end only."
    if a.path.name > b.path.name:
        raise ValueError("the other way round")
    return 0.5
"""


def one_way(faulty: Path, folder: Path, name: str, *options: object) -> Said:
    (folder / "ways.py").write_text(ONE_WAY)
    return command(
        *("evaluate", f"{folder / 'ways.py'}:{name}", "--catalog", faulty / "models" / "catalog.yaml"),
        *("--out", folder / "out", "--against", "config-match", "--quiet", *options),
        cache=folder / "cache",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one_way", "one-way on 12 pairs, first f0 – f1: the score depends on which model comes first: 0"
         " one way, 0.1 the other (15 pairs of 15 were tried)"),
        pytest.param(
            "half", "half on 15 pairs, first f0 – f0c0: the score depends on which model comes first: 0.5"
            " one way, ValueError: the other way round the other (15 pairs of 15 were tried)",
            marks=pytest.mark.slow),
        pytest.param("nearly", "", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_score_that_depends_on_the_order_has_failed(
    faulty: Path, tmp_path: Path, name: str, said: str
) -> None:
    done = one_way(faulty, tmp_path, name)
    assert done.code == (1 if said else 0), done.err
    lines = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert lines == ([f"failed: {said}"] if said else [])


@pytest.mark.slow
def test_symmetry_is_tried_on_a_sample(faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.pipeline.symmetry.SAMPLE", 4)
    assert "(4 pairs of 15 were tried)" in one_way(faulty, tmp_path, "half").err


@pytest.mark.slow
def test_a_limit_and_a_dry_run(faulty: Path, tmp_path: Path) -> None:
    planned = one_way(faulty, tmp_path, "nearly", "--limit", 4, "--dry-run")
    assert planned.code == 0, planned.err
    assert "4 models in 2 lineages, 6 pairs" in planned.out
    assert "  nearly: 6 pairs" in planned.out
    assert not (tmp_path / "out").exists()
    assert json.loads(one_way(faulty, tmp_path, "nearly", "--dry-run", "--json").out)["n_pairs"] == 15
    assert one_way(faulty, tmp_path, "nearly", "--dry-run", "--gate", "beauty=1").code == 2
    assert one_way(faulty, tmp_path, "nearly", "--limit", 4).code == 0
    assert set(json.loads((tmp_path / "out" / "run.json").read_text())["models"]) == {
        "f0",
        "f0c0",
        "f1",
        "f1c0",
    }
