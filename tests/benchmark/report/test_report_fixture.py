"""A made-up run for the tests of the report: scores drawn from a seed, and their analysis.

The catalog: 12 founders in three cells, six children each, mixture-of-experts children in cells of their own.
The metrics: one that separates, one that fails where units were permuted, one that follows the cell only, one
that is high for every pair, one that abstains where there are no biases, one whose results are all undefined.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import analysis

METHODS = (
    "fine-tune",
    "continued-pretrain:long",
    "launder:unit-permutation",
    "cast:fp8",
    "continued-pretrain:long > cast:fp8",
    "moe-upcycle:copy",
)
CELLS = (
    "qwen2 6x64 h4/2 f128 bias rmsnorm",
    "llama 6x64 h4/4 f128 rmsnorm",
    "gpt_neox 6x64 h4/4 f256 bias layernorm",
)
METRICS = (
    "weight-cosine",
    "norm-pearson",
    "attention-std",
    "norm-cosine",
    "config-match",
    "qkv-bias-max",
    "silent",
)
VERDICTS = {
    "weight-cosine": "separates within limits",
    "norm-pearson": "separates",
    "attention-std": "does not separate",
    "norm-cosine": "does not separate",
    "config-match": "architecture detector",
    "qkv-bias-max": "separates within limits",
    "silent": "cannot say",
}


@cache
def catalog() -> dict[str, dict[str, str]]:
    """Model → founder, method, cell."""
    models: dict[str, dict[str, str]] = {}
    for index in range(12):
        founder = f"zoo/{'qln'[index % 3]}-{'abcdefghijkl'[index]}"
        cell = CELLS[index % 3]
        models[founder] = {"founder": founder, "method": "", "cell": cell}
        for method in METHODS:
            own = cell.replace("f1", "e4 f1").replace("f2", "e4 f2") if method.startswith("moe") else cell
            name = f"{founder}-{method.replace(':', '-').replace(' > ', '-')}"
            models[name] = {"founder": founder, "method": method, "cell": own}
    return models


@cache
def pairs() -> pd.DataFrame:
    """All pairs with labels."""
    models = catalog()
    rows = []
    for a, b in itertools.combinations(sorted(models), 2):
        one, two = models[a], models[b]
        relation, method = "independent", ""
        if one["founder"] == two["founder"]:
            relation = "sibling" if one["method"] and two["method"] else "derived"
            method = one["method"] + two["method"] if relation == "derived" else ""
        elif {one["founder"], two["founder"]} == {"zoo/q-a", "zoo/q-d"}:
            relation = "shared-init" if {a, b} == {"zoo/q-a", "zoo/q-d"} else "disputed"
        rows.append((a, b, relation, method, one["founder"], two["founder"], one["cell"], two["cell"]))
    names = "model_a model_b relation method lineage_a lineage_b architecture_a architecture_b"
    return pd.DataFrame(rows, columns=names.split())


@cache
def scores(seed: int = 0) -> pd.DataFrame:
    """The score table of all metrics."""
    frame = pairs()
    rng = np.random.default_rng(seed)
    n = len(frame)
    derived = (frame["relation"] == "derived").to_numpy()
    related = frame["relation"].isin(["derived", "sibling"]).to_numpy()
    permuted = (
        (frame["method"] == "launder:unit-permutation")
        | frame["model_a"].str.endswith("permutation")
        | frame["model_b"].str.endswith("permutation")
    ).to_numpy()
    long = frame["method"].str.startswith("continued").to_numpy()
    same_cell = (frame["architecture_a"] == frame["architecture_b"]).to_numpy()
    biased = (
        frame["architecture_a"].str.contains("qwen2") & frame["architecture_b"].str.contains("qwen2")
    ).to_numpy()
    noise = lambda scale: rng.normal(0, scale, n)  # noqa: E731
    values = {
        "weight-cosine": np.where(related & ~permuted, np.where(long, 0.6, 0.97), 0.0) + noise(0.012),
        "norm-pearson": np.clip(np.where(related, np.where(long, 0.8, 0.98), 0.02) + noise(0.08), -1, 1),
        "attention-std": np.clip(
            0.35 + 0.3 * same_cell + np.where(derived, 0.22, 0) + noise(0.14), -1, 0.999
        ),
        "norm-cosine": 0.99 + 0.004 * np.tanh(noise(1.0)),
        "config-match": np.where(same_cell, 1.0, np.round(np.abs(noise(0.2)), 1)),
        "qkv-bias-max": np.clip(np.where(related, 0.95, 0.4) + noise(0.15), -1, 1),
        "silent": np.full(n, np.nan),
    }
    tables = []
    for metric in METRICS:
        table = frame.copy()
        table.insert(0, "metric", metric)
        table["score"] = values[metric]
        table["status"], table["reason"] = "ok", ""
        if metric == "qkv-bias-max":
            table.loc[~biased, ["status", "reason"]] = "abstained", "the attention has no biases"
        if metric == "silent":
            table.loc[:, ["status", "reason"]] = "abstained", "needs a tokenizer on both sides"
            table.loc[0, ["status", "reason"]] = "failed", "tensor holds NaN"
        table.loc[table["status"] != "ok", "score"] = np.nan
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@cache
def results() -> dict[str, Any]:
    """What results.json holds: the whole analysis, with few resamples, and what a run adds to it."""
    tables = [analysis.ScoreTable(frame) for _, frame in scores().groupby("metric", sort=False)]
    claim = analysis.Claim(threshold=0.9, text="> .9 is suspect", source="arXiv:2507.03014")
    summary = analysis.analyse(
        tables,
        claims={"attention-std": claim, "norm-cosine": claim},
        versions=dict.fromkeys(METRICS, 1),
        n_resamples=499,
        n_bootstrap=200,
    ).summary()
    told = {"schema": 1, **analysis.as_json(summary)}
    for entry in told["metrics"]:
        entry |= {
            "decay": decay(entry["metric"]),
            "forgeries": forgeries(entry),
            "shared_properties": shared_properties(entry),
        }
    return told


SHARES = {"fine-tune": 0.1, "continued-pretrain:long": 1.0}


def decay(metric: str) -> list[dict[str, Any]]:
    """Trained children by the share of their founder's budget; `silent` scores none of them."""
    table = scores()[lambda rows: (rows["metric"] == metric) & rows["method"].isin(SHARES)]
    rows = [
        {
            "model": row.model_b,
            "ancestor": row.model_a,
            "method": row.method,
            "steps": int(800 * SHARES[row.method]),
            "tokens": int(8e6 * SHARES[row.method]),
            "share": SHARES[row.method],
            "score": row.score,
            "lineage": row.lineage_a,
        }
        for row in table.itertuples()
        if row.status == "ok"
    ]
    return sorted(rows, key=lambda row: row["share"])


