"""Which metrics `--metrics` means: names, globs, all of them, or those that cost little."""

from __future__ import annotations

import pytest

import fpcore
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.session.errors import UsageError

EVERY = tuple(metric.name for metric in fpcore.metrics())


def test_names_and_globs_in_the_registrys_order() -> None:
    assert choose_metrics("weight-cosine,attention-std") == ("attention-std", "weight-cosine")
    assert choose_metrics("attention-std, attention-std") == ("attention-std",)
    fitting = tuple(name for name in EVERY if name.startswith("attention-s") or name.endswith("-pearson"))
    assert len(fitting) >= 4
    assert choose_metrics("*-pearson, attention-s*") == fitting
    assert choose_metrics("norm-[cp]*") == ("norm-cosine", "norm-pearson")
    assert choose_metrics("*") == choose_metrics("all") == EVERY


def test_without_a_list_the_cheap_ones() -> None:
    cheap = {metric.name for metric in fpcore.metrics() if metric.cost == "cheap"}
    assert set(choose_metrics(None)) == cheap
    assert "canonical-similarity" not in cheap


@pytest.mark.parametrize("text", ["attention-std,nonsense", "attention-std,", "x*"])
def test_what_fits_nothing_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"--metrics: no metric matches '(nonsense|x\*|)'; known: "):
        choose_metrics(text)
