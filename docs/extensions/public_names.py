"""``{public} package``: what a package offers, grouped by where it is defined, from its docstrings.

The body may name sub-packages, one per line, that come first.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from importlib import import_module
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def offered(package: str) -> dict[str, object]:
    """Public name → function or class, in the package's own order; other values and modules are left out."""
    module = import_module(package)
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    values = {name: getattr(module, name) for name in names}
    return {
        name: value
        for name, value in values.items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__.startswith(package)
    }


def groups(package: str) -> dict[ModuleType, dict[str, object]]:
    """The names by sub-package, those of the package's own modules first."""
    found: dict[ModuleType, dict[str, object]] = defaultdict(dict)
    for name, value in offered(package).items():
        words = value.__module__.split(".")
        found[import_module(".".join(words[: 2 if len(words) > 2 else 1]))][name] = value
    return dict(sorted(found.items(), key=lambda item: item[0].__name__.count(".")))


class Public(SphinxDirective):
    """A section for each sub-package, an entry for each name."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Let autodoc describe every name."""
        package = self.arguments[0]
        lines: list[str] = []
        first = list(self.content)

        def place(module: ModuleType) -> int:
            return first.index(module.__name__) if module.__name__ in first else len(first)

        found = groups(package)
        for module in sorted(found, key=place):
            if module.__name__ != package:
                said = inspect.getdoc(module) or ""
                lines += [f"## `{module.__name__}`", "", said.splitlines()[0], ""]
            lines += ["```{eval-rst}"]
            for name, value in found[module].items():
                kind = "autofunction" if inspect.isfunction(value) else "autoclass"
                lines += [f".. {kind}:: {package}.{name}"]
                lines += ["   :members:", ""] if kind == "autoclass" else [""]
            lines += ["```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("public", Public)
    return {"parallel_read_safe": True}
