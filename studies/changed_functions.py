"""Which functions of a module differ from those of an earlier commit.

A mutant of a function that is as it was, killed by tests that still stand, stays killed: only the others need
to run again.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["changed_functions", "text_at"]

NAMELESS: Final = ""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def text_at(commit: str, path: Path) -> str:
    """Text of a file at a commit.

    Raises
    ------
    subprocess.CalledProcessError
        There is no such commit, or the file was not in it.
    """
    told = subprocess.run(["git", "show", f"{commit}:{path}"], check=True, capture_output=True, text=True)
    return told.stdout


def changed_functions(before: str, now: str) -> set[str]:
    """Names of the functions, methods as `Class.method`, that are new or not what they were.

    Docstrings, comments, layout and the types of arguments and results do not count. What stands outside
    functions counts for those that it can reach: an import, a constant or the fields of a class for the
    functions that name it, or that name what is made from it, and for the methods of the class; what has no
    name, for all.

    Parameters
    ----------
    before, now : str
        Text of the module.
    """
    old, new = _Parts(before), _Parts(now)
    names = {
        name for name in old.bound.keys() | new.bound.keys() if old.bound.get(name) != new.bound.get(name)
    }
    while further := {
        name for name, mentioned in new.mentioned.items() if name not in names and mentioned & names
    }:
        names |= further
    return {
        name
        for name, function in new.functions.items()
        if old.functions.get(name) != function or new.reached[name] & names or NAMELESS in names
    }


class _Parts:
    """A module taken apart: what is written of each function, class and name, without docstrings."""

    def __init__(self, text: str) -> None:
        self.functions: dict[str, str] = {}
        self.reached: dict[str, set[str]] = {}
        self.bound: dict[str, str] = {}
        self.mentioned: dict[str, set[str]] = {}
        for statement in _stripped(ast.parse(text)).body:
            if isinstance(statement, Function):
                self._take(statement, statement.name, set())
            elif isinstance(statement, ast.ClassDef):
                for part in statement.body:
                    if isinstance(part, Function):
                        self._take(part, f"{statement.name}.{part.name}", {statement.name})
                statement.body = [part for part in statement.body if not isinstance(part, Function)]
                self._bind(statement, statement.name)
            else:
                for name in _binds(statement):
                    self._bind(_only(statement, name), name)

    def _take(self, function: Function, name: str, of_class: set[str]) -> None:
        # A property and its setter share a name.
        self.functions[name] = self.functions.get(name, "") + ast.dump(function)
        self.reached[name] = self.reached.get(name, set()) | _mentions(function) | of_class

    def _bind(self, statement: ast.stmt, name: str) -> None:
        self.bound[name] = self.bound.get(name, "") + ast.dump(statement)
        self.mentioned[name] = self.mentioned.get(name, set()) | _mentions(statement)


def _stripped(tree: ast.Module) -> ast.Module:
    """Without docstrings, and without the types of functions: what runs stays."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            node.body = [part for part in node.body if not _is_text(part)]
        if isinstance(node, Function):
            node.returns = None
            for part in ast.walk(node):
                if isinstance(part, ast.arg):
                    part.annotation = None
                elif isinstance(part, ast.AnnAssign):
                    part.annotation = ast.Constant(None)
    return tree


def _is_text(part: ast.stmt) -> bool:
    return (
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and isinstance(part.value.value, str)
    )


def _binds(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement outside functions gives a value; `NAMELESS` for one that gives none."""
    found = [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        found = [name.asname or name.name.partition(".")[0] for name in statement.names]
    yield from found or [NAMELESS]


def _only(statement: ast.stmt, name: str) -> ast.stmt:
    """Narrow an import to one of its names, so that another beside it changes nothing."""
    if isinstance(statement, ast.Import):
        return ast.Import(
            [each for each in statement.names if name in (each.asname, each.name.partition(".")[0])]
        )
    if isinstance(statement, ast.ImportFrom):
        kept = [each for each in statement.names if name in (each.asname, each.name)]
        return ast.ImportFrom(statement.module, kept, statement.level)
    return statement


def _mentions(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
