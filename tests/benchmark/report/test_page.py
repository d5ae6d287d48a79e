"""The page: a whole document, nothing fetched, every link and id sound, undefined never shown as zero."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from test_report_fixture import METHODS, METRICS, VERDICTS, made_page, results, run, scores, unlinked

from analysis import CatalogSummary, as_json
from benchmark.report import page
from benchmark.report.glossary import GLOSSARY, anchor
from benchmark.report.packing import unpacked
from benchmark.report.term_links import EVERYDAY, linked_terms
from benchmark.results.codec import from_json
from benchmark.results.schema import SCHEMA, Results, RunRecord

VOID = {"meta", "link", "br", "input", "col"}


class Outline(HTMLParser):
    """Ids, links, headings, tables and the text of a page; unclosed or crossed elements are errors."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.sources: list[str] = []
        self.headings: list[int] = []
        self.labelled: list[str] = []
        self.headers: list[dict[str, str | None]] = []
        self.tags: Counter[str] = Counter()
        self.words: list[str] = []
        self.scripts: dict[str, str] = {}
        self.stack: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.tags[tag] += 1
        if facts.get("id"):
            self.ids.append(str(facts["id"]))
        for name in ("href", "xlink:href"):
            if name in facts:
                self.targets.append(str(facts[name]))
        self.sources += [
            str(facts[name]) for name in ("src", "srcset", "action", "data", "poster") if name in facts
        ]
        for name in ("aria-labelledby", "aria-describedby"):
            self.labelled += str(facts.get(name) or "").split()
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "th":
            self.headers.append(facts)
        if tag not in VOID:
            self.stack.append((tag, facts))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1][0] == tag, f"</{tag}> closes <{self.stack[-1][0]}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        if not self.stack:
            return
        tag, facts = self.stack[-1]
        if tag == "script":
            self.scripts[str(facts.get("id") or len(self.scripts))] = data
        elif tag != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def html() -> str:
    return made_page()


@pytest.fixture(scope="module")
def outline(html: str) -> Outline:
    return Outline(html)


def test_ids_are_unique_and_every_anchor_resolves(outline: Outline) -> None:
    assert [name for name, n in Counter(outline.ids).items() if n > 1] == []
    inner = [target[1:] for target in outline.targets if target.startswith("#")]
    assert len(inner) > 20
    # A list of pairs is made when it is asked for; its address names a metric and a method.
    views = [target.split("/") for target in inner if target.startswith("pairs/")]
    assert {anchor for _, anchor, _ in views} <= set(outline.ids)
    assert {unquote(method) for *_, method in views} == set(METHODS)
    assert {target for target in inner if not target.startswith("pairs/")} <= set(outline.ids)
    assert set(outline.labelled) <= set(outline.ids)


def test_nothing_is_fetched(html: str, outline: Outline) -> None:
    assert outline.sources == []
    assert {target for target in outline.targets if not target.startswith("#")} == {"data:,"}
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "fetch(" not in html
    assert len(html.encode()) < 1_500_000


def test_headings_descend_without_gaps_and_landmarks_stand(outline: Outline) -> None:
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        after - before <= 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False)
    )
    assert (outline.tags["main"], outline.tags["nav"]) == (1, 1)
    assert "#main" in outline.targets


def test_tables_have_captions_and_scoped_headers(outline: Outline) -> None:
    assert outline.tags["caption"] == outline.tags["table"] > 10
    assert all(header.get("scope") in ("col", "row", "rowgroup") for header in outline.headers)


def test_drawings_have_titles(html: str) -> None:
    drawn = re.findall(r'<svg [^>]*role="img"[^>]*>(.{7})', html)
    assert len(drawn) > 10
    assert set(drawn) == {"<title>", "<title "}


def test_the_answer_names_every_metric_in_the_column_of_its_verdict(html: str) -> None:
    answer = html[html.index('<section id="answer"') : html.index('<section id="metrics"')]
    columns = answer.split('<tbody class="')[1:]
    for slug, verdicts in (
        ("yes", {"separates", "separates within limits"}),
        ("no", {"architecture detector", "does not separate"}),
        ("unknown", {"cannot say"}),
    ):
        column = next(text for text in columns if text.startswith(slug))
        named = set(re.findall(r'<span class="name">([^<]+)</span>', column))
        assert named == {metric for metric in METRICS if VERDICTS[metric] in verdicts}


