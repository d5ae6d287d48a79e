"""`run --tier hub` on 157 repositories named, laid out and related as the families of the shipped catalog."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from family_hub import FamilyHub, serve_families
from loopback_hub import LoopbackHub, loopback_hub

from benchmark.pipeline.run import run as calibrate
from benchmark.results.run import Run, read_run

pytestmark = pytest.mark.slow  # over a minute of computing

ROOT = Path(__file__).parents[3]
METRICS = ("norm-std", "weight-cosine")
GATED, WITHDRAWN, ODD = (
    "EleutherAI/pythia-31m-seed9",
    "google/multiberts-seed_24",
    "google/multiberts-seed_23",
)


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and what the hub sent meanwhile."""

    code: int
    out: str
    err: str
    sent: int
    run: Run


@dataclass(frozen=True)
class Evening:
    """Two runs with one command, before and after the troubles of the hub."""

    served: FamilyHub
    first: Ended
    second: Ended
    page: str


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    place = tmp_path_factory.mktemp("evening")
    zoo = {"models": "zoo/qwen-[ab]*", "metrics": METRICS, "workers": 1, "quiet": True}
    calibrate(**zoo, out=place / "zoo", cache=place / "cache")
    with loopback_hub(place / "hub-cache") as hub:
        served = serve_families(hub)
        (place / "catalog.yaml").write_text(served.text, encoding="utf-8")
        hub.gated.add(GATED)
        hub.withdrawn.add(WITHDRAWN)
        whole = hub.repository(ODD).commits[hub.repository(ODD).branches["main"]]
        hub.repository(ODD).add(
            dict(whole) | {"pytorch_model.bin": b"PK\x03\x04 and nothing behind it" * 400}
        )
        first = ended(hub, place)
        hub.gated.clear()
        hub.withdrawn.clear()
        hub.repository(ODD).add(dict(whole))
        hub.forget()
        second = ended(hub, place)
        yield Evening(served, first, second, (place / "run" / "report.html").read_text(encoding="utf-8"))


