"""What fuzzing found, again: each file is a value or one line now."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

FUZZING = Path(__file__).parents[1] / "fuzzing"
CASES = sorted(path for path in (FUZZING / "corpus").glob("*/*"))


def case_of(path: Path) -> ParameterSet:
    # A run directory is made first, which takes its time.
    marks = [pytest.mark.slow] if path.parent.name == "run" else []
    return pytest.param(path, id=f"{path.parent.name}/{path.name}", marks=marks)


@pytest.fixture(scope="module", autouse=True)
def fuzzing_path() -> None:
    sys.path.insert(0, str(FUZZING))


def test_the_readers_of_the_corpus_are_those_that_are_fuzzed() -> None:
    from readers import READERS

    assert {path.parent.name for path in CASES} <= set(READERS)


@pytest.mark.parametrize("case", [case_of(path) for path in CASES])
def test_what_was_found_is_right_now(case: Path, tmp_path: Path) -> None:
    from readers import READERS, outcome

    reader = READERS[case.parent.name]
    reader.beside(tmp_path)
    (tmp_path / reader.file).write_bytes(case.read_bytes())
    assert outcome(reader, tmp_path / reader.file) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["safetensors", "config", "catalog", "table"])
def test_the_seeds_are_sound(name: str, tmp_path: Path) -> None:
    from readers import READERS

    reader = READERS[name]
    reader.beside(tmp_path)
    for content in reader.seeds():
        (tmp_path / reader.file).write_bytes(content)
        assert reader.read(tmp_path / reader.file)