def dots(data: dict[str, Any], row: dict[str, Any]) -> list[tuple[tuple[str, str], float, str]]:
    """The dots of a row as the page's script reads them: pair, score, what is said of it."""
    ends = [data["models"][index] for index in unpacked(row["p"], "<u2").tolist()]
    scores_ = unpacked(row["s"], "<f4").tolist()
    says = [row["says"]] * len(scores_)
    if "m" in row:
        says = [row["m"][index] for index in unpacked(row["k"], "<u2").tolist()]
    return list(zip(zip(ends[::2], ends[1::2], strict=True), scores_, says, strict=True))


def test_every_pair_with_a_score_is_a_dot_that_names_it(outline: Outline, html: str) -> None:
    data = json.loads(outline.scripts["data"])
    frame = scores()
    ok = frame[frame["status"] == "ok"]
    for metric in METRICS:
        rows = data["plots"][f"metric-{metric}"]
        drawn = {pair: score for row in rows for pair, score, _ in dots(data, row)}
        table = ok[ok["metric"] == metric]
        assert set(drawn) == set(zip(table["model_a"], table["model_b"], strict=True))
        for row in table.head(20).itertuples():
            assert drawn[(row.model_a, row.model_b)] == pytest.approx(row.score, rel=1e-6)
    plots = html[html.index('<div id="each">') :]
    paths = re.findall(r'<path class="dot[^"]*" stroke-width="\d" d="([^"]*)"/>', plots)
    assert sum(path.count("h0") for path in paths) == len(ok)


def test_rows_stand_by_method_with_thresholds_as_lines(html: str) -> None:
    section = html[html.index('id="metric-attention-std"') : html.index('id="metric-silent"')]
    names = re.findall(r'<div class="row-label"><b>([^<]+)</b>', section)
    steps = {"… &gt; cast" if ">" in method else method for method in METHODS}
    assert set(names[: len(METHODS)]) == steps
    assert names[len(METHODS) :] == [
        "look-alikes", "other independents", "siblings", "shared initialisation", "disputed",
    ]  # fmt: skip
    assert 'class="cut claimed"' in section
    assert 'class="cut calibrated"' in section


def test_the_same_run_gives_the_same_bytes(html: str) -> None:
    shuffled = scores().sample(frac=1.0, random_state=3)
    order = [frame for _, frame in shuffled.groupby("metric")]
    assert page(run(), results(), scores()) == html
    assert page(run(), results(), pd.concat(order)) == html


def test_undefined_is_a_dash_with_its_reason_and_never_zero(html: str) -> None:
    section = html[
        html.index('<section class="metric" id="metric-silent"') : html.index('<section id="disputes"')
    ]
    strip = section[section.index('class="strip"') : section.index("</dl>")]
    assert strip.count("—") >= 4
    assert "undefined: no derived pair has a score" in strip
    assert "No score plot: no pair has a score" in section
    assert "failed: tensor holds NaN" in section
    assert "nan" not in re.sub(r"[a-z0-9-]*nan[a-z]+", "", section.replace("NaN", ""))


HOSTILE = "a/<b>&\"'</script><!--:x > y"


def renamed(value: Any, old: str, new: str) -> Any:
    """A copy with a name replaced in keys and values."""
    if isinstance(value, dict):
        return {renamed(key, old, new): renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, old, new) for item in value]
    return value.replace(old, new) if isinstance(value, str) else value


