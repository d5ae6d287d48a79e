"""One disputed pair: scores, their place among look-alikes, their bounded weight, and what cannot be said."""

from __future__ import annotations

from benchmark.comparison.candidates import PoolCase as PoolCase
from benchmark.comparison.candidates import open_pool as open_pool
from benchmark.comparison.case import Case as Case
from benchmark.comparison.case import open_case as open_case

__all__ = ["Case", "PoolCase", "open_case", "open_pool"]
