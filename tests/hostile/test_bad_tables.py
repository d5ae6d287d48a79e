"""Score tables of strangers: one line that names file and row, or an analysis; never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command
from hostile_tables import ODD, READ, REFUSED, bomb

from benchmark.pipeline.score_file import read_score_file
from benchmark.session.errors import UsageError


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    content, word = REFUSED[name]
    file = tmp_path / "scores.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = command("analyse", file, "--out", tmp_path / "run", "--quiet", cache=tmp_path / "cache")
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert said.err.removesuffix("\n").isprintable()
    assert word in said.err
    assert "scores.csv" in said.err
    assert not (tmp_path / "run" / "results.json").exists()


def test_hidden_characters_in_names_are_refused(tmp_path: Path) -> None:
    for hidden in ("\u202e", "\x1b[2J", "\u2028", "\u200b"):
        file = tmp_path / "scores.csv"
        file.write_text(READ["names with formulas, HTML and escapes"].replace("<b>x</b>", f"a{hidden}b"))
        said = command("analyse", file, "--out", tmp_path / "run", cache=tmp_path / "cache")
        assert said.code == 2
        assert "invisible character" in said.err
        assert said.err.removesuffix("\n").isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
def test_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(READ[name])
    said = command("analyse", file, "--out", tmp_path / "run", "--quiet", cache=tmp_path / "cache")
    assert said.code == 0, said.err


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    ODD[name](path)
    said = command("analyse", path, "--out", tmp_path / "run", cache=tmp_path / "cache")
    assert (said.code, len(said.err.splitlines())) == (2, 1)


def test_what_unpacks_to_more_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.pipeline.score_file.MOST_ROWS", 2_000_000)
    path = tmp_path / "scores.parquet"
    bomb(path, 3_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(UsageError, match=r"scores\.parquet: unpacks to 3,000,000 rows"):
        read_score_file(path)
