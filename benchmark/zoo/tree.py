"""The family tree of the zoo as a picture: ``python -m benchmark.zoo.tree > FILE``.

One row a trained model, children below their parent; what is computed from it stands behind its name. The
same catalog gives the same bytes.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape

from benchmark.catalog import Catalog, Model, ZooSource, load_catalog
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import Exact, Founder, Recipe, Trained, parents_of

__all__ = ["draw"]

COLUMNS = 2
COLUMN = 760  # width of one, in pixels
MARGIN = 20
LINE = 15
GAP = 4  # between rows
HEAD = 34  # above the first founder of a cell
INDENT = 16
METHOD = 205  # where a column's second and third text begin
COMPUTED = 462
COMPUTED_LETTERS = 54

# Mid-tones that stand out on white and on black, in turn for the cells.
ACCENTS = ("#3b82c4", "#c2691c", "#2f9e62", "#a259c4", "#c43b5e", "#8a8f1d", "#1c9aa6", "#7a6a5a")

STYLE = """
text { font: 11px ui-sans-serif, system-ui, sans-serif; fill: #24292f }
.cell { font-size: 13px; font-weight: 600 }
.how { fill: #57606a }
.computed { font-size: 10px; fill: #57606a }
path { fill: none; stroke: #8c959f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .how, .computed { fill: #9aa4ae }
}
"""


@dataclass(frozen=True)
class Row:
    """One trained model.

    Attributes
    ----------
    name, how : str
        Recipe name; what was done to get it.
    computed : tuple of str
        Lines of text: what is computed from it.
    depth : int
        Steps from its founder.
    """

    name: str
    how: str
    computed: tuple[str, ...]
    depth: int

    @property
    def height(self) -> int:
        """In pixels."""
        return LINE * max(1, len(self.computed)) + GAP


def draw(catalog: Catalog) -> str:
    """The zoo of a catalog as SVG text, readable on light and dark ground."""
    cells = _cells(catalog)
    heights = {cell: HEAD + sum(row.height for row in rows) for cell, rows in cells.items()}
    columns = _columns(heights)
    drawn: list[str] = []
    for place, column in enumerate(columns):
        left, top = MARGIN + place * COLUMN, 0
        for cell in column:
            accent = ACCENTS[list(cells).index(cell) % len(ACCENTS)]
            drawn += _cell(cell, cells[cell], left, top, accent)
            top += heights[cell]
    width = 2 * MARGIN + COLUMN * len(columns)
    height = MARGIN + max(sum(heights[cell] for cell in column) for column in columns)
    title = f"Family tree of the zoo: {sum(map(len, cells.values()))} trained models"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            *drawn,
            "</svg>\n",
        ]
    )


def _cells(catalog: Catalog) -> dict[str, list[Row]]:
    """Rows by the cell of their founder, parents before children."""
    entries = {
        model.source.name: model for model in catalog.models.values() if isinstance(model.source, ZooSource)
    }
    recipes = parse_recipes(catalog.zoo_recipes)
    trained = {
        name: (recipe, entries[name]) for name in entries if not isinstance(recipe := recipes[name], Exact)
    }
    computed: dict[str, list[str]] = {name: [] for name in trained}
    for name in entries:
        if name not in trained:
            source, words = _chain(recipes, name)
            computed[source].append(words)
    for source, words in _forged(catalog, recipes):
        computed[source].append(words)
    first: dict[str, Founder] = {}
    cells: dict[str, list[Row]] = {}
    for name, (recipe, _) in trained.items():
        if isinstance(recipe, Founder):
            reference = first.setdefault(recipe.cell, recipe)
            how = _variation(recipe, reference)
            cells.setdefault(recipe.cell, []).extend(_family(trained, computed, name, how, 0))
    return cells


def _family(
    trained: Mapping[str, tuple[Trained, Model]],
    computed: Mapping[str, list[str]],
    name: str,
    how: str,
    depth: int,
) -> Iterator[Row]:
    # A line may end between two models, or behind a comma.
    listed = " · ".join(word.replace(" ", "\xa0").replace(",\xa0", ", ") for word in computed[name])
    wrapped = textwrap.wrap(listed, COMPUTED_LETTERS, break_on_hyphens=False, break_long_words=False)
    lines = (line.replace("\xa0", " ") for line in wrapped)
    yield Row(name, how, tuple(lines), depth)
    for child, (recipe, entry) in trained.items():
        if parents_of(recipe) == (name,):
            yield from _family(trained, computed, child, _derivation(recipe, entry), depth + 1)


def _variation(founder: Founder, reference: Founder) -> str:
    """What a founder has otherwise than the first of its cell."""
    if founder is reference:
        return f"{founder.corpus}, {founder.steps} steps"
    own, first = asdict(founder), asdict(reference)
    others = [f"{key} {own[key]}" for key in sorted(own) if key != "seed" and own[key] != first[key]]
    seed = "same initialisation" if founder.seed == reference.seed else "other seed"
    return ", ".join([seed, *others])


def _derivation(recipe: Trained, entry: Model) -> str:
    parent = entry.parents[0]
    words = f"{parent.method} {parent.detail or ''}".strip()
    return f"{words}, {recipe.corpus}, {recipe.steps}"


def _chain(recipes: Mapping[str, Recipe], name: str) -> tuple[str, str]:
    """The trained model that a model goes back to, and the transforms on the way; none if it is trained."""
    recipe = recipes[name]
    if not isinstance(recipe, Exact):
        return name, ""
    source, *others = recipe.parents
    words = recipe.transform + (f" with {', '.join(others)}" if others else "")
    root, before = _chain(recipes, source)
    return root, f"{before} › {words}" if before else words


def _forged(catalog: Catalog, recipes: Mapping[str, Recipe]) -> Iterator[tuple[str, str]]:
    """Forgeries, those of one model against one target together: the trained model, and what is forged."""
    aims: dict[tuple[str, str, str], list[str]] = {}
    for model in catalog.forged.values():
        if model.forgery is not None and isinstance(model.source, ZooSource):
            of, target = parents_of(recipes[model.source.name])
            aims.setdefault((of, model.forgery.kind, target), []).append(model.forgery.aimed_at)
    for (of, kind, target), metrics in sorted(aims.items()):
        root, before = _chain(recipes, of)
        forged = f"forged: {kind} {target} in {', '.join(sorted(metrics))}"
        yield root, f"{before} › {forged}" if before else forged


def _columns(heights: Mapping[str, int]) -> list[list[str]]:
    """Cells in order, broken into columns of like height."""
    share = sum(heights.values()) / COLUMNS
    columns: list[list[str]] = [[]]
    filled = 0.0
    for cell, height in heights.items():
        if columns[-1] and len(columns) < COLUMNS and filled + height / 2 > share:
            columns.append([])
            filled = 0.0
        columns[-1].append(cell)
        filled += height
    return columns


def _cell(cell: str, rows: list[Row], left: int, top: int, accent: str) -> Iterator[str]:
    yield f'<text class="cell" x="{left}" y="{top + HEAD - 10}">{escape(cell)}</text>'
    y = top + HEAD
    above: dict[int, int] = {}  # where the latest row of each depth stands
    for row in rows:
        x, middle = left + 6 + INDENT * row.depth, y + LINE // 2
        if row.depth:
            start = above[row.depth - 1] + 5
            yield f'<path d="M{x - INDENT} {start}V{middle}H{x - 5}"/>'
        above[row.depth] = middle
        fill = accent if row.depth == 0 else "none"
        yield f'<circle cx="{x}" cy="{middle}" r="4" fill="{fill}" stroke="{accent}" stroke-width="1.5"/>'
        yield f'<text x="{x + 9}" y="{middle + 4}">{escape(row.name)}</text>'
        yield f'<text class="how" x="{left + METHOD}" y="{middle + 4}">{escape(row.how)}</text>'
        for number, line in enumerate(row.computed):
            place = f'x="{left + COMPUTED}" y="{middle + 4 + LINE * number}"'
            yield f'<text class="computed" {place}>{escape(line)}</text>'
        y += row.height


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdout.write(draw(load_catalog()))
