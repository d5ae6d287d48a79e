"""The page that sets the zoo against real tables shows what the command writes, of the zoo as it is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import command

from studies.real_tables import FILES, METRICS, PAGE, against_section, in_page, model_tracing

FOLDER = Path(__file__).parents[2].parent / "shared" / "data"


def test_pairs_of_the_public_file_are_read_as_scores(tmp_path: Path) -> None:
    path = tmp_path / FILES[2]
    path.parent.mkdir(parents=True)
    path.write_text("Model Pair,jsd_wikitext_batch, jsd_test_input\na/x vs b/y,0.25,0.5\n")
    expected = {"metric": ["output-divergence"], "model_a": ["a/x"], "model_b": ["b/y"], "score": [-0.25]}
    pd.testing.assert_frame_equal(model_tracing(tmp_path), pd.DataFrame(expected))


@pytest.mark.slow
def test_the_page_shows_the_zoo_of_today_beside_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not all((FOLDER / name).is_file() for name in FILES):
        pytest.skip(f"public score tables are not at {FOLDER}")
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    said = command("run", "-q", "--metrics", METRICS, "--out", tmp_path / "zoo", cache=tmp_path / "cache")
    assert said.code == 0, said.err
    section = against_section(FOLDER, tmp_path / "zoo", tmp_path / "tables")

    def without_date(text: str) -> list[str]:
        # The zoo's source names the day of the run and the catalog's digest, which any entry changes.
        return [line for line in text.strip().splitlines() if not line.startswith("- the zoo: ")]

    assert without_date(section) == without_date(in_page(PAGE.read_text(encoding="utf-8")))
