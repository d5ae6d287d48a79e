"""The page of the glossary, written from its terms; it names the command that writes it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmark.report.glossary import GLOSSARY, anchor

HEAD = f"""# Glossary

Every term that reports, commands and these pages use, in one sentence. A report holds the same entries. Each
term has an address of its own, `#term-` and the term with hyphens for blanks:
`glossary.html#{anchor("look-alike AUC")}`.

The terms stand in `benchmark/report/glossary.py`; after a change,
`python docs/extensions/glossary_page.py > docs/reference/glossary.md`.
"""


def page(terms: Mapping[str, str]) -> str:
    """The page as Markdown; Sphinx's own glossary gives each term its address."""
    entries = "\n\n".join(f"{term}\n  {means}" for term, means in terms.items())
    return f"{HEAD}\n```{{glossary}}\n{entries}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page(GLOSSARY))
