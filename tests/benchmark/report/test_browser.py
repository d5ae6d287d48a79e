"""The page in a real browser: no error, nothing fetched, no sideways scroll, controls that work."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_report_fixture import METHODS, METRICS, results, run, scores

from benchmark.report import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip

HANGS_AFTER_SECONDS = 600  # a busy machine is slow; only what never answers fails

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


def _pipe() -> tuple[int, int]:
    """A pipe whose ends do not stand where the browser will look for its own."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]


class Browser:
    """A headless browser, spoken to in the DevTools protocol over two pipes."""

    def __init__(self, profile: Path) -> None:
        (ours, self._in), (self._out, theirs) = _pipe(), _pipe()

        def connect() -> None:
            # The browser reads commands at descriptor 3 and answers at 4.
            os.dup2(ours, 3)
            os.dup2(theirs, 4)

        self.process = subprocess.Popen(
            [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=connect, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(ours)
        os.close(theirs)
        self._buffer, self._last, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._out], [], [], HANGS_AFTER_SECONDS)[0]:
                raise TimeoutError(f"the browser says nothing for {HANGS_AFTER_SECONDS} s")
            chunk = os.read(self._out, 1 << 20)
            if not chunk:
                raise EOFError("the browser has gone")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, path: Path, width: int, *, dark: bool = False) -> None:
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())

    def point(self, x: float, y: float) -> None:
        """Move the pointer, and wait until the page has drawn its answer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.js("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

    def js(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @property
    def complaints(self) -> list[dict[str, Any]]:
        loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in loud]

    @property
    def requests(self) -> list[str]:
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def close(self) -> None:
        self._session = ""
        self.call("Browser.close")
        self.process.wait(HANGS_AFTER_SECONDS)
        os.close(self._in)
        os.close(self._out)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(run(), results(), scores()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.mark.parametrize(("width", "dark"), [(400, False), (900, True), (1600, False)])
def test_it_opens_quietly_and_fits(browser: Browser, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width, dark=dark)
    assert browser.js("document.documentElement.scrollWidth") <= width
    browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.js("document.documentElement.scrollWidth") <= width
    ground = browser.js("getComputedStyle(document.body).backgroundColor")
    assert (int(ground.split("(")[1].split(",")[0]) < 60) == dark
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def test_every_plot_is_there(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    drawn = "[...document.querySelectorAll('svg.panel, svg.ruler, svg.dots')]"
    sizes = browser.js(f"{drawn}.map((drawing) => drawing.getBoundingClientRect().width)")
    assert len(sizes) > 60
    assert min(sizes) > 200
    assert browser.js("document.querySelectorAll('.field[data-plot]').length") == len(METRICS) - 1
    assert browser.js("document.querySelectorAll('#decay svg.panel path.dot').length") == len(METRICS) - 1
    assert browser.js("document.querySelectorAll('#power svg.panel').length") == 2
    assert browser.js("document.querySelectorAll('svg.map circle').length") == len(METRICS) - 1
    for name in ("roc", "det", "tippett", "ece"):
        assert browser.js(f"document.querySelectorAll('[id$=\"-{name}\"]').length") >= 5


@pytest.mark.parametrize("width", [400, 1000, 1400, 1600])
def test_the_table_of_metrics_never_clips(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width)
    box = "document.querySelector('#metric-table').parentElement"
    assert browser.js(f"{box}.scrollWidth") <= browser.js(f"{box}.clientWidth")
    assert browser.js(
        "[...document.querySelectorAll('.scroll')].every((box) => box.scrollHeight <= box.clientHeight + 1)"
    )
    named = "[...document.querySelectorAll('#forest .name')]"
    assert browser.js(f"{named}.length") == len(METRICS)
    assert browser.js(f"{named}.every((name) => name.getBoundingClientRect().right <= {width})")
    assert browser.js("document.querySelectorAll('#forest .track .inner').length") == len(METRICS) - 1


def test_on_a_small_screen_rows_of_tables_become_cards(browser: Browser, report: Path) -> None:
    browser.open(report, 400)
    browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    boxes = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
    assert browser.js(f"{boxes}.map((box) => box.getAttribute('aria-label'))") == []
    shown = "[...document.querySelectorAll('#survival-table thead th')].filter((head) => head.offsetParent)"
    assert browser.js(f"{shown}.length") <= 3
    browser.js(
        "(() => { const one = document.querySelector('#methods [data-one]'); one.selectedIndex = 2;"
        " one.dispatchEvent(new Event('input')); })()"
    )
    chosen = browser.js("document.querySelector('#methods [data-one]').selectedOptions[0].textContent")
    assert browser.js(f"{shown}.at(-1).textContent") == chosen
    assert browser.complaints == []


def test_a_method_opens_its_pairs_and_a_pair_every_metric(browser: Browser, report: Path) -> None:
    browser.open(report, 1400)
    view = "document.querySelector('#view')"
    browser.js(
        "document.querySelector('#metric-attention-std a[href^=\"#pairs/\"]').click(); dispatchEvent(new"
        " HashChangeEvent('hashchange'))"
    )
    assert browser.js(f"{view}.open") is True
    method = browser.js(f"{view}.querySelector('h2').textContent")
    assert method.endswith(" under attention-std")
    listed = list(browser.js(f"[...{view}.querySelectorAll('tbody td')].map((cell) => cell.textContent)"))
    values = [float(text.replace("\u2212", "-")) for text in listed]
    frame = scores()
    wanted = frame[
        (frame["metric"] == "attention-std")
        & (frame["relation"] == "derived")
        & (frame["method"] == method.removesuffix(" under attention-std"))
        & (frame["status"] == "ok")
    ]
    assert values == pytest.approx(sorted(wanted["score"]), rel=1e-4)
    browser.js(f"{view}.querySelector('tbody a').click(); dispatchEvent(new HashChangeEvent('hashchange'))")
    pair = browser.js(f"{view}.querySelector('h2').textContent").split(" and ")
    rows = dict(
        browser.js(
            f"[...{view}.querySelectorAll('tbody tr')].map((row) => [row.cells[0].textContent,"
            " Number(row.cells[1].textContent.replace('\u2212', '-'))])"
        )
    )
    both = frame[frame["model_a"].isin(pair) & frame["model_b"].isin(pair) & (frame["status"] == "ok")]
    assert rows == pytest.approx(dict(zip(both["metric"], both["score"], strict=True)), rel=1e-4)
    assert f"lookalike compare {pair[0]} {pair[1]}" in browser.js(f"{view}.textContent")
    browser.js(f"{view}.close()")
    # The browser tells the page of a closed dialog a moment later, perhaps before this asks: look, do not
    # listen.
    gone = (
        "(done, tries) => location.hash && tries"
        " ? setTimeout(wait, 20, done, tries - 1) : done(location.hash)"
    )
    told = f"(() => {{ const wait = {gone}; return new Promise((done) => wait(done, 3000)); }})()"
    assert browser.call("Runtime.evaluate", expression=told, awaitPromise=True)["result"]["value"] == ""
    assert browser.complaints == []


def test_a_foreign_script_does_not_run(browser: Browser, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "tampered.html"
    told = report.read_text(encoding="utf-8")
    path.write_text(told.replace("</body>", "<script>window.foreign = 1</script></body>"), encoding="utf-8")
    browser.open(path, 1400)
    assert browser.js("window.foreign === undefined") is True
    assert browser.js("document.querySelectorAll('#view').length") == 1


def _type(browser: Browser, field: str, words: str) -> None:
    found = f"document.querySelector({json.dumps(field)})"
    browser.js(f"{found}.value = {json.dumps(words)}; {found}.dispatchEvent(new Event('input'))")


def _names(browser: Browser) -> list[str]:
    rows = "[...document.querySelectorAll('#metric-table tbody tr')].filter((r) => !r.hidden)"
    return list(browser.js(f"{rows}.map((r) => r.cells[0].textContent.trim())"))


def test_the_table_sorts_with_the_undefined_last(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    head = "document.querySelectorAll('#metric-table th[data-sort]')[3]"
    for direction in ("descending", "ascending"):
        browser.js(f"{head}.querySelector('button').click()")
        assert browser.js(f"{head}.getAttribute('aria-sort')") == direction
        assert browser.js("document.querySelectorAll('#metric-table [aria-sort]').length") == 1
        names = _names(browser)
        auc = {one.metric: one.auc.estimate for one in results().metrics}
        assert names[-1] == "silent"
        shown = [auc[name] for name in names[:-1]]
        assert shown == sorted(shown, reverse=direction == "descending")
    assert browser.complaints == []


def test_the_table_filters_by_name_and_verdict(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    _type(browser, "#metric-filter", "architecture detector")
    assert _names(browser) == ["config-match"]
    assert browser.js("document.querySelector('#metric-shown').textContent") == f"1 of {len(METRICS)}"
    _type(browser, "#metric-filter", "")
    assert len(_names(browser)) == len(METRICS)


def test_a_dot_names_its_pair_by_pointer_and_by_key(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    field = "document.querySelector('#metric-weight-cosine .field')"
    browser.js(f"{field}.scrollIntoView({{behavior: 'instant', block: 'center'}}); {field}.focus()")
    key = {"key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
    browser.call("Input.dispatchKeyEvent", type="keyDown", **key)
    spoken = browser.js("document.querySelector('#live').textContent")
    assert " and zoo/" in spoken
    assert "derived: " in spoken
    assert browser.js("document.querySelector('#tip').hidden") is False
    ring = browser.js(
        "(() => { const r = document.querySelector('#metric-weight-cosine .ring').getBoundingClientRect();"
        " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    named = browser.js("document.querySelector('#tip').innerText")
    browser.point(5, 5)
    browser.js("document.activeElement.blur()")
    assert browser.js("document.querySelector('#tip').hidden") is True
    browser.point(*ring)
    assert browser.js("document.querySelector('#tip').innerText") == named
    assert browser.complaints == []


def test_theme_and_search_respond(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    browser.js("localStorage.clear()")
    browser.js("document.querySelector('#theme').click(); document.querySelector('#theme').click()")
    assert browser.js("document.documentElement.dataset.theme") == "dark"
    browser.js("document.querySelector('#theme').click()")
    assert browser.js("document.documentElement.dataset.theme === undefined")
    _type(browser, "#find", "q-a-cast")
    found = "[...document.querySelectorAll('#metric-norm-pearson path.found')]"
    assert (
        sum(path.count("h0") for path in browser.js(f"{found}.map((path) => path.getAttribute('d'))")) == 83
    )
    assert browser.complaints == []


def test_ticks_of_the_forest_keep_apart(browser: Browser, report: Path) -> None:
    boxes = (
        "[...document.querySelectorAll('.forest .ticks span')].map((tick) => tick.getBoundingClientRect())"
    )
    for width in (400, 1000, 1300, 1600):
        browser.open(report, width)
        shown = browser.js(f"{boxes}.filter((box) => box.width).map((box) => [box.left, box.right])")
        assert len(shown) > 2
        assert all(right < left for (_, right), (left, _) in pairwise(shown)), width


def test_a_claimed_threshold_stands_below_its_verdict(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    rows = "[...document.querySelectorAll('#metric-table .pair b.num')]"
    assert set(browser.js(f"{rows}.map((value) => getComputedStyle(value).display)")) == {"block"}


SHEET = 718  # pixels between the margins of a sheet of A4
MANY = 34


def sheets(browser: Browser) -> int:
    """Sheets that the page takes when it is printed."""
    printed = base64.b64decode(browser.call("Page.printToPDF")["data"])
    return len(re.findall(rb"/Type\s*/Page(?!s)", printed))


@pytest.fixture(scope="module")
def report_of_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same metrics several times over, under names of their own."""
    found, record, table = results(), run(), scores()
    copies = range(-(-MANY // len(found.metrics)))
    metrics = [replace(one, metric=f"{one.metric}-{n}") for n in copies for one in found.metrics][:MANY]
    names = [one.metric for one in metrics]
    tables = pd.concat([table.assign(metric=table["metric"] + f"-{n}") for n in copies], ignore_index=True)
    described = {f"{name}-{n}": one for n in copies for name, one in record.metrics.items()}
    path = tmp_path_factory.mktemp("many") / "report.html"
    html = page(
        replace(record, metrics=described),
        replace(found, metrics=tuple(metrics)),
        tables[tables["metric"].isin(names)],
    )
    path.write_text(html, encoding="utf-8")
    return path


def test_dozens_of_metrics_are_printed_as_a_summary_too(browser: Browser, report_of_many: Path) -> None:
    browser.open(report_of_many, SHEET)
    assert browser.js("document.querySelectorAll('#metric-table tbody tr').length") == MANY
    assert 2 <= sheets(browser) <= 12
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("document.documentElement.scrollWidth") <= SHEET
    # Every metric's verdict, figures, claim and threshold are there, and nothing runs into its neighbour.
    cells = "[...document.querySelectorAll('#metric-table :is(td, th)')]"
    assert browser.js(f"{cells}.filter((cell) => !cell.offsetHeight).length") == 0
    assert browser.js(f"{cells}.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length") == 0


def test_printing_gives_a_summary_that_fits_the_sheet(browser: Browser, report: Path) -> None:
    browser.open(report, SHEET)
    assert 2 <= sheets(browser) <= 12
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("document.documentElement.scrollWidth") <= SHEET
    shown = "[...document.querySelectorAll('main section, main details')].filter((part) => part.offsetHeight)"
    names = browser.js(f"{shown}.map((part) => part.id || part.className || part.tagName)")
    assert {"answer", "metrics", "methods", "forgeries"} <= set(names)
    assert not {"DETAILS", "metric", "disputes", "glossary"} & set(names)
    tables = "[...document.querySelectorAll('main table')].filter((table) => table.offsetHeight)"
    over = f"{tables}.filter((one) => one.getBoundingClientRect().right > {SHEET}).map((one) => one.id)"
    assert browser.js(over) == []
    # Paper has room for every metric, and one size of type in a table.
    heads = "[...document.querySelectorAll('#survival-table thead th')].filter((head) => head.offsetWidth)"
    assert browser.js(f"{heads}.length") == 1 + len(METRICS)
    cells = "[...document.querySelectorAll('#attack-table td *')]"
    assert len(set(browser.js(f"{cells}.map((one) => getComputedStyle(one).fontSize)"))) == 1


TABLE = "document.querySelector('#survival-table')"


def _column(browser: Browser, index: int) -> list[str]:
    """The cells of a column of the table of ways, from the top, without their intervals."""
    rows = f"[...{TABLE}.querySelectorAll('tr[data-row]')].filter((row) => row.offsetParent)"
    return list(browser.js(f"{rows}.map((row) => row.cells[{index}].firstChild.textContent)"))


def test_the_table_of_ways_shows_another_figure(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    first = browser.js(f"{TABLE}.querySelector('td.s4').innerText")
    assert re.fullmatch(r"[01]\.\d+\s*\[[01]\.\d+, [01]\.\d+\]", first)
    before = _column(browser, 2)
    browser.js("document.querySelector('#methods [data-show=\"1\"]').click()")
    assert browser.js(f"{TABLE}.querySelector('caption').textContent").startswith("TPR")
    assert _column(browser, 2) != before
    legends = "[...document.querySelectorAll('#methods [data-legend]')].map((legend) => legend.hidden)"
    assert browser.js(legends) == [True, False]
    assert browser.complaints == []


def test_the_table_of_ways_sorts_by_a_metric_and_back(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    heads = f"[...{TABLE}.querySelectorAll('thead th')]"
    column = browser.js(f"{heads}.findIndex((head) => head.textContent === 'attention-std')")
    names, values = _column(browser, 0), _column(browser, column)
    click = f"{heads}[%d].querySelector('button').click()"
    for direction in ("descending", "ascending"):
        browser.js(click % column)
        assert browser.js(f"{heads}[{column}].getAttribute('aria-sort')") == direction
        shown = [float(value) for value in _column(browser, column)]
        assert shown == sorted(map(float, values), reverse=direction == "descending")
    assert browser.js(f"{TABLE}.querySelectorAll('tr.group:not([hidden])').length") == 0
    browser.js(click % 0)
    assert _column(browser, 0) == names
    assert browser.js(f"{TABLE}.querySelectorAll('tr.group:not([hidden])').length") == 5


def test_the_table_of_ways_filters_rows_and_metrics(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    _type(browser, "#methods [data-rows]", "laundering")
    assert _column(browser, 0) == ["launder:unit-permutation"]
    _type(browser, "#methods [data-columns]", "norm")
    heads = f"[...{TABLE}.querySelectorAll('thead th')].filter((head) => head.offsetParent)"
    assert browser.js(f"{heads}.map((head) => head.textContent)")[2:] == ["norm-pearson", "norm-cosine"]
    told = browser.js("document.querySelector('#methods .shown').textContent")
    assert told == f"1 of {len(METHODS)} rows, 2 of {len(METRICS)} metrics"


def test_plain_tables_sort_by_number_and_filter(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    browser.js("document.querySelectorAll('#making details').forEach((part) => { part.open = true; })")
    _type(browser, "#making input[type=search]", "moe q-a")
    body = "document.querySelector('#making table.sorts tbody')"
    shown = f"[...{body}.rows].filter((row) => row.offsetParent).map((row) => row.cells[0].textContent)"
    assert browser.js(shown) == ["zoo/q-a-moe-upcycle-copy"]
    head = "document.querySelectorAll('#attack-table thead th')[2]"
    browser.js(f"{head}.querySelector('button').click()")
    assert browser.js(f"{head}.getAttribute('aria-sort')") == "descending"
    assert browser.js("document.querySelector('#attack-table tbody th').textContent") == "attention-std"


def _press(browser: Browser, key: str) -> None:
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)


def test_curves_say_their_values_and_the_pair_at_the_threshold(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    for name, means in (("roc", "true-positive rate"), ("det", "miss rate")):
        svg = f"document.querySelector('#metric-attention-std-{name}').closest('.pointed')"
        browser.js(f"{svg}.scrollIntoView({{behavior: 'instant', block: 'center'}}); {svg}.focus()")
        for key in ("ArrowRight", "ArrowDown", "End", *["ArrowLeft"] * 5):
            _press(browser, key)
        told = browser.js("document.querySelector('#live').textContent")
        assert told.startswith("attention-std, look-alikes, AUC")
        assert f"{means} " in told
        assert re.search(r"threshold [\d.\u2212]+, the score of, zoo/\S+, zoo/", told)
        ring = f"{svg}.querySelector('.ring').getBoundingClientRect()"
        x, y = browser.js(f"[{ring}.x, {ring}.y]")
        named = browser.js("document.querySelector('#tip').innerText")
        browser.js("document.activeElement.blur()")
        browser.point(x + 6, y + 6)
        assert browser.js("document.querySelector('#tip').innerText") == named
    assert browser.complaints == []


def test_decay_dots_name_the_child_and_its_ancestor(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    browser.js("document.querySelector('[data-decay=metric-weight-cosine]').focus()")
    _press(browser, "ArrowRight")
    _press(browser, "End")
    told = browser.js("document.querySelector('#live').textContent")
    assert re.search(r"zoo/(\S+), .*continued-pretrain:long, 800 steps, 100% of the founder's budget", told)


def test_metrics_in_the_drawing_of_shape_answer_to_the_keyboard(browser: Browser, report: Path) -> None:
    browser.open(report, 1600)
    browser.js("document.querySelector('svg.map a[href=\"#metric-config-match\"]').focus()")
    told = browser.js("document.querySelector('#tip').innerText").split("\n")
    assert told[0] == "config-match"
    assert told[-1] == "architecture detector"


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour, below) => {
    canvas.fillStyle = `rgb(${below.join(' ')})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const own = [];
    for (let e = element; e; e = e.parentElement) own.unshift(getComputedStyle(e).backgroundColor);
    return own.reduce((below, colour) => rgb(colour, below), [255, 255, 255]);
  };
  const wanted = ['.lead', '.aside', '.key', '.ends', '.verdict', '.figure', '.standfirst', 'caption',
    'thead th', 'td.s0', 'td.s1', 'td.s2', 'td.s3', 'td.s4', 'td.s4 i', '.forest .group th', 'figcaption',
    '.forged', 'button', '.verdict.fails', '.verdict.separates', '.verdict.architecture'];
  return Object.fromEntries(wanted.flatMap((selector) => {
    const element = document.querySelector(selector);
    if (!element) return [];
    const below = ground(element), style = getComputedStyle(element), ink = rgb(style.color, below);
    const seen = ink.map((v, i) => v * style.opacity + below[i] * (1 - style.opacity));
    const [a, b] = [light(seen), light(below)].sort((x, y) => y - x);
    return [[selector, (a + 0.05) / (b + 0.05)]];
  }));
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser: Browser, report: Path, dark: bool) -> None:
    browser.open(report, 1600, dark=dark)
    ratios = browser.js(CONTRAST)
    assert len(ratios) >= 16
    assert {selector: ratio for selector, ratio in ratios.items() if ratio < 4.5} == {}
