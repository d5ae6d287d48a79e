"""Midranks against scipy's, and what importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm, rankdata, t as student

from analysis.inference.midranks import midranks

FINITE = st.floats(allow_nan=False)


@given(st.lists(FINITE | st.sampled_from([0.0, -0.0, 1.0])))
def test_the_ranks_of_scipy(values: list[float]) -> None:
    assert midranks(values).tolist() == rankdata(values).tolist()


def test_the_functions_in_place_of_distributions_give_the_same_bits() -> None:
    from scipy.special import ndtri, stdtr, stdtrit

    rng = np.random.default_rng(0)
    p, df, x = rng.random(500), rng.uniform(1.0, 400.0, 500), rng.normal(0.0, 5.0, 500)
    assert np.array_equal(ndtri(p), norm.ppf(p))
    assert np.array_equal(stdtrit(df, p), student.ppf(p, df))
    assert np.array_equal(stdtr(df, -x), student.sf(x, df))


@pytest.mark.thorough
@pytest.mark.parametrize("module", ["scipy.stats", "scipy.optimize", "sklearn"])
def test_the_whole_package_is_imported_without_what_few_calls_need(module: str) -> None:
    code = (
        "import sys, analysis\n"
        "for name in analysis.__all__: getattr(analysis, name)\n"
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
