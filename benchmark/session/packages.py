"""Versions of packages, and digests of their code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
from pathlib import Path
from types import ModuleType

__all__ = ["file_digest", "package_version", "source_digest", "this_digest"]


def package_version(package: str) -> str:
    """Version of an installed package, or that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_digest(*packages: ModuleType) -> str:
    """The sha256 (hex) of the Python files of some packages, in their order."""
    return _sources(*(Path(inspect.getfile(package)).parent for package in packages))


def this_digest() -> str:
    """The sha256 (hex) of the Python files of the package that this module belongs to."""
    return _sources(Path(__file__).parents[1])


def _sources(*folders: Path) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
