"""Pages of a case and of a claim in a real browser: whole at every width, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Evaluated, command
from test_browser import CHROMIUM, SHEET, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

# Heads of tables that are cards are read aloud and not seen: they are out of the flow.
CUT = """[...document.querySelectorAll('td, th, p, li, dd')].filter((one) => {
    if (getComputedStyle(one.closest('thead') ?? one).position === 'absolute') return false;
    const box = one.getBoundingClientRect();
    return one.clientWidth && one.scrollWidth > one.clientWidth + 1 || box.right > innerWidth + 0.5;
}).map((one) => one.textContent)"""
# Words that a line break tears apart without a hyphen: their box is taller than one line.
TORN = """(() => {
    const range = document.createRange(), torn = [];
    for (const cell of document.querySelectorAll('td, th')) for (const part of cell.childNodes) {
        if (part.nodeType !== Node.TEXT_NODE) continue;
        for (const word of part.data.matchAll(/[a-z]{4,}/g)) {
            range.setStart(part, word.index);
            range.setEnd(part, word.index + word[0].length);
            if (range.getClientRects().length > 1) torn.push(word[0]);
        }
    }
    return torn;
})()"""


@pytest.mark.parametrize("typed", [("compare", "f0", "f0c0"), ("check-claim", "f0c0", "--base", "f0")])
def test_it_is_whole_at_every_width_and_on_paper(
    evaluated: Evaluated, tmp_path: Path, typed: tuple[str, ...]
) -> None:
    page = tmp_path / "page.html"
    said = command(
        *typed, "--catalog", evaluated.catalog, "--calibration", evaluated.run, "--out", page,
        cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    browser = Browser(tmp_path / "profile")
    try:
        for width, dark in ((400, False), (1000, True), (1600, False), (SHEET, False)):
            browser.open(page, width, dark=dark)
            if width == SHEET:
                browser.call("Emulation.setEmulatedMedia", media="print")
            assert browser.complaints == []
            assert browser.js("document.documentElement.scrollWidth") <= width
            assert browser.js(CUT) == []
            assert browser.js(TORN) == []
            ground = browser.js("getComputedStyle(document.body).backgroundColor")
            assert (int(ground.split("(")[1].split(",")[0]) < 60) == dark
    finally:
        browser.close()
