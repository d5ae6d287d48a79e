"""The zoo beside the public tables at hand: the table of docs/explanation/zoo-against-real.md.

``python -m studies.real_tables FOLDER RUN`` reads the public files in FOLDER, analyses each with its
citation, sets the finished zoo run RUN against them and prints the section; ``--write`` puts it in the page.
The files are not part of this project: the page says whose they are and where they lie.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

import pandas as pd

from benchmark import analyse, load_catalog
from benchmark.report.against_text import against_blocks
from benchmark.results.carried_over import set_against

__all__ = ["FILES", "METRICS", "against_section", "in_page", "mdgbench", "model_tracing"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "explanation" / "zoo-against-real.md"
SECTION: Final = re.compile(r"(?<=<!-- begin -->\n).*?(?=<!-- end -->)", re.DOTALL)
MDGBENCH: Final = "MDGBench, 137 models of the hub, github.com/TensorLock/TensorLock"
MODEL_TRACING: Final = (
    "model-tracing, divergence on WikiText of 36 pairs of Llama-7B-shaped models, with arXiv:2502.12292,"
    " github.com/ahmeda14960/model-tracing; labels by this catalog"
)
METRICS: Final = "attention-std,invariant-terms,output-divergence"  # of the zoo run that the page shows
FILES: Final = (
    "real_scores/attention-std.csv",
    "real_scores/invariant-terms.csv",
    "model_tracing/jsd/model_pairs_jsd.csv",
)


def mdgbench(folder: Path) -> pd.DataFrame:
    """Two published metrics on 137 models of the hub, as a score table with its own labels."""
    return pd.concat([pd.read_csv(folder / name) for name in FILES[:2]], ignore_index=True)


def model_tracing(folder: Path) -> pd.DataFrame:
    """Output divergence, negated, of 36 pairs of Llama-7B-shaped models; the catalog labels them."""
    table = pd.read_csv(folder / FILES[2])
    pairs = table["Model Pair"].str.split(" vs ", expand=True)
    return pd.DataFrame(
        {
            "metric": "output-divergence",
            "model_a": pairs[0],
            "model_b": pairs[1],
            "score": -table["jsd_wikitext_batch"],
        }
    )


def against_section(folder: Path, zoo: Path, out: Path) -> str:
    """Analyse the tables, set a zoo run against them, and tell it as Markdown.

    Parameters
    ----------
    folder : Path
        Where the public files lie.
    zoo : Path
        A finished run of the zoo; its report gets the panel.
    out : Path
        A folder for the analyses.
    """
    tables = [out / "mdgbench", out / "model-tracing"]
    analyse(mdgbench(folder), citation=MDGBENCH, out=tables[0])
    analyse(
        model_tracing(folder),
        catalog=load_catalog(),
        citation=MODEL_TRACING,
        own_units=True,
        out=tables[1],
    )
    return "\n\n".join(against_blocks(set_against(zoo, tables))[1:]) + "\n"


def in_page(page: str) -> str:
    """The section as the page shows it."""
    found = SECTION.search(page)
    assert found, "the page has no place for the section"
    return found[0]


def main() -> None:
    """Print the section, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("zoo", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, default=Path("runs/real-tables"))
    parser.add_argument("--write", action="store_true", help="put it into the page")
    given = parser.parse_args()
    section = against_section(given.folder, given.zoo, given.out)
    print(section)
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(SECTION.sub(lambda _: section, page), encoding="utf-8")


if __name__ == "__main__":
    main()
