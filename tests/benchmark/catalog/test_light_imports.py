"""Reading the catalog imports nothing that runs models, nor the libraries of the statistics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "transformers", "tokenizers", "scipy", "sklearn", "statsmodels", "matplotlib"}
LOOK_AT_ALL = """
import sys
from benchmark.catalog import load_catalog
from benchmark.catalog.show import check_text, pairs_text, show_text, tree_text
from benchmark.zoo.recipe_forms import parse_recipes
catalog = load_catalog()
check_text(catalog), pairs_text(catalog, "shared-init")
show_text(catalog, "zoo/qwen-a"), tree_text(catalog, "zoo/qwen-a")
catalog.forgeries()
assert len(parse_recipes(catalog.zoo_recipes)) > 100
print(*sys.modules)
"""


def test_reading_checking_and_showing_the_catalog_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