def test_hostile_names_are_shown_as_text() -> None:
    frame = scores().copy()
    for column in ("model_a", "model_b", "lineage_a", "lineage_b"):
        frame[column] = frame[column].str.replace("zoo/q-a", HOSTILE, regex=False)
    frame["metric"] = frame["metric"].str.replace("norm-cosine", HOSTILE, regex=False)
    frame["method"] = frame["method"].str.replace("fine-tune", HOSTILE, regex=False)
    record = renamed(as_json(run()), "zoo/q-a", HOSTILE)
    record["disputes"][0]["title"] = HOSTILE
    record["failures"][0]["error"] = HOSTILE
    told = renamed(renamed(as_json(results()), "norm-cosine", HOSTILE), "fine-tune", HOSTILE)
    text = page(from_json(RunRecord, record), from_json(Results, told), frame)
    parsed = Outline(text)
    assert "<b>&" not in text
    assert text.count("</script>") == 3
    assert set(parsed.scripts) == {"0", "data", "2"}
    assert any(HOSTILE in name for name in json.loads(parsed.scripts["data"])["models"])
    assert parsed.text.count(HOSTILE) > 10
    assert [name for name, n in Counter(parsed.ids).items() if n > 1] == []


def alone(metric: str) -> Results:
    """The results of one metric, as if no other had been run."""
    return replace(results(), metrics=(results().metric(metric),), comparisons=())


def test_a_run_of_scores_alone_has_a_page() -> None:
    record = replace(run(), tier=None, device=None, catalog=None, models={}, metrics={}, disputes=())
    parsed = Outline(unlinked(page(record, alone("weight-cosine"), scores())))
    assert "seed 0." in parsed.text
    assert "This catalog records no dispute." in parsed.text


def test_a_run_without_metrics_has_a_page() -> None:
    nothing = Results(SCHEMA, (), (), CatalogSummary.of([], (0.05,), 0.95))
    assert "No metric." in Outline(page(run(), nothing, scores().head(0))).text


def test_where_nothing_is_scored_no_number_is_made_up() -> None:
    text = page(run(), alone("silent"), scores())
    table = Outline(text[text.index('<section id="metrics"') : text.index('<section id="map"')]).text
    assert "0.000" not in table
    assert re.search(r"(?<!\d)0%", table) is None


SECTIONS = (
    "answer", "metrics", "map", "methods", "shared", "forgeries", "decay", "disputes", "making", "glossary",
)  # fmt: skip


def test_every_section_and_row_of_a_full_run_is_there(html: str, outline: Outline) -> None:
    assert [name for name in SECTIONS if f'<section id="{name}"' not in html] == []
    assert "absent" not in {
        words
        for name in ("answer", "metrics", "map", "methods", "shared", "forgeries", "decay")
        for words in re.findall(r'<p class="(\w+)"', html[html.index(f'<section id="{name}"') :][:4000])
    }
    own = html[html.index('<section class="metric" id="metric-attention-std"') :]
    own = own[: own.index("</section>")]
    told = (
        "How alike two models are by attention-std", "Look-alike AUC", "AUC, all independent pairs", "Gap",
        "Permutation p", "Derived / look-alike / independent", "Abstained", "By derivation method",
        "By class of look-alikes", "Thresholds and their held-out error rates", "claimed by the authors",
        "The same AUC with four intervals", "Does it detect shape or descent?",
        "Property of the pair", "Weight of evidence", "Partial AUC", "Permutation", "Uses", "Invariant to",
        "Authors' claim", "Version",
    )  # fmt: skip
    assert [words for words in told if words not in own] == []
    for name in ("roc", "det", "tippett", "ece"):
        assert f'id="metric-attention-std-{name}"' in own
    for words in ("independent models of any shapes", "siblings", "models of one initialisation"):
        assert f'<th scope="row">{words}</th>' in own[own.index("Weight of evidence") :]
    assert "Claimed p-values, config-match" in html
    assert 'id="metric-config-match-qq"' in html
    assert "Pairs without a score, qkv-bias-max" in html
    assert "Claimed p-values were not audited: " in html
    for fact in ("Command", "Arguments", "Seed", "Status", "Started", "Ended", "Time taken", "Catalog",
                 "Catalog digest", "Packages", "Machine"):  # fmt: skip
        assert f"<dt>{fact}</dt>" in html
    for said in (
        "Claimed",
        "Answered",
        "Settled by:",
        "Compared with: zoo/q-g",
        "unrelated models of one shape",
    ):
        assert said in outline.text


