"""A made-up run for the tests of the report: scores drawn from a seed, and their analysis.

The catalog: 12 founders in three cells, six children each, mixture-of-experts children in cells of their own.
The metrics: one that separates, one that fails where units were permuted, one that follows the cell only, one
that is high for every pair, one that abstains where there are no biases, one whose results are all undefined.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

import analysis
from benchmark.catalog.model import Figure, Statement
from benchmark.report import page
from benchmark.report.sections import MetricSection, metric_sections
from benchmark.results.decision import deciding_threshold
from benchmark.results.published_places import PublishedPlace, PublishedRange, RunRange
from benchmark.results.schema import (
    SCHEMA,
    CatalogFacts,
    CostRecord,
    DecayPoint,
    DisputeRecord,
    Failure,
    FamilyClass,
    ForgeryOutcome,
    ForgeryRecord,
    Machine,
    MetricDescription,
    MetricResult,
    ModelRecord,
    ModelTraffic,
    Results,
    RunPoint,
    RunRecord,
    ScoredPair,
    SharedPropertyClass,
    TrafficRecord,
)

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
    "norm-pearson": "separates within limits",
    "attention-std": "cannot say",
    "norm-cosine": "does not separate",
    "config-match": "architecture detector",
    "qkv-bias-max": "cannot say",
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


CLAIM = analysis.Claim(threshold=0.9, text="> 0.9 is suspect", source="arXiv:2507.03014")
CLAIMS = {
    "attention-std": CLAIM,
    "norm-cosine": CLAIM,
    "config-match": analysis.Claim(p_values=True, text="scores are p-values", source="a letter"),
    "qkv-bias-max": analysis.Claim(p_values=True, text="scores are p-values", source="a letter"),
}


@cache
def results() -> Results:
    """The whole analysis, with few resamples, and what a run adds to it."""
    tables = [analysis.ScoreTable(frame) for _, frame in scores().groupby("metric", sort=False)]
    told = analysis.analyse(
        tables, claims=CLAIMS, versions=dict.fromkeys(METRICS, 1), n_resamples=499, n_bootstrap=200
    ).summary()
    metrics = (
        MetricResult(
            **vars(one),
            forgeries=forgeries(one),
            decay=decay(one.metric),
            run_points=run_points(one.metric),
            shared_properties=shared_properties(one),
            by_family=by_family(one),
            laundering=(),
        )
        for one in told.metrics
    )
    return Results(SCHEMA, tuple(metrics), told.comparisons, told.catalog)


def with_every(found: Results, **changes: object) -> Results:
    """The same results, with fields of every metric replaced."""
    return replace(found, metrics=tuple(replace(one, **changes) for one in found.metrics))  # type: ignore[arg-type]


SHARES = {"fine-tune": 0.1, "continued-pretrain:long": 1.0}


def decay(metric: str) -> tuple[DecayPoint, ...]:
    """Trained children by the share of their founder's budget; `silent` scores none of them."""
    table = scores()[lambda rows: (rows["metric"] == metric) & rows["method"].isin(SHARES)]
    points = [
        DecayPoint(
            model=row["model_b"],
            ancestor=row["model_a"],
            method=row["method"],
            steps=int(800 * SHARES[row["method"]]),
            tokens=int(8e6 * SHARES[row["method"]]),
            share=SHARES[row["method"]],
            score=row["score"],
            lineage=row["lineage_a"],
        )
        for row in table.to_dict("records")
        if row["status"] == "ok"
    ]
    return tuple(sorted(points, key=lambda point: point.share))


def run_points(metric: str) -> tuple[RunPoint, ...]:
    """Two runs of four points whose scores rise to the end; `silent` scores none of them."""
    if metric == "silent":
        return ()
    return tuple(
        RunPoint(f"lab/m-seed{seed}", f"lab/m-seed{seed}@step{step}", "Replicates", f"lab/m-seed{seed}", step,
                 step / 1000, 0.1 * seed + 0.8 * (step / 1000) ** 0.3)
        for seed in (1, 2)
        for step in (0, 10, 100, 500)
    )  # fmt: skip


def by_family(one: analysis.MetricSummary) -> tuple[FamilyClass, ...]:
    """Replicates among themselves, and against models without a family."""
    if one.metric == "silent":
        return ()
    rate = analysis.Interval(0.25, 0.1, 0.5, 0.95, "made up")
    return tuple(
        FamilyClass(name, 40, 9, 0.3, 10, one.look_alike_auc, rate)
        for name in ("Replicates", "Replicates – others")
    )


FORGED = ("attention-std",)  # can be made to accuse and to acquit; every other metric is unmoved


def forgeries(one: analysis.MetricSummary) -> tuple[ForgeryOutcome, ...]:
    """Two models framed and two children that evade; `silent` has no threshold to call by."""
    decision = deciding_threshold(one)
    outcomes = []
    for kind, before, after in (("frame", 0.1, 0.999), ("evade", 0.98, -0.9)):
        for founder in ("zoo/q-a", "zoo/l-b"):
            reached = after if one.metric in FORGED else before
            called = [value >= decision.value if decision.defined else None for value in (before, reached)]
            outcomes.append(
                ForgeryOutcome(
                    forged=f"{founder}-{kind}",
                    of=f"{founder}-fine-tune",
                    target=founder if kind == "evade" else "zoo/n-c",
                    kind=kind,
                    aimed_at="attention-std",
                    before=before,
                    after=reached,
                    threshold=decision.value,
                    before_called=called[0],
                    after_called=called[1],
                    reason=decision.reason,
                )
            )
    return tuple(outcomes)


