"""Versions of installed packages."""

from __future__ import annotations

import importlib.metadata

__all__ = ["package_version"]


def package_version(package: str) -> str:
    """Version of an installed package, or that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