FORGED = ("attention-std",)  # can be made to accuse and to acquit; every other metric is unmoved


def forgeries(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Two models framed and two children that evade; `silent` has no threshold to call by."""
    metric = entry["metric"]
    claim = (entry["claim"] or {}).get("threshold")
    calibrated = next((item["value"] for item in entry["thresholds"] if item["max_fpr"] == 0.05), None)
    threshold = calibrated if claim is None else claim
    rows = []
    for kind, before, after in (("frame", 0.1, 0.999), ("evade", 0.98, -0.9)):
        for founder in ("zoo/q-a", "zoo/l-b"):
            reached = after if metric in FORGED else before
            called = [None if threshold is None else value >= threshold for value in (before, reached)]
            rows.append(
                {
                    "forged": f"{founder}-{kind}",
                    "of": f"{founder}-fine-tune",
                    "target": founder if kind == "evade" else "zoo/n-c",
                    "kind": kind,
                    "aimed_at": "attention-std",
                    "before": before,
                    "after": reached,
                    "threshold": threshold,
                    "before_called": called[0],
                    "after_called": called[1],
                    "reason": "" if threshold is not None else "no threshold could be calibrated",
                }
            )
    return rows


def shared_properties(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Two properties, with the figures of the metric itself."""
    return [
        {
            "shared": shared,
            "n_pairs": 12,
            "n_lineages": 4,
            "median": 0.5,
            "auc": entry["look_alike_auc"],
            "fpr": entry["thresholds"][0]["fpr"] if entry["thresholds"] else None,
        }
        for shared in ("corpus, tokenizer", "nothing but shape")
    ]


@cache
def run() -> dict[str, Any]:
    """What run.json holds."""
    models = catalog()
    claim = {
        "threshold": 0.9,
        "auc": None,
        "p_values": False,
        "text": "> .9 is suspect",
        "source": "arXiv:2507.03014",
    }
    return {
        "schema": 1,
        "status": "partial",
        "command": "python -m benchmark run --seed 0",
        "arguments": {"seed": 0, "metrics": "cheap", "tier": "zoo"},
        "seed": 0,
        "tier": "zoo",
        "started": "2026-03-01T12:00:00Z",
        "ended": "2026-03-01T12:00:48Z",
        "seconds": {"fingerprints": 21.4, "scores": 9.2, "statistics": 14.0, "report": 3.1},
        "catalog": {
            "digest": "4f" * 32,
            "path": "lineage_catalog.yaml",
            "n_models": 84,
            "n_lineages": 12,
            "n_cells": 6,
        },
        "models": {
            name: {"digest": f"{index:064x}", "architecture": facts["cell"], "lineage": facts["founder"]}
            for index, (name, facts) in enumerate(models.items())
        },
        "metrics": {
            name: {
                "version": 1,
                "title": f"How alike two models are by {name}",
                "evidence": ["weights"],
                "invariances": ["global scale", "dtype cast"],
                "cost": "cheap",
                "claims": [claim] if name in ("attention-std", "norm-cosine") else [],
                "source": "arXiv:2507.03014" if name.endswith("std") else "this repository",
            }
            for name in METRICS
        },
        "packages": {"python": "3.12.3", "numpy": "2.3.5", "torch": "2.13.0"},
        "machine": {"platform": "Linux x86_64", "cpus": 2, "memory_gb": 8},
        "failures": [
            {"unit": "score", "model": "zoo/q-a | zoo/q-d", "metric": "silent", "error": "tensor holds NaN"},
        ],
        "disputes": [
            {
                "id": "a-and-d",
                "title": "Does zoo/q-d descend from zoo/q-a?",
                "models": ["zoo/q-a", "zoo/q-d"],
                "status": "disputed",
                "summary": "One side points at attention curves, the other at look-alikes that share them.",
                "claims": [
                    {
                        "by": "the accusers",
                        "says": "the curves agree more than any others seen",
                        "source": "https://arxiv.org/abs/2507.03014",
                        "figures": [{"metric": "attention-std", "value": 0.927, "pair": "zoo/q-a – zoo/q-d"}],
                    },
                ],
                "replies": [
                    {
                        "by": "the makers",
                        "says": "unrelated models of one shape agree as much",
                        "source": "a letter",
                        "figures": [
                            {"metric": "attention-std", "value": 0.91, "pair": ["zoo/q-g", "zoo/q-j"]}
                        ],
                    },
                ],
                "scored": [
                    {"metric": "attention-std", "score": 0.71},
                    {"metric": "weight-cosine", "score": 0.01},
                ],
            },
            {
                "id": "elsewhere",
                "title": "A pair that was not scored",
                "models": ["org/one", "org/two"],
                "status": "disputed",
                "summary": "Nobody has the weights.",
                "claims": [],
                "scored": None,
            },
        ],
    }


def test_the_made_up_run_is_what_it_says() -> None:
    assert len(catalog()) == 84
    assert len(pairs()) == 84 * 83 // 2
    assert set(scores()["metric"]) == set(METRICS)
    assert {entry["metric"]: entry["verdict"] for entry in results()["metrics"]} == VERDICTS