def shared_properties(one: analysis.MetricSummary) -> tuple[SharedPropertyClass, ...]:
    """Two properties, with the figures of the metric itself."""
    return tuple(
        SharedPropertyClass(shared, 12, 4, 0.5, 0.0, 0, one.look_alike_auc, one.thresholds[0].fpr)
        for shared in ("corpus, tokenizer", "nothing but shape")
    )


PUBLISHED = PublishedPlace(
    publication="paper",
    citation="the accusers, arXiv:2507.03014 (as others quote it)",
    metric="attention-std",
    pair=("zoo/q-a", "zoo/q-d"),
    value=0.927,
    quantity="score",
    where="Figure 2",
    relation="disputed",
    population="12 look-alikes of 5 lineages and 9 derived pairs, all of qwen2 6x64 h4/2 f128 bias rmsnorm",
    says="3 of the look-alikes score as high (p = 0.57 by rank among their lineages).",
    in_run=RunRange(12, 3, 5, 0.57, 9, 8),
    published_derived=PublishedRange(2, 2, 0.94, 1.0),
    published_independent=PublishedRange(0, 0, math.nan, math.nan),
)


@cache
def run() -> RunRecord:
    """A run in which one score failed."""
    models = catalog()
    said = "the curves agree more than any others seen"
    answered = "unrelated models of one shape agree as much"
    return RunRecord(
        schema=SCHEMA,
        status="partial",
        command="run",
        arguments={"seed": 0, "metrics": ["attention-std", "silent"], "tier": "zoo", "limit": None},
        tier="zoo",
        device="cpu",
        catalog=CatalogFacts("4f" * 32, "lineage_catalog.yaml", (), n_models=84, n_lineages=12, n_cells=6),
        costs={"silent": CostRecord(None, 0, 0.001, 3)},
        seed=0,
        started="2026-03-01T12:00:00Z",
        ended="2026-03-01T12:00:48Z",
        seconds={"fingerprints": 21.4, "scores": 9.2, "statistics": 14.0, "report": 3.1},
        models={
            name: ModelRecord(f"{index:064x}", facts["cell"], facts["founder"], "by table", None)
            for index, (name, facts) in enumerate(models.items())
        },
        forgeries={"zoo/q-a-frame": ForgeryRecord("5e" * 32)},
        metrics={
            name: MetricDescription(
                version=1,
                title=f"How alike two models are by {name}",
                evidence=("weights",),
                invariances=("global scale", "dtype cast"),
                cost="cheap",
                measured=None,
                claims=(CLAIMS[name],) if name in CLAIMS else (),
            )
            for name in METRICS
        },
        packages={"numpy": "2.3.5", "torch": "2.13.0"},
        machine=Machine("Linux", "3.12.3", "x86_64"),
        failures=(Failure("score", "zoo/q-a | zoo/q-d", "silent", "tensor holds NaN", "", 1),),
        disputes=(
            DisputeRecord(
                id="a-and-d",
                title="Does zoo/q-d descend from zoo/q-a?",
                models=("zoo/q-a", "zoo/q-d"),
                status="open",
                claims=(
                    Statement(
                        "the accusers",
                        said,
                        "https://arxiv.org/abs/2507.03014",
                        (Figure("attention-std", ("zoo/q-a", "zoo/q-d"), 0.927),),
                    ),
                ),
                replies=(
                    Statement(
                        "the makers",
                        answered,
                        "a letter",
                        (Figure("attention-std", ("zoo/q-g", "zoo/q-j"), 0.91),),
                    ),
                ),
                controls=("zoo/q-g",),
                settled_by="a look at the checkpoints in between",
                scored=(ScoredPair("attention-std", 0.71), ScoredPair("weight-cosine", 0.01)),
                published_scores=(PUBLISHED, replace(PUBLISHED, quantity="z", value=3.5, in_run=None)),
            ),
            DisputeRecord(
                id="elsewhere",
                title="A pair that was not scored",
                models=("org/one", "org/two"),
                status="retracted",
                claims=(),
            ),
        ),
        traffic=TrafficRecord(10**10, 10**6, 1_100_000, 70, {"org/one": ModelTraffic(1_100_000, 70)}),
    )


@cache
def made_sections() -> tuple[MetricSection, ...]:
    """Its metrics, as the report shows them."""
    return metric_sections(run(), results(), scores())


@cache
def made_page() -> str:
    """Its page."""
    return page(run(), results(), scores())


def unlinked(html: str) -> str:
    """A page without its links to the glossary, so that sentences can be found whole."""
    return re.sub(r'<a class="term"[^>]*>(.*?)</a>', r"\1", html, flags=re.DOTALL)


def part(html: str, name: str) -> str:
    """One section of a page."""
    start = html.index(f'<section id="{name}"')
    return html[start : html.index("<section id=" if name != "decay" else '<div id="each"', start + 10)]


def test_the_made_up_run_is_what_it_says() -> None:
    assert len(catalog()) == 84
    assert len(pairs()) == 84 * 83 // 2
    assert set(scores()["metric"]) == set(METRICS)
    assert {one.metric: one.verdict for one in results().metrics} == VERDICTS
