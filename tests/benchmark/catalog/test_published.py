"""Published scores: a strict form, a way to every number, and nothing that they label or calibrate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fpcore
from benchmark.catalog import Catalog, CatalogError, load_catalog, parse_catalog
from benchmark.catalog.show import model_json, show_text

PANGU, QWEN14 = "IntervitensInc/pangu-pro-moe-model", "Qwen/Qwen2.5-14B"
SOLAR, GLM = "upstage/Solar-Open-100B", "zai-org/GLM-4.5-Air"
SOUND = """\
schema: 1
models:
  - id: a
    source: {hub: org/a}
    aliases: [org/a-again]
    from_scratch: {grade: publisher, source: "https://example.org/a", says: trained from scratch}
  - id: b
    source: {hub: org/b}
    from_scratch: {grade: publisher, source: "https://example.org/b", says: trained from scratch}
published:
  - id: paper
    by: its authors
    source: arXiv:2507.03014
    says: a correlation
    metric: attention-std
    outside: [elsewhere/c]
    scores:
      - {pair: [a, b], value: 0.9}
      - {pair: [a, elsewhere/c], value: 0.4, where: Table 2}
disputes:
  - id: ab
    title: Is b made of a?
    models: [b, a]
    status: open
    claims: [{by: somebody, says: alike, source: "arXiv:2507.03014", published: paper}]
    replies: [{by: the maker, says: no, source: "https://example.org/b"}]
    settled_by: logs
