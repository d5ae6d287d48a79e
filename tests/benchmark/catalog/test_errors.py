"""Every mistake in a catalog is one clear line with file, line and field."""

import pytest

from benchmark.catalog import CatalogError, load_catalog, parse_catalog
from benchmark.catalog.show import problems_text

SOUND = """\
schema: 1
cells:
  small: {model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm}
models:
  - id: a
    source: {hub: org/a}
    cell: small
    date: 2024-05
    from_scratch: {grade: publisher, source: "https://example.org/a", says: trained from scratch}
  - id: b
    source: {hub: org/b}
    date: 2024-06-01
    parents:
      - of: a
        method: fine-tune
        evidence: {grade: card, source: "arXiv:2507.03014", says: names a as its base}
disputes: []
"""

MISTAKES = [
    # what, text to replace, replacement, line, words of the message
    (
        "unknown parent",
        "of: a",
        "of: aa",
        14,
        ["models[b].parents[0].of", "unknown parent 'aa'", "did you mean 'a'"],
    ),
    ("self-parent", "of: a", "of: b", 14, ["b is listed as its own parent"]),
    (
        "unknown method",
        "method: fine-tune",
        "method: finetune",
        15,
        ["unknown method 'finetune'", "'fine-tune'"],
    ),
    ("unknown grade", "grade: card", "grade: rumour", 16, ["unknown grade 'rumour'", "publisher", "weights"]),
    ("duplicate id", "id: b", "id: a", 10, ["duplicate id 'a'", "line 5"]),
    ("duplicate key", "cell: small", "cell: small\n    cell: small", 8, ["duplicate key 'cell'", "line 7"]),
    ("unknown field", "cell: small", "cel: small", 7, ["unknown field 'cel'", "did you mean 'cell'"]),
    ("unknown cell", "cell: small", "cell: smal", 7, ["unknown cell 'smal'", "did you mean 'small'"]),
    ("wrong type", "depth: 2", "depth: two", 3, ["cells.small.depth", "integer", "'two'"]),
    ("number as text", "width: 8", "width: '8'", 3, ["cells.small.width", "integer"]),
    ("missing id", "  - id: b\n    source", "  - source", 10, ["id", "missing; write", "write `id:"]),
    ("bad date", "2024-06-01", "June 2024", 12, ["models[b].date", "YYYY"]),
    ("child before parent", "2024-06-01", "2023-06-01", 14, ["dated 2023-06-01", "2024-05"]),
    ("bad source of evidence", "arXiv:2507.03014", "somebody said", 16, ["source", "URL"]),
    ("nowhere", "source: {hub: org/b}", "source: {revision: x}", 11, ["models[b].source", "hub: org/name"]),
    ("two places", "source: {hub: org/b}", "source: {hub: org/b, zoo: b}", 11, ["give one of"]),
    ("same place twice", "hub: org/b", "hub: org/a", 11, ["same source as a"]),
    ("not a mapping", "source: {hub: org/b}", "source: org/b", 11, ["models[b].source", "must be a mapping"]),
    ("schema version", "schema: 1", "schema: 2", 1, ["unknown schema 2", "known: 1"]),
    ("lone merge parent", "method: fine-tune", "method: merge", 13, ["a merge has two or more parents"]),
    ("zoo without recipe", "source: {hub: org/b}", "source: {zoo: b}", 11, ["needs its recipe"]),
    ("anchor", "cell: small", "architecture: &x {model_type: t}\n    evidence: *x", 8, ["anchor"]),
    ("number as key", "disputes: []", "1: []", 17, ["key 1 is not text"]),
    (
        "scratch with parents",
        "    parents:",
        '    from_scratch: {grade: paper, source: "doi:x", says: y}\n    parents:',
        10,
        ["under disputes"],
    ),
    (
        "both shapes",
        "    cell: small",
        "    cell: small\n    architecture: {model_type: t}",
        5,
        ["cell or architecture"],
    ),
    (
        "twin with parents",
        "    parents:",
        "    shared_init_with: a\n    parents:",
        10,
        ["shared_init_with is for founders"],
    ),
    (
        "alias of another model",
        "    date: 2024-05\n",
        "    date: 2024-05\n    aliases: b\n",
        9,
        ["alias 'b' is also the id of a model"],
    ),
]


def test_the_text_that_is_broken_below_is_sound() -> None:
    assert set(parse_catalog(SOUND).models) == {"a", "b"}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_mistake_is_one_clear_line(old: str, new: str, line: int, words: list[str]) -> None:
    assert SOUND.count(old) >= 1
    position = SOUND.rindex(old)
    with pytest.raises(CatalogError) as caught:
        parse_catalog(SOUND[:position] + new + SOUND[position + len(old) :], file="my.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"my.yaml:{line}: ")
    for word in words:
        assert word in message


def test_missing_evidence_of_a_derivation() -> None:
    lines = [line for line in SOUND.splitlines() if "grade: card" not in line]
    with pytest.raises(CatalogError, match=r"c\.yaml:14: models\[b\]\.parents\[0\]: no evidence; add"):
        parse_catalog("\n".join(lines), file="c.yaml")


def test_cycle_is_named_as_a_path() -> None:
    text = "schema: 1\nmodels:\n" + "".join(
        f"""\
  - id: {child}
    source: {{hub: org/{child}}}
    parents: [{{of: {parent}, method: fine-tune, evidence: {{grade: card, source: "doi:1", says: x}}}}]
"""
        for child, parent in (("a", "c"), ("b", "a"), ("c", "b"))
    )
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, file="c.yaml")
    assert len(caught.value.problems) == 1
    assert "cycle of derivations: a → b → c → a" in str(caught.value)


