"""The fingerprint of one model: in full or of slices, and how little it takes to make one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchmark

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "benchmark" / "zoo" / "weights" / "qwen-a"
PROFILES = ("attention-std", "ffn-std", "qkv-bias-max", "norm-std", "layer-energy")


def test_slices_and_all_share_no_entry_of_the_cache(tmp_path: Path) -> None:
    files: list[set[Path]] = []
    for sample in (False, True, False):
        found = benchmark.fingerprint(MODEL, metrics=",".join(PROFILES), sample=sample, cache=tmp_path)
        assert found.sampled is sample
        assert found.to_json().get("sampled", False) is sample
        files.append({path for path in tmp_path.rglob("*") if found.digest in path.name})
    assert files[0] == files[2]
    assert files[1]
    assert not files[0] & files[1]


@pytest.mark.parametrize("last", PROFILES)
def test_values_depend_on_no_other_metric(tmp_path: Path, last: str) -> None:
    """Alone, or with all others before it."""
    alone = benchmark.fingerprint(MODEL, metrics=last, cache=tmp_path / "alone").metrics[last]
    names = [name for name in PROFILES if name != last]
    for number, order in enumerate(itertools.islice(itertools.permutations(names), 0, 24, 7)):
        chosen = [*order, last]
        together = benchmark.fingerprint(MODEL, metrics=chosen, cache=tmp_path / str(number))
        assert together.metrics[last] == alone


@pytest.mark.parametrize("options", [[], ["--sample"]])
def test_a_model_in_plain_files_takes_neither_torch_nor_tables(tmp_path: Path, options: list[str]) -> None:
    code = (
        "import sys; from benchmark.cli.start import main; sys.argv[0] = 'benchmark'\n"
        "try: main()\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "heavy = {'torch', 'pandas', 'scipy.optimize', 'scipy.stats', 'transformers', 'matplotlib'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "fingerprint", str(MODEL), "--json", *options],
        cwd=ROOT,
        env=os.environ | {"LOOKALIKE_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
