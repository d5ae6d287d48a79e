"""The answer about candidate parents as one HTML page; nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.comparison.candidates_text import HEAD, KEY, row_of, told_calibration
from benchmark.comparison.html import render

if TYPE_CHECKING:
    from benchmark.comparison.candidate_case import CandidateCase

__all__ = ["candidates_fragment", "candidates_page"]


def candidates_page(case: CandidateCase) -> str:
    """Write the answer as one self-contained page, light and dark."""
    return render("candidates.html.j2", _context(case))


def candidates_fragment(case: CandidateCase) -> str:
    """Write the answer for a notebook: the same page without its frame."""
    return render("candidates_fragment.html.j2", _context(case))


def _context(case: CandidateCase) -> dict[str, object]:
    return {
        "case": case,
        "title": f"{case.model.label} and {len(case.evidence)} candidate parents",
        "head": HEAD,
        "key": KEY,
        "calibration": told_calibration(case),
        "rows": [(one, row_of(case, one)) for one in case.found.candidates],
    }
