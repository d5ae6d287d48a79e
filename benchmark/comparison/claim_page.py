"""The answer about a stated base as one HTML page; nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.comparison.claim_text import HEAD, KEY, NOBODY, base_rows, notes_of_claim
from benchmark.comparison.html import render

if TYPE_CHECKING:
    from benchmark.comparison.claim_check import ClaimCheck

__all__ = ["claim_fragment", "claim_page"]


def claim_page(check: ClaimCheck) -> str:
    """Write the answer as one self-contained page, light and dark."""
    return render("claim.html.j2", _context(check))


def claim_fragment(check: ClaimCheck) -> str:
    """Write the answer for a notebook: the same page without its frame."""
    return render("claim_fragment.html.j2", _context(check))


def _context(check: ClaimCheck) -> dict[str, object]:
    return {
        "check": check,
        "title": f"{check.model.label} and its stated base",
        "head": HEAD,
        "key": KEY,
        "calibration": check.calibration.told(NOBODY) if check.calibration else "",
        "bases": [(one, base_rows(one)) for one in check.bases],
        "notes": notes_of_claim(check),
    }