def test_methods_are_those_of_the_results(html: str) -> None:
    whole = unlinked(html)
    making = whole[whole.index('<section id="making"') : whole.index('<section id="glossary"')]
    one = results().metric("weight-cosine")
    shown = (one.auc, one.architecture.gap, one.thresholds[0].fpr, one.thresholds[0].held_out_fpr)
    for interval in shown:
        assert f"<dd>{interval.method}</dd>" in making
    odd = replace(one, look_alike_auc=replace(one.look_alike_auc, method="by reading tea leaves"))
    text = page(run(), replace(results(), metrics=(odd,)), scores())
    assert "<dd>by reading tea leaves</dd>" in text
    assert "degrees of freedom" not in whole
    assert "Wilson" not in whole.replace(one.thresholds[0].fpr.method, "")


def test_terms_lead_to_the_glossary(html: str, outline: Outline) -> None:
    assert {anchor(term) for term in GLOSSARY} <= set(outline.ids)
    linked = re.findall(r'<a class="term" href="#(term-[^"]+)"', html)
    assert len(set(linked)) > 12
    assert {anchor(term) for term in ("look-alike AUC", "held-out rate", "forgery")} <= set(linked)


def test_every_section_links_its_terms_once(html: str) -> None:
    own = html[html.index('<section class="metric" id="metric-attention-std"') :]
    own = own[: own.index("</section>")]
    prose = re.sub(r"<(svg|h2|button|code|summary)\b.*?</\1>", " ", own, flags=re.DOTALL)
    told = " ".join(re.findall(r"<(?:p|li|caption|dd)\b[^>]*>(.*?)</(?:p|li|caption|dd)>", prose, re.DOTALL))
    words = re.sub(r"<[^>]*>", "", told).lower()
    linked = re.findall(r'<a class="term" href="#(term-[^"]+)"', own)
    terms = [term for term in GLOSSARY if term not in EVERYDAY]
    mentioned = {
        term
        for term in ("lineage", "look-alike", "permutation p", "Cllr", "architecture detector", "interval")
        if re.search(rf"\b{re.escape(term.lower())}", words)
    }
    assert len(mentioned) > 4
    assert mentioned <= set(terms)
    assert {anchor(term) for term in mentioned} <= set(linked)


def test_terms_are_linked_in_prose_alone_and_once_a_section() -> None:
    page = (
        "<section><h2>Lineage</h2><p>A lineage, two lineages; look-alike AUCs, a pair.</p></section>"
        "<section><p><a>lineage</a> <code>AUC</code> sublineage</p><script>if (a<b) AUC</script></section>"
    )
    link = '<a class="term" href="#{}" title="{}">{}</a>'
    told = [
        link.format(anchor(term), escape(GLOSSARY[term]), words)
        for term, words in (("lineage", "lineage"), ("look-alike AUC", "look-alike AUCs"))
    ]
    assert linked_terms(page) == page.replace("A lineage,", f"A {told[0]},").replace(
        "look-alike AUCs", told[1]
    )


def test_infinite_scores_and_one_score_for_all_are_drawn() -> None:
    frame = scores()[lambda rows: rows["metric"] == "weight-cosine"].copy()
    frame.loc[frame.index[:3], "score"] = [np.inf, -np.inf, np.inf]
    text = page(run(), alone("weight-cosine"), frame)
    shown = [
        score
        for row in json.loads(Outline(text).scripts["data"])["plots"]["metric-weight-cosine"]
        for score in unpacked(row["s"], "<f4").tolist()
    ]
    assert (shown.count(np.inf), shown.count(-np.inf)) == (2, 1)
    frame["score"] = 1.0
    Outline(page(run(), alone("weight-cosine"), frame))


def test_a_very_long_table_is_thinned_and_says_so() -> None:
    frame = scores()[lambda rows: rows["metric"] == "weight-cosine"]
    copies = []
    for index in range(30):
        again = frame.copy()
        for column in ("model_a", "model_b", "lineage_a", "lineage_b"):
            again[column] = f"{index}/" + again[column]
        copies.append(again)
    text = page(run(), alone("weight-cosine"), pd.concat(copies))
    size, told = len(text.encode()), text.count(" of 104,580 pairs are drawn")
    assert told == 1
    assert size < 3_000_000


def test_it_never_says_copied(outline: Outline) -> None:
    assert "copied" not in outline.text.lower()
