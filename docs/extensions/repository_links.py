"""Links to files of the repository that are no page: the site has no copy of them, only their name."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)")


def name_files(app: Sphinx, page: str, source: list[str]) -> None:
    """Write the name of a file outside the documentation where a page links to it.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    folder = (DOCS / page).parent

    def named(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(f"docs/{page}.md links to {link[2]}, which is not there")
        if target.is_relative_to(DOCS):
            return link[0]
        name = str(target.relative_to(DOCS.parent))
        return link[1] if link[1].strip("`") == name else f"{link[1]} (`{name}`)"

    source[0] = LINK.sub(named, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen where pages are read."""
    app.connect("source-read", name_files)
    return {"parallel_read_safe": True}
