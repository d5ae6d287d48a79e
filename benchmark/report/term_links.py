"""Links to the glossary: in every section of the page, from the first mention of each term in its prose."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from benchmark.report.glossary import GLOSSARY, anchor

__all__ = ["EVERYDAY", "linked_terms"]

EVERYDAY: Final = frozenset({
    "ancestor", "bound", "case", "cast", "catalog", "cheap", "child", "claim", "derivation", "failed",
    "family", "forged", "gate", "hub", "level", "merge", "metric", "model", "pair", "parent", "pool",
    "power", "relation", "rl", "role", "run", "score", "shape", "state", "tier", "training", "undefined",
    "zoo",
})  # fmt: skip
"""Terms that mean what a reader takes them to mean; only the templates link them."""
PROSE: Final = frozenset({"p", "li", "caption", "figcaption", "dd"})
SKIPPED: Final = frozenset({"a", "b", "button", "code", "h1", "h2", "h3", "label", "summary", "title"})
VOID: Final = frozenset({"br", "input", "link", "meta", "col"})
TOKEN: Final = re.compile(
    r"(?P<raw><(?P<kind>script|style|svg)\b.*?</(?P=kind)>)|<(?P<close>/?)(?P<tag>[a-zA-Z][\w-]*)(?P<facts>[^>]*)>|(?P<text>[^<]+)|<",
    re.DOTALL,
)
LINKED: Final = re.compile(r'href="#(term-[^"]+)"')
GLOSSARY_SECTION: Final = 'id="glossary"'
_TERMS: Final = {term.lower(): term for term in GLOSSARY if term not in EVERYDAY}
_PLACES: Final = {term: anchor(term) for term in _TERMS.values()}
_MENTION: Final = re.compile(
    rf"(?<![\w:>/-])({'|'.join(map(re.escape, sorted(_TERMS, key=len, reverse=True)))})s?(?![\w:-])",
    re.IGNORECASE,
)


def linked_terms(html: str) -> str:
    """Link the first mention of each term in every section to its entry of the glossary.

    Parameters
    ----------
    html : str
        A page with the glossary in it. Elements must be closed.

    Returns
    -------
    str
        The same page; terms that a section links already, headings, drawings and the glossary itself stay.
    """
    made: list[str] = []
    stack: list[str] = []
    linked: set[str] = set()
    for found in TOKEN.finditer(html):
        text, tag = found["text"], (found["tag"] or "").lower()
        if text is not None:
            told = text if not PROSE & set(stack) or SKIPPED & set(stack) else _with_links(text, linked)
            made.append(told)
            continue
        made.append(found[0])
        if not tag or tag in VOID or found[0].endswith("/>"):
            continue
        if found["close"]:
            while stack and stack.pop() != tag:
                pass
            continue
        stack.append(tag)
        if tag == "section":
            linked = set(GLOSSARY) if GLOSSARY_SECTION in found["facts"] else set()
        elif tag == "a" and (to := LINKED.search(found["facts"])):
            linked |= {term for term, place in _PLACES.items() if place == to[1]}
    return "".join(made)


def _with_links(text: str, linked: set[str]) -> str:
    def link(found: re.Match[str]) -> str:
        term = _TERMS[found[1].lower()]
        if term in linked:
            return found[0]
        linked.add(term)
        return f'<a class="term" href="#{_PLACES[term]}" title="{escape(GLOSSARY[term])}">{found[0]}</a>'

    return _MENTION.sub(link, text)