"""

MISTAKES = [
    ("pair: [a, b]", "pair: [a, bb]", ["unknown model 'bb'", "did you mean 'b'?", "`outside`"]),
    ("pair: [a, b]", "pair: [org/a-again, b]", ["is an alias; write a"]),
    ("pair: [a, b]", "pair: [a, a]", ["names a twice"]),
    ("outside: [elsewhere/c]", "outside: [elsewhere/c, b]", ["b is in the catalog"]),
    ("outside: [elsewhere/c]", "outside: [elsewhere/c, d]", ["d appears in no pair"]),
    ("    metric: attention-std\n", "", ["has no metric"]),
    ("value: 0.9", "value: high", ["published[paper].scores[0].value", "'high'"]),
    ("value: 0.9", "value: 1.2, quantity: probability", ["is no probability"]),
    ("value: 0.9", "value: 0.9, quantity: percent", ["unknown quantity 'percent'", "probability"]),
    ("    says: a correlation\n", "", ["says", "missing; write"]),
    ("source: arXiv:2507.03014\n", "source: somewhere\n", ["published[paper].source", "URL"]),
    ("published: paper", "published: papers", ["unknown publication 'papers'", "did you mean 'paper'?"]),
    ("value: 0.9}", "value: 0.9}\n      - {pair: [b, a], value: 0.8}", ["appears twice", "`where`"]),
    (
        "published: paper",
        "figures: [{metric: attention-std, pair: [a, b], value: 0.8}]",
        ["is 0.8 here and 0.9 under `published`"],
    ),
]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES, ids=[new[:40] for _, new, _ in MISTAKES])
def test_a_mistake_is_one_clear_line(old: str, new: str, words: list[str]) -> None:
    assert old in SOUND
    with pytest.raises(CatalogError) as caught:
        parse_catalog(SOUND.replace(old, new, 1), file="my.yaml")
    (problem,) = caught.value.problems
    assert problem.line > 9
    for word in words:
        assert word in str(problem)


def test_a_dispute_takes_the_figures_of_what_it_rests_on() -> None:
    catalog = parse_catalog(SOUND)
    (dispute,) = catalog.disputes
    assert [(one.metric, one.pair, one.value) for one in dispute.claims[0].figures] == [
        ("attention-std", ("a", "b"), 0.9),
        ("attention-std", ("a", "elsewhere/c"), 0.4),
    ]
    assert [score.value for score in catalog.published_in(dispute)] == [0.9]
    assert [score.value for score in catalog.published_scores("elsewhere/c")] == [0.4]
    with pytest.raises(CatalogError, match="no model 'x'"):
        catalog.published_scores("x")


def test_published_scores_label_nothing() -> None:
    with_scores, section = parse_catalog(SOUND), SOUND.split("published:\n")[1].split("disputes:")[0]
    plain = SOUND.replace("published:\n" + section, "").replace(", published: paper", "")
    without = parse_catalog(plain)
    assert with_scores.pairs().equals(without.pairs())


def test_the_figures_that_disputes_turn_on_are_there(catalog: Catalog) -> None:
    def values(metric: str, *pair: str) -> list[float]:
        return [one.value for one in catalog.published_scores(*pair) if one.metric == metric]

    baichuan = "baichuan-inc/Baichuan2-13B-Base"
    assert {0.927, 0.92} <= set(values("attention-std", PANGU, QWEN14))
    assert values("attention-std", baichuan, "Qwen/Qwen1.5-14B") == [0.87]
    assert values("attention-std", baichuan, PANGU) == [0.84]
    assert values("attention-std", baichuan, QWEN14) == [0.86]
    assert values("attention-std", "deepseek-ai/deepseek-llm-7b-base", "meta-llama/Llama-2-7b-hf") == [0.91]
    maxima = [values(f"qkv-bias-max-{part}", PANGU, "Qwen/Qwen2.5-14B-Instruct") for part in "qkv"]
    assert maxima == [[0.24], [0.44], [0.5]]
    assert 0.989 in values("norm-cosine", SOLAR, GLM)
    assert 0.0054 in values("norm-pearson", SOLAR, GLM)
    assert values("norm-pearson", "PrimeIntellect/INTELLECT-3", GLM) == [1.0]
    assert values("norm-pearson", "microsoft/Phi-3.5-MoE-instruct", GLM) == [0.005, 0.02]
    assert {"modeldna-atlas", "awm", "ghostspec"} <= catalog.published.keys()


def test_every_score_has_a_metric_of_ours_or_says_that_it_is_none(catalog: Catalog) -> None:
    ours = {metric.name for metric in fpcore.metrics()}
    other = {one.metric for one in catalog.published_scores()} - ours
    assert other == {"modeldna", *(f"qkv-bias-max-{part}" for part in "qkv")}
    assert all(one.quantity != "score" for one in catalog.published_scores() if one.metric in other)


def test_bias_maxima_and_norm_gains_follow_from_the_published_layers(catalog: Catalog) -> None:
    folder = Path(__file__).parents[3].parent / "shared" / "data" / "bias_curves"
    if not folder.is_dir():
        pytest.skip(f"published bias maxima are not at {folder}")
    import numpy as np

    def curves(name: str) -> dict[str, np.ndarray]:
        layers = json.loads((folder / f"{name}_qkv_bias_max.json").read_text()).values()
        return {part: np.array([layer[f"{part}_proj_bias_max"] for layer in layers]) for part in "qkv"}

    pangu, qwen = curves("pangu-pro-moe-model"), curves("Qwen2.5-14B-Instruct")
    found = [float(np.corrcoef(pangu[part], qwen[part])[0, 1]) for part in "qkv"]
    published = {
        one.metric: one.value for one in catalog.published_scores(PANGU, "Qwen/Qwen2.5-14B-Instruct")
    }
    for part, value in zip("qkv", found, strict=True):
        assert published[f"qkv-bias-max-{part}"] == pytest.approx(value, abs=0.005)
    assert published["qkv-bias-max"] == pytest.approx(np.mean(found), abs=5e-4)


def test_show_tells_scores_with_citation_and_relation(catalog: Catalog) -> None:
    page = show_text(catalog, PANGU)
    assert "published scores: shown, never used" in page
    assert "HonestAGI, arXiv:2507.03014 (as others quote it)" in page
    assert f"attention-std 0.927  {PANGU} – {QWEN14}  (disputed)" in page
    assert "not in the catalog, Figure 5, the authors' own scale" in page
    told = model_json(catalog, PANGU)["published"]
    assert json.loads(json.dumps(told))[0]["value"] == 0.927
