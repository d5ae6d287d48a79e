"""The registry: metrics by name, from inside and from other packages."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import test_invariances
from test_invariances import tabled

import fpcore
from fpcore import Fingerprint, Metric, metric as by_name
from fpcore.protocol import INVARIANCES
from fpcore.registry import load_metrics, registered

# The name of the module is that of a function of the package too.
MODULE = import_module("fpcore.registry")

FIRST = (
    *("attention-std", "ffn-std", "qkv-bias-std", "qkv-bias-max", "norm-std"),
    *("norm-cosine", "norm-pearson", "weight-cosine", "config-match"),
)


def outside(metric_name: str) -> type[Metric]:
    class Outside(Metric):
        """A metric of another package."""

        name = metric_name
        title = "from elsewhere"

        def fingerprint(self, model: fpcore.Checkpoint) -> Fingerprint:
            return self.make_fingerprint(model, {})

        def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
            return 0.0

    return Outside


@pytest.fixture
def clean() -> Any:
    before = dict(registered)
    yield
    registered.clear()
    registered.update(before)
    load_metrics.cache_clear()


def test_all_are_found_with_what_a_reader_needs() -> None:
    assert set(FIRST) <= {metric.name for metric in fpcore.metrics()}
    for metric in fpcore.metrics():
        assert by_name(metric.name) is metric
        assert metric.title
        assert metric.version >= 1
        assert metric.evidence
        assert metric.invariances <= set(INVARIANCES)
        assert metric.cost in {"cheap", "costly"}
        doc = type(metric).__doc__ or ""
        assert len(doc) > 200, f"{metric.name}: the docstring holds formula, tensors, invariances and source"
        for claim in metric.claims:
            assert claim.text
            assert claim.source


def test_costs_are_stated() -> None:
    """Of metrics that look at files alone; `tests/performance/metric_cost.py` measures them."""
    for metric in fpcore.metrics():
        if metric.evidence <= {"config", "tokenizer", "weights"}:
            assert metric.measured is not None, metric.name
            assert metric.measured.model > 0
            assert metric.measured.pair > 0


def test_published_claims_are_data() -> None:
    assert by_name("attention-std").claims[0].threshold == 0.9
    assert "2507.03014" in by_name("attention-std").claims[0].source
    assert not by_name("config-match").claims


def test_the_order_does_not_depend_on_who_imported_what() -> None:
    names = [metric.name for metric in fpcore.metrics()]
    assert names == [metric.name for metric in fpcore.metrics()]
    own = [name for name in names if name in FIRST]
    assert own.index("attention-std") < own.index("ffn-std") < own.index("norm-cosine")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(KeyError, match=r"unknown metric 'nonsense'; known: .*attention-std, "):
        by_name("nonsense")


@pytest.mark.usefixtures("clean")
def test_names_are_unique_and_invariances_known() -> None:
    fpcore.register(outside("mine"))
    assert by_name("mine").title == "from elsewhere"
    with pytest.raises(ValueError, match="both define it"):
        fpcore.register(outside("attention-std"))
    odd = outside("odd")
    odd.invariances = frozenset({"wishful thinking"})
    with pytest.raises(ValueError, match=r"unknown invariances.*wishful thinking"):
        fpcore.register(odd)


@pytest.mark.usefixtures("clean")
def test_other_packages_bring_metrics_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    good = EntryPoint(name="visitor", value="somewhere:Visitor", group="lookalike.metrics")
    monkeypatch.setattr(EntryPoint, "load", lambda self: outside("visitor"))
    monkeypatch.setattr(MODULE, "entry_points", lambda group: [good] if group == "lookalike.metrics" else [])
    monkeypatch.setattr(MODULE, "try_import", lambda points: None)
    load_metrics.cache_clear()
    assert by_name("visitor").title == "from elsewhere"
    assert fpcore.metrics()[-1].name == "visitor"


@pytest.mark.usefixtures("clean")
def test_a_broken_plug_in_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = EntryPoint(name="broken", value="nowhere_at_all:Broken", group="lookalike.metrics")
    monkeypatch.setattr(MODULE, "entry_points", lambda group: [bad])
    load_metrics.cache_clear()
    with pytest.raises(
        ImportError, match=r"'broken' of entry point 'nowhere_at_all:Broken' cannot be imported"
    ):
        fpcore.metrics()


VISITORS = '''"""Metrics of a package of its own."""

import numpy as np

import fpcore


class Truthful(fpcore.Metric):
    """Cosine of the widths of the feed-forward units of the first layer, sorted."""

    name = "visitor-truthful"
    title = "sorted lengths of the first layer's units"
    invariances = frozenset(
        {"unit permutation", "head permutation", "embedding permutation", "q/k gauge", "v/o gauge"}
    ) | {"dtype cast"}

    def fingerprint(self, model):
        rows = model.roles["layers.0.feed_forward.up.weight"].read().double().numpy()
        return self.make_fingerprint(model, {"lengths": np.sort(np.linalg.norm(rows, axis=1))})

    def similarity(self, a, b):
        x, y = (each.arrays["lengths"] for each in (a, b))
        return -float(np.abs(x - y).mean())


class Boastful(Truthful):
    """The same, said to survive what it does not."""

    name = "visitor-boastful"
    invariances = Truthful.invariances | {"global scale"}
'''
ENTRY_POINTS = """[lookalike.metrics]
truthful = visiting_metrics:Truthful
boastful = visiting_metrics:Boastful
"""


@pytest.fixture
def visitors(tmp_path: Path) -> Path:
    """A folder as `pip install --target` leaves it."""
    (tmp_path / "visiting_metrics.py").write_text(VISITORS)
    about = tmp_path / "visiting_metrics-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: visiting-metrics\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


@pytest.mark.usefixtures("clean")
def test_an_installed_package_is_found_and_its_claims_are_tested(
    visitors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own file is all that a metric touches: the registry and the property tables know it at once."""
    monkeypatch.syspath_prepend(visitors)
    load_metrics.cache_clear()
    found = tabled()
    monkeypatch.setattr(test_invariances, "METRICS", found)
    assert list(found)[-2:] == ["visitor-boastful", "visitor-truthful"]
    assert list(fpcore.metrics())[-1] is found["visitor-truthful"]
    for transform in INVARIANCES:
        test_invariances.test_claimed_invariances_and_no_others("visitor-truthful", transform)
    with pytest.raises(AssertionError):
        test_invariances.test_claimed_invariances_and_no_others("visitor-boastful", "global scale")
