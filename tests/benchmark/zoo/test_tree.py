"""The picture of the family tree: well formed, whole, and the one that the page shows."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmark.catalog import load_catalog
from benchmark.zoo.tree import draw

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def test_every_model_is_in_the_picture_and_inside_it():
    catalog = load_catalog()
    drawing = ET.fromstring(draw(catalog))
    texts = [(element.text or "", element) for element in drawing.iter(f"{SVG}text")]
    words = [text for text, _ in texts]
    recipes = catalog.zoo_recipes
    trained = [name for name, recipe in recipes.items() if "train" in recipe]
    assert sorted(set(words) & set(trained)) == sorted(trained)
    said = " ".join(words)
    for model in catalog.models.values():
        assert model.recipe.get("transform", "") in said
    for forgery in catalog.forgeries().itertuples():
        assert f"forged: {forgery.kind} {forgery.target.removeprefix('zoo/')} in" in said
        assert forgery.aimed_at in said
    assert len(list(drawing.iter(f"{SVG}circle"))) == len(trained)
    children = sum("from" in recipe["train"] for recipe in recipes.values() if "train" in recipe)
    assert len(list(drawing.iter(f"{SVG}path"))) == children
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    places = [(float(element.attrib["x"]), float(element.attrib["y"])) for _, element in texts]
    assert all(0 < x < width and 0 < y < height for x, y in places)
    assert len(set(places)) == len(places)


def test_the_page_shows_the_picture_that_the_command_draws():
    command = [sys.executable, "-m", "benchmark.zoo.tree"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    shown = (ROOT / "docs" / "explanation" / "figures" / "zoo-tree.svg").read_bytes()
    assert made == shown, (
        "the catalog changed: python -m benchmark.zoo.tree > docs/explanation/figures/zoo-tree.svg"
    )
    assert "figures/zoo-tree.svg" in (ROOT / "docs" / "explanation" / "zoo.md").read_text(encoding="utf-8")
