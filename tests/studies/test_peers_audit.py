"""Claims held against a run: every number of the audit can be counted by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import Evaluated
from typed_results import metric_result, results, run_record

from analysis.summary_parts import ClaimAudit
from benchmark.results.files import RunDirectory
from benchmark.results.schema import ForgeryOutcome
from benchmark.session.errors import UsageError
from studies.peers import __main__ as command_line
from studies.peers.audit import audit_run, audit_text

N_LINEAGES = 6
CLAIM = ClaimAudit(0.9, None, False, "a probability", "nobody", None, None, None, "")

# Kind, called before, called after; None where the metric abstained.
FORGERIES = tuple(
    ForgeryOutcome("x", "y", "z", kind, "m", 0.5, 0.5, 0.9, before, after, "")
    for kind, before, after in [
        ("frame", False, True),
        ("frame", False, False),
        ("frame", True, True),
        ("frame", True, False),
        ("frame", None, None),
        ("evade", True, False),
        ("evade", True, True),
        ("evade", False, True),
    ]
)


def written(folder: Path) -> RunDirectory:
    """Six lineages of three models of one shape: one child is missed, and independents get .2 or .4."""
    models = [f"{lineage}{member}" for lineage in "abcdef" for member in "012"]
    rows = []
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            derived = a[0] == b[0]
            missed = (a, b) == ("a0", "a1")
            probability = (0.5 if missed else 0.95) if derived else (0.4 if "a" in (a[0], b[0]) else 0.2)
            method = ("launder:embedding-permutation" if missed else "fine-tune") if derived else ""
            rows.append((a, b, probability, "derived" if derived else "independent", method, a[0], b[0]))
    names = ["model_a", "model_b", "score", "relation", "method", "lineage_a", "lineage_b"]
    frame = pd.DataFrame(rows, columns=names).assign(
        architecture_a="cell", architecture_b="cell", status="ok", reason=""
    )
    probability = frame.assign(metric="modeldna-probability")
    p_value = frame.assign(
        metric="p", score=[2.0 if relation == "derived" else 1.5 for relation in frame["relation"]]
    )
    silent = frame.assign(metric="silent")
    directory = RunDirectory(folder)
    directory.write_scores(pd.concat([probability, p_value, silent], ignore_index=True))
    named = {
        "modeldna-probability": (CLAIM, FORGERIES),
        "p": (replace(CLAIM, threshold=None, p_values=True), ()),
        "silent": (None, ()),
    }
    metrics = tuple(
        replace(metric_result(), metric=name, claim=stated, forgeries=forged)
        for name, (stated, forged) in named.items()
    )
    directory.write_results(replace(results(), metrics=metrics))
    directory.conclude(run_record())
    return directory


def test_the_audit_counts_right(tmp_path: Path) -> None:
    run = written(tmp_path)
    probability, p_value = audit_run(run.path)
    assert probability.metric == "modeldna-probability"
    assert probability.tpr is not None
    assert probability.tpr.estimate == pytest.approx(17 / 18)
    assert probability.fpr is not None
    assert probability.fpr.estimate == 0.0
    (missed,) = probability.missed
    assert (missed.method, missed.n_pairs, missed.n_below, missed.lowest) == (
        "launder:embedding-permutation",
        1,
        1,
        0.5,
    )
    found = probability.probability
    assert found is not None
    # Of 135 independent pairs 45 touch lineage a.
    assert found.independent == found.look_alike == pytest.approx((45 * 0.4 + 90 * 0.2) / 135)
    assert found.derived == pytest.approx((17 * 0.95 + 0.5) / 18)
    miss = (17 * math.log2(1 / 0.95) + math.log2(2)) / 18
    alarm = (45 * math.log2(1 / 0.6) + 90 * math.log2(1 / 0.8)) / 135
    assert found.cllr == pytest.approx((miss + alarm) / 2)
    assert found.cllr_min == pytest.approx(0.0, abs=1e-9)
    assert [(each.kind, each.n_pairs, each.n_turned) for each in probability.forged] == [
        ("evade", 3, 1),
        ("frame", 4, 1),
    ]
    assert p_value.probability is None
    assert not p_value.forged
    assert p_value.threshold is None
    assert not p_value.missed
    # Every independent p is 10^-1.5 = .032: all at or below .05, none at or below .01.
    assert [each.independent.estimate for each in p_value.rejections] == [1.0, 0.0, 0.0, 0.0]


def test_the_audit_is_said_in_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = audit_text(audit_run(written(tmp_path).path))
    assert "missed       1 of 1 launder:embedding-permutation (lowest 0.500)" in text
    assert "mean probability: children 0.925, independent 0.267, look-alikes 0.267" in text
    assert "p ≤ 0.05: independent 1.000" in text
    assert "forged       1 of 4 made to frame do" in text
    assert "silent" not in text
    assert audit_text([]) == "no metric of this run claims anything"


def test_the_command_prints_json_that_parses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["peers", "audit", str(written(tmp_path).path), "--json"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 0
    value = json.loads(capsys.readouterr().out)
    assert [each["metric"] for each in value] == ["modeldna-probability", "p"]
    assert value[0]["missed"][0]["n_below"] == 1


@pytest.mark.slow
def test_a_real_run_can_be_audited(evaluated: Evaluated) -> None:
    claims = {each.metric: each for each in audit_run(evaluated.run)}
    assert claims["attention-std"].threshold == 0.9
    assert "config-match" not in claims


def test_a_directory_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a finished run"):
        audit_run(tmp_path)


def test_the_list_says_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "installed_version", {"modeldna": "0.1.0"}.get)
    monkeypatch.setattr("sys.argv", ["peers", "list"])
    with pytest.raises(SystemExit):
        command_line.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(command_line.PEERS)
    assert "modeldna 0.1.0" in lines[0]
    assert "pip install" in lines[1]
    for spec, _ in command_line.PEERS:
        file, _, name = spec.partition(":")
        assert f"class {name}(" in (Path(command_line.__file__).parent / file).read_text(encoding="utf-8")
