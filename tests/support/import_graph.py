"""Which module of ours imports which: read from the source, imports inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("analysis", "fpcore", "benchmark", "studies")


@dataclass(frozen=True)
class ImportGraph:
    """Modules by their dotted names, and for each the modules of ours that it imports.

    An import for a type checker alone (``if TYPE_CHECKING:``) does not count.
    """

    files: dict[str, Path]
    imports: dict[str, set[str]]

    def circles(self) -> list[list[str]]:
        """Sets of two or more modules that reach one another (strongly connected components)."""
        reach = {module: self._reached(module) for module in self.files}
        circles = {frozenset(other for other in reach[module] if module in reach[other]) for module in reach}
        return sorted(sorted(circle) for circle in circles if circle)

    def _reached(self, start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(self.imports[start])
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead += self.imports[module]
        return seen


def import_graph(root: Path) -> ImportGraph:
    """The graph of the product code under `root`."""
    files = {_dotted(path.relative_to(root)): path for path in product_files(root)}
    imports = {
        module: {_home(name, files) for name in imported_names(path)} - {None, module}
        for module, path in files.items()
    }
    return ImportGraph(files, {module: {name for name in names if name} for module, names in imports.items()})


def product_files(root: Path) -> list[Path]:
    """Every Python file of the packages."""
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _home(name: str, files: dict[str, Path]) -> str | None:
    """The module that ``from … import name`` reads: `name` itself, or what `name` is defined in."""
    if name in files:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in files else None


def imported_names(path: Path) -> Iterator[str]:
    """Dotted names that a file imports at run time; ``from a import b`` gives ``a.b``."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            waiting += ast.iter_child_nodes(node)