def ended(hub: LoopbackHub, place: Path) -> Ended:
    """The command that a user types, in a process of its own."""
    command = [sys.executable, "-m", "benchmark", "run", "--tier", "hub", "--models", "*"]
    command += ["--budget", "4.6MB", "--against", str(place / "zoo")]
    command += ["--catalog", str(place / "catalog.yaml"), "--metrics", ",".join(METRICS)]
    command += ["--out", str(place / "run"), "--workers", "1"]
    environment = os.environ | {"LOOKALIKE_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr, hub.sent, read_run(place / "run"))


def test_sixty_repositories_and_more_are_served_as_the_catalog_names_them(evening: Evening) -> None:
    assert len(evening.served.repositories) >= 60
    assert {model.family for model in evening.served.catalog.models.values()} == {
        *(
            "Pythia",
            "PolyPythias",
            "PolyPythias, initialisation alone",
            "MultiBERTs",
            "DataDecide",
            "CRFM GPT-2",
        )
    }
    assert len({name.partition("@")[0] for name in evening.first.run.record.models}) >= 60


def test_the_plan_comes_first(evening: Evening) -> None:
    err = evening.first.err
    assert re.search(r"to download: .* from \d+ models \(budget 4\.6 MB, 781 considered\)", err)
    assert "against look-alikes for all 2 metrics together" in err
    assert err.index("to download: ") < err.index("fingerprints: ")


def test_single_failures_are_named_and_counted_and_the_run_goes_on(evening: Evening) -> None:
    assert evening.first.code == 1
    record = evening.first.run.record
    assert record.status == "partial"
    failed = {failure.model.partition("@")[0]: failure.error for failure in record.failures}
    assert set(failed) == {GATED, WITHDRAWN, ODD}
    assert "gated on the hub" in failed[GATED]
    assert "the hub answered with an error" in failed[WITHDRAWN]
    assert "pytorch_model.bin" in failed[ODD]
    assert f"{len(record.failures)} units of work failed; the rest is complete" in evening.first.err


def test_a_second_run_tries_them_again(evening: Evening) -> None:
    assert evening.second.code == 0, evening.second.err
    record = evening.second.run.record
    assert record.status == "complete"
    assert {WITHDRAWN, ODD} <= set(record.models)
    assert any(name.startswith(GATED) for name in record.models)
    assert evening.second.sent < 0.75 * evening.first.sent, "headers, each one read here, and what had failed"


def test_bytes_are_counted(evening: Evening) -> None:
    for one in (evening.first, evening.second):
        traffic = one.run.record.traffic
        assert traffic is not None
        assert traffic.bytes == one.sent
        assert sum(model.bytes for model in traffic.models.values()) == traffic.bytes
        assert f"Fetched: {traffic.bytes:,} bytes" in one.out
    assert evening.first.run.record.traffic is not None
    assert evening.first.run.record.traffic.planned <= 4_600_000


def test_certificates_stand_in_the_report(evening: Evening) -> None:
    """Over 146 lineages are enough to certify two metrics at 5% together."""
    results = evening.second.run.results
    assert results.catalog.n_lineages >= 146
    cosine = results.metric("weight-cosine").thresholds[0]
    assert (cosine.negatives, cosine.max_fpr, cosine.n_metrics) == ("look-alike", 0.05, 2)
    assert cosine.certified, cosine.reason
    assert cosine.tpr.estimate > 0.2
    section = re.search(r'<section[^>]*id="metric-weight-cosine".*?</section>', evening.page, re.DOTALL)
    assert section is not None
    assert re.search(r'5% of look-alikes</dt><dd class="good"', section[0])
    text = (evening.second.run.path / "report.md").read_text(encoding="utf-8")
    assert "certified, 2 metrics together at 5% of look-alikes" in text


def test_look_alikes_by_family(evening: Evening) -> None:
    results = evening.second.run.results
    scores, families = evening.second.run.scores, evening.served.catalog.models
    for metric in METRICS:
        rows = {row.families: row for row in results.metric(metric).by_family}
        assert {"PolyPythias", "MultiBERTs", "CRFM GPT-2", "PolyPythias – Pythia"} <= set(rows)
        own = scores[(scores["metric"] == metric) & (scores["relation"] == "independent")]
        both = own[["model_a", "model_b"]].map(lambda name: families[name].family)
        same_cell = own["architecture_a"] == own["architecture_b"]
        theirs = own[same_cell & (both == "MultiBERTs").all(axis=1)]
        assert rows["MultiBERTs"].n_pairs == len(theirs)
        assert rows["MultiBERTs"].median == theirs["score"].quantile(0.5, interpolation="lower")
    weights = {row.families: row for row in results.metric("weight-cosine").by_family}
    assert weights["MultiBERTs"].auc.estimate > 0.8
    table = re.search(r'<section id="families".*?</section>', evening.page, re.DOTALL)
    assert table is not None
    assert "PolyPythias – Pythia" in table[0]


def test_decay_curves_over_branches(evening: Evening) -> None:
    run = evening.second.run
    points = run.results.metric("weight-cosine").run_points
    counts = pd.Series([point.run for point in points]).value_counts()
    assert len(counts) >= 5
    assert counts.max() >= 6, "one run from its initialisation on"
    assert len({point.family for point in points}) >= 2
    scores = run.scores[run.scores["metric"] == "weight-cosine"].set_index(["model_a", "model_b"])["score"]
    for point in points:
        assert scores[min(point.run, point.point), max(point.run, point.point)] == point.score
        branch = re.search(r"(?:step|checkpoint-|_)(\d+)(k?)(?:-seed.*)?$", point.point)
        assert branch is not None
        assert point.step == int(branch[1]) * (1000 if branch[2] else 1)
    rising = [
        pd.Series([point.score for point in points if point.run == name]).is_monotonic_increasing
        for name in {point.run for point in points}
    ]
    assert all(rising), "nearer to the end, more alike"
    starts = [point.score for point in points if point.step == 0]
    assert starts
    assert max(starts) < 0.6
    section = re.search(r'<section id="runs".*?</section>', evening.page, re.DOTALL)
    assert section is not None
    assert section[0].count("<figure") == len(METRICS)
    text = (run.path / "report.md").read_text(encoding="utf-8")
    assert "## Scores along a training run" in text
    assert "## Look-alikes by model family" in text


def test_the_zoo_stands_beside_the_real_models(evening: Evening) -> None:
    section = re.search(r'<section id="against".*?</section>', evening.page, re.DOTALL)
    assert section is not None
    rows = [row for row in section[0].split("<tr ") if 'role="rowheader"' in row]
    for metric in METRICS:
        zoo, real = (row for row in rows if f">{metric}<br>" in row)
        assert ">the zoo<" in zoo
        assert re.search(r"AUC: <b>(carried over|in part|contradicted|open)</b>", real), real
    written = json.loads((evening.second.run.path / "against.json").read_text(encoding="utf-8"))
    assert {one["metric"] for one in written["metrics"]} == set(METRICS)


def test_results_read_back_as_they_were_written(evening: Evening) -> None:
    written = json.loads((evening.second.run.path / "results.json").read_text(encoding="utf-8"))
    (cosine,) = [one for one in written["metrics"] if one["metric"] == "weight-cosine"]
    assert len(cosine["run_points"]) == len(evening.second.run.results.metric("weight-cosine").run_points)
    assert (
        cosine["by_family"][0]["families"]
        == evening.second.run.results.metric("weight-cosine").by_family[0].families
    )