def test_alias_where_an_id_is_meant_and_a_clash_of_aliases() -> None:
    text = SOUND.replace("    cell: small\n    date", "    cell: small\n    aliases: [mirror/a]\n    date")
    with pytest.raises(CatalogError, match="'mirror/a' is an alias; write a"):
        parse_catalog(text.replace("of: a", "of: mirror/a"))
    with pytest.raises(CatalogError, match="duplicate alias 'mirror/a', also of a"):
        parse_catalog(text.replace("    date: 2024-06-01", "    aliases: mirror/a\n    date: 2024-06-01"))


DISPUTE = """\
disputes:
  - id: case
    title: Is b from a?
    models: [b, a]
    status: open
    claims:
      - by: somebody
        says: it is
        source: arXiv:2507.03014
        figures: [{metric: attention-std, pair: [a, b], value: 0.9}]
    settled_by: logs
"""


def test_dispute_names_catalog_models_and_contradicts_no_statement() -> None:
    text = SOUND.replace("disputes: []\n", DISPUTE)
    with pytest.raises(CatalogError, match="b is listed as derived from a on better evidence than weights"):
        parse_catalog(text)
    weak = text.replace("grade: card", "grade: weights")
    assert parse_catalog(weak).relation("a", "b") == "disputed"
    with pytest.raises(
        CatalogError, match=r"disputes\[case\]\.claims\[0\]\.figures\[0\]\.pair: unknown model 'c'"
    ):
        parse_catalog(weak.replace("pair: [a, b]", "pair: [a, c]"))
    with pytest.raises(CatalogError, match=r"disputes\[case\]\.models: unknown model 'c'"):
        parse_catalog(weak.replace("models: [b, a]", "models: [c, a]"))
    with pytest.raises(CatalogError, match="unknown status 'closed'"):
        parse_catalog(weak.replace("status: open", "status: closed"))


def test_recipe_that_uses_a_model_which_is_no_parent() -> None:
    text = SOUND.replace("source: {hub: org/b}", "source: {zoo: b}\n    recipe: {train: {from: a, donor: c}}")
    text = text.replace("disputes: []", "").rstrip() + "\n  - id: c\n    source: {hub: org/c}\n"
    with pytest.raises(
        CatalogError, match=r"models\[b\]\.recipe: the recipe uses c, which is neither a parent nor"
    ):
        parse_catalog(text)


def test_several_mistakes_are_all_collected_and_counted() -> None:
    text = (
        SOUND.replace("of: a", "of: z")
        .replace("cell: small", "cell: tiny")
        .replace("hub: org/b", "hub: org/a")
    )
    with pytest.raises(CatalogError, match=r"\(and 2 more; `catalog check` lists all\)") as caught:
        parse_catalog(text, file="c.yaml")
    listed = problems_text(caught.value).splitlines()
    assert len(listed) == 3
    assert [int(line.split(":")[1]) for line in listed] == sorted(int(line.split(":")[1]) for line in listed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("models: [a", "c.yaml:1: not valid YAML"),
        ("schema: 1\nmodels:\n  - id: a\n source: x\n", "not valid YAML"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("schema: 1\nmodels: []\n", "c.yaml:2: models:"),
        ("a: &x [*x]\n", "anchor"),
    ],
)
def test_text_that_is_no_catalog(text: str, words: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, file="c.yaml")
    assert words in str(caught.value)


def test_file_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(CatalogError, match=r"absent\.yaml: no such file; give a catalog with --catalog"):
        load_catalog(tmp_path / "absent.yaml")
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"schema: 1 # \xe9\n")
    with pytest.raises(CatalogError, match="is not UTF-8"):
        load_catalog(tmp_path / "latin.yaml")


def test_scalars_mean_what_they_look_like() -> None:
    text = """\
schema: 1
models:
  - id: zoo/a
    source: {zoo: a}
    publisher: no
    date: 2024
    recipe: {train: {seed: 1, rate: 1e-3, other: 2.5e2, code: 012, when: 2024-05-06, on: true, none: null}}
"""
    model = parse_catalog(text).models["zoo/a"]
    assert model.publisher == "no"
    assert model.date == "2024"
    trained = model.recipe["train"]
    assert (trained["seed"], trained["rate"], trained["other"]) == (1, 0.001, 250.0)
    assert (trained["code"], trained["when"], trained["on"]) == ("012", "2024-05-06", True)
    assert trained["none"] is None
