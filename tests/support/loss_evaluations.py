"""How often a logistic fit asks for its loss and the derivatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analysis.evidence.logistic_fit import _Problem


def _counted(name: str, asked: Counter[str]) -> Callable[..., Any]:
    method = getattr(_Problem, name)

    def counted(self: _Problem, *args: Any) -> Any:
        asked[name] += 1
        return method(self, *args)

    return counted


@contextmanager
def evaluations() -> Iterator[Counter[str]]:
    """Count the calls of "loss", "gradient" and "curvature" in all fits of a block."""
    asked: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("loss", "gradient", "curvature"):
            patch.setattr(_Problem, name, _counted(name, asked))
        yield asked
