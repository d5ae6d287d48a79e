"""The reference says all there is: every term, role, metric and key, and how a package adds a metric."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import analysis
import fpcore
from benchmark.report.glossary import GLOSSARY, anchor
from benchmark.results.schema import SCHEMA, Results, RunRecord

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
sys.path.insert(0, str(ROOT / "docs"))

from extensions import field_tables, glossary_page, role_table  # noqa: E402


def test_the_glossary_page_is_the_terms() -> None:
    page = (REFERENCE / "glossary.md").read_text(encoding="utf-8")
    assert page == glossary_page.page(GLOSSARY), (
        "python docs/extensions/glossary_page.py > docs/reference/glossary.md"
    )


def test_a_term_is_one_sentence_with_an_address_of_its_own() -> None:
    assert list(GLOSSARY) == sorted(GLOSSARY, key=str.casefold)
    assert len({anchor(term).casefold() for term in GLOSSARY}) == len(GLOSSARY)
    for term, means in GLOSSARY.items():
        assert re.fullmatch(r"\S[^\n]*[^.\s]\.", means), term
        assert not re.search(r"[.!?] [A-Z]", means), term
    with pytest.raises(TypeError):
        GLOSSARY["model"] = "something else"  # type: ignore[index]


def test_terms_of_the_product_are_explained() -> None:
    from benchmark.catalog.model import FORGERIES, METHODS
    from benchmark.report.families import FAMILIES

    needed = {*analysis.VERDICTS, *METHODS, *FORGERIES}
    needed |= {"derived", "sibling", "independent", "shared-init", "distilled", "disputed", "cheap", "failed"}
    needed |= {family.word for family in FAMILIES} - {"others"}
    assert needed <= GLOSSARY.keys()


def test_every_role_of_the_tables_has_a_meaning() -> None:
    known = {role_table.within(role) for role in role_table.known_roles()}
    assert known == role_table.MEANINGS.keys()
    (query,) = [row for row in role_table.rows() if row[0] == "layers.#.attention.query"]
    assert query[2] == "all"


def test_every_metric_has_a_paragraph() -> None:
    page = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    explained = {
        name for heads in re.findall(r"^\*\*(.+?)\*\* –", page, re.MULTILINE) for name in names(heads)
    }
    assert {metric.name for metric in fpcore.metrics()} <= explained


def names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.slow
def test_the_plugin_page_makes_a_metric_known(tmp_path: Path) -> None:
    page = (REFERENCE / "metric-plugins.md").read_text(encoding="utf-8")
    (project,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (module,) = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    points = tomllib.loads(project)["project"]["entry-points"]
    ((group, declared),) = points.items()
    # As an installer leaves it: the module, and beside it what the package declares.
    (tmp_path / "lookalike_tails.py").write_text(module, encoding="utf-8")
    facts = tmp_path / "lookalike_tails-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lookalike-tails\nVersion: 0.1.0\n")
    lines = [f"{name} = {value}" for name, value in declared.items()]
    (facts / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    said = typed(tmp_path, "metrics")
    assert re.search(r"^output-tails ", said, re.MULTILINE)
    pair = ("zoo/llama-a", "zoo/llama-a-ft-short")
    said = typed(tmp_path, "compare", *pair, "--no-calibration", "--metrics", "output-tails", "--json")
    (judged,) = json.loads(said)["metrics"]
    assert judged["status"] == "ok"
    assert judged["score"] > 0.9


def typed(installed: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(installed), "LOOKALIKE_CACHE": str(installed / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:lookalike_tails", "-m", "benchmark", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Inner:
    """What stands in the other.

    Attributes
    ----------
    share : float
        In [0, 1].
    """

    share: float


@dataclass(frozen=True)
class Outer(Inner):
    """The whole.

    It has a second paragraph.

    Attributes
    ----------
    kind, word
        Two with one
        meaning.
    inner : tuple of Inner
        The parts.

    Notes
    -----
    share : not an attribute
    """

    kind: Literal["a", "b"]
    word: str | None
    inner: tuple[Inner, ...]
    values: NDArray[np.float64]


@pytest.mark.parametrize("root", [Results, RunRecord])
def test_every_key_of_a_file_has_a_meaning(root: type) -> None:
    silent = [
        f"{kind.__name__}.{key}"
        for kind in dict.fromkeys(field_tables.reached(root))
        for key in field_tables.stored(kind)
        if not field_tables.meaning(kind, key)
    ]
    assert not silent


def test_fields_are_read_from_types_and_docstrings() -> None:
    assert field_tables.summary(Outer) == "The whole."
    assert list(dict.fromkeys(field_tables.reached(Outer))) == [Outer, Inner]
    assert field_tables.meanings(Outer) == {
        "share": "In [0, 1].",
        "kind": "Two with one meaning.",
        "word": "Two with one meaning.",
        "inner": "The parts.",
    }
    types = {key: told(hint) for key, hint in field_tables.stored(Outer).items()}
    assert types == {
        "share": "number or null",
        "kind": "a or b",
        "word": "text or null",
        "inner": "list of Inner",
        "values": "list of number or null",
    }


def told(hint: object) -> str:
    return "".join(node.astext() for node in field_tables.type_nodes(hint))


@pytest.mark.parametrize("page", ["results-json.md", "run-json.md"])
def test_the_pages_of_files_name_the_schema(page: str) -> None:
    assert f"schema {SCHEMA}" in (REFERENCE / page).read_text(encoding="utf-8")
