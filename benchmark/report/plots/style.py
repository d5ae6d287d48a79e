"""One look for all figures, and SVG text that is the same for the same figure."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "HAIR", "INK", "SOFT", "as_pdf", "as_svg", "bare", "blank", "house_style"]

INK: Final = "#16191d"
SOFT: Final = "#525b65"
HAIR: Final = "#dde1e5"

# Okabe and Ito's palette, darkened where it must be read on white
COLOURS: Final = {
    "derived": "#0068a8",
    "look-alike": "#cc5500",
    "independent": "#8d959e",
    "sibling": "#3ba0dc",
    "shared-init": "#00855f",
    "distilled": "#b35f8f",
    "disputed": "#16191d",
}

STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": HAIR,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "lookalike",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the report's style, leaving the user's settings as they were."""
    with matplotlib.rc_context(STYLE):
        yield


def blank(width: float, height: float) -> Figure:
    """Make an empty figure, in inches, that no window manager knows of."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def bare(axes: Axes) -> None:
    """Take away the vertical axis of a plot whose rows are named."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def as_pdf(figure: Figure) -> bytes:
    """Write a figure as PDF, byte for byte the same for the same figure; its text stays text."""
    stream = io.BytesIO()
    with house_style():
        metadata = {"CreationDate": None, "Creator": "lookalike", "Producer": None}
        figure.savefig(stream, format="pdf", metadata=metadata)
    return stream.getvalue()


def as_svg(figure: Figure) -> str:
    """Write a figure as SVG, byte for byte the same for the same figure (no date, fixed ids)."""
    stream = io.StringIO()
    with house_style():
        engine = figure.get_layout_engine()
        if engine is not None:
            # Left to savefig, the layout costs a second drawing of everything.
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(stream, format="svg", dpi=200, metadata={"Date": None, "Creator": "lookalike"})
    return stream.getvalue()
