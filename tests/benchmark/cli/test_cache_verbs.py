"""``cache info`` counts what is kept of work done; ``cache clear`` deletes that and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import command
from small_catalog import write_catalog

from benchmark.session.cache import KINDS


def test_the_cache_is_counted_and_cleared(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (tmp_path / "models").mkdir()
    catalog = write_catalog(tmp_path / "models", founders=1)
    command("fingerprint", "f0", "--catalog", catalog, "--metrics", "weight-cosine,norm-pearson", cache=cache)
    (cache / "fingerprints" / "notes.txt").write_text("the user's own")

    told = command("cache", "info", "--json", cache=cache)
    info = json.loads(told.out)
    assert (told.code, info["path"]) == (0, str(cache))
    assert info["files"] == info["kinds"]["fingerprints"]["files"] > 0
    assert info["bytes"] == info["kinds"]["fingerprints"]["bytes"] > 0

    said = command("cache", "clear", cache=cache)
    assert said.code == 0
    assert said.out.startswith(f"Deleted from {cache}\n  fingerprints  ")
    assert f"{info['files']} files" in said.out
    assert json.loads(command("cache", "info", "--json", cache=cache).out)["files"] == 0
    assert (cache / "fingerprints" / "notes.txt").is_file()


def test_the_cache_is_described_in_words(tmp_path: Path) -> None:
    said = command("cache", "info", cache=tmp_path / "none").out.splitlines()
    assert said[0] == str(tmp_path / "none")
    assert [line.split()[0] for line in said[1:-1]] == [*KINDS, "total"]
    assert said[-1] == "Kept between runs: at most 10.0 GB."
    assert not (tmp_path / "none").exists()
