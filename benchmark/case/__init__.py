"""One disputed pair: scores, their place among look-alikes, their bounded weight, and what cannot be said."""

from __future__ import annotations

from benchmark.case.case import Case as Case
from benchmark.case.case import open_case as open_case
from benchmark.case.pool import PoolCase as PoolCase
from benchmark.case.pool import open_pool as open_pool

__all__ = ["Case", "PoolCase", "open_case", "open_pool"]
