"""Typed results of a small simulated catalog, to be altered with `dataclasses.replace`."""

from __future__ import annotations

from functools import cache

import numpy as np

import analysis
from benchmark.results.schema import SCHEMA, Machine, MetricResult, Results, RunRecord
from studies.simulation.designs import Design


@cache
def metric_result() -> MetricResult:
    """One metric with a claimed threshold, analysed with few resamples."""
    table = Design("small", (3,) * 8, n_cells=2, separation=2.0).draw(np.random.default_rng(3))
    claim = analysis.Claim(threshold=1.0, text="≥ 1 is derived", source="a paper")
    (one,) = (
        analysis.analyse(
            [table], claims={table.metric: claim}, versions={table.metric: 1}, n_resamples=99, n_bootstrap=20
        )
        .summary()
        .metrics
    )
    return MetricResult(
        **vars(one), forgeries=(), decay=(), run_points=(), shared_properties=(), by_family=(), laundering=()
    )


@cache
def results() -> Results:
    """Results of that metric alone."""
    table = Design("small", (3,) * 8, n_cells=2, separation=2.0).draw(np.random.default_rng(3))
    summary = analysis.analyse([table], n_resamples=99, n_bootstrap=20).summary()
    return Results(SCHEMA, (metric_result(),), summary.comparisons, summary.catalog)


def run_record() -> RunRecord:
    """A finished run without models."""
    return RunRecord(
        schema=SCHEMA,
        status="complete",
        command="analyse",
        arguments={"scores": "scores.csv"},
        tier=None,
        device=None,
        catalog=None,
        costs={},
        seed=0,
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:00+00:00",
        seconds={"statistics": 1.5},
        models={},
        forgeries={},
        metrics={},
        packages={"lookalike": "0.1.0"},
        machine=Machine("Linux", "3.11", "x86_64"),
        failures=(),
        disputes=(),
        traffic=None,
    )
