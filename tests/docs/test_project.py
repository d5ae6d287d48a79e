"""What a project says of itself says the same everywhere."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_licence_is_apache_2_to_the_letter() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert PROJECT["project"]["license"] == CITATION["license"] == "Apache-2.0"


def test_the_citation_is_of_this_version() -> None:
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["version"] == PROJECT["project"]["version"]
    assert [one["name"] for one in PROJECT["project"]["authors"]] == [
        one["name"] for one in CITATION["authors"]
    ]
    first = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert first == PROJECT["project"]["version"]


def test_one_repository_is_named_everywhere() -> None:
    files = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CITATION.cff", "pyproject.toml"]
    files += [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")]
    text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r"[\w.-]+/lookalike\b(?=[\s,/}\"'])", text)) - {"~/.cache/lookalike"} <= {
        "OWNER/lookalike",
        ".cache/lookalike",
    }


@pytest.mark.parametrize("package", PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
def test_packages_are_marked_as_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
