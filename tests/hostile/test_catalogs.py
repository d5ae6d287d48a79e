"""Catalogs of strangers, and large ones: bounded in depth, time and number of problems."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from command_line import command

from benchmark.catalog import CatalogError, load_catalog
from benchmark.catalog.load import parse_catalog
from benchmark.catalog.problems import MOST_PROBLEMS

EVIDENCE = '{grade: card, source: "https://example.org", says: names it}'
HEAD = "schema: 1\nmodels:\n"


def founder(name: str) -> str:
    return f"  - {{id: {name}, source: {{hub: org/{name}}}, from_scratch: {EVIDENCE}}}\n"


def child(name: str, of: str) -> str:
    parent = f"{{of: {of}, method: fine-tune, evidence: {EVIDENCE}}}"
    return f"  - {{id: {name}, source: {{hub: org/{name}}}, parents: [{parent}]}}\n"


SOUND = HEAD + founder("a") + child("b", "a")
ANCHORS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
)
REFUSED = {
    "laughs": ANCHORS,
    "an anchor that holds itself": "a: &x [*x]\n",
    "lists nested 100,000 deep": HEAD + "[" * 100_000 + "]" * 100_000,
    "lists that do not end": HEAD + "[" * 100_000,
    "mappings nested 100,000 deep": HEAD + "{a: " * 100_000 + "}" * 100_000,
    "indented 2,000 deep": HEAD + "".join(f"{' ' * n}a:\n" for n in range(2_000)),
    "code": SOUND + "more: !!python/object/apply:os.system [touch ran]\n",
    "a tag": SOUND.replace("id: a", "id: !!binary YQ=="),
    "a set": HEAD + "  - !!set {a}\n",
    "two documents": SOUND + "---\n" + SOUND,
    "a key that is a list": SOUND + "? [a, b]\n: c\n",
    "a key that is a number": SOUND + "1: c\n",
    "a number of 10,000 digits": SOUND.replace("id: a", f"id: {'1' * 10_000}"),
    "a number beyond doubles": SOUND.replace("id: a", "id: 1e999"),
    "an escape in an id": SOUND.replace("id: a", r'id: "a\e[2J"'),
    "a line that is turned round": SOUND.replace("names it", r'"names \u202e it"'),
    "half a character": SOUND.replace("names it", r'"names \ud800 it"'),
    "a NUL": SOUND.replace("names it", "names \0 it"),
    "nothing": "",
    "a list": "[]",
    "a word": "models",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_on_one_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_bytes(REFUSED[name].encode("utf-8", "surrogatepass"))
    begun = time.process_time()
    said = command("catalog", "tree", "a", "--catalog", file, cache=tmp_path / "cache")
    assert time.process_time() - begun < 20
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.removesuffix("\n").isprintable()
    assert str(file) in said.err
    assert not Path("ran").exists()


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device", "."):
        with pytest.raises(CatalogError, match=r"not a file|directory"):
            load_catalog(tmp_path / name)


def test_a_chain_of_derivations_may_be_longer_than_a_stack_of_calls() -> None:
    links = [founder("m0"), *(child(f"m{n}", f"m{n - 1}") for n in range(1, 3_000))]
    catalog = parse_catalog(HEAD + "".join(reversed(links)))
    assert next(iter(catalog.graph.order)).id == "m0"
    assert [model.id for model in catalog.graph.order][-1] == "m2999"
    assert catalog.lineage("m2999") == "m0"


def test_a_cycle_of_thousands_is_said_once_and_short() -> None:
    links = [child(f"m{n}", f"m{(n + 1) % 3_000}") for n in range(3_000)]
    with pytest.raises(CatalogError, match="cycle of derivations: m0 → ") as caught:
        parse_catalog(HEAD + "".join(links))
    assert len(caught.value.problems) == 1
    assert len(str(caught.value)) < 300
    assert "(3000 steps)" in str(caught.value)


def test_very_many_mistakes_end() -> None:
    links = [child(f"m{n}", f"nobody{n}") for n in range(5_000)]
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HEAD + "".join(links))
    assert len(caught.value.problems) == MOST_PROBLEMS


def test_a_large_catalog_is_checked_without_looking_at_every_two_of_its_models(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(HEAD + "".join(founder(f"m{n}") for n in range(6_000)))
    begun = time.process_time()
    said = command("catalog", "check", file, cache=tmp_path / "cache")
    assert time.process_time() - begun < 20
    assert said.code == 0
    assert "6000 models" in said.out.replace(",", "") or "models     6000" in said.out
    assert "not counted: more than 5,000 models" in said.out


@pytest.mark.thorough
def test_time_grows_with_the_number_of_entries_and_no_faster() -> None:
    """100,000 entries in under 10 s of one core: a tenth of them in a tenth, with room for a slow machine."""
    links = [founder(f"m{n}") if n % 3 == 0 else child(f"m{n}", f"m{n - 1}") for n in range(10_000)]
    begun = time.process_time()
    assert len(parse_catalog(HEAD + "".join(links))) == 10_000
    assert time.process_time() - begun < 5
