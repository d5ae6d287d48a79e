"""The packages of other tools: import them late, name their version, say how to get them."""

from __future__ import annotations

import importlib.metadata
import re
from importlib import import_module
from typing import Any, Final

__all__ = ["REMEDY", "installed_version", "peer_module", "version_number"]

REMEDY: Final = "pip install 'lookalike[peers]'"


def peer_module(name: str) -> Any:
    """A module of another tool.

    Raises
    ------
    ImportError
        It, or something it needs, is not installed; the message says how to get it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{error}; install it: {REMEDY}") from error


def installed_version(package: str) -> str | None:
    """The version of an installed package, None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_number(package: str) -> int:
    """A package's version as one number that grows with it (1.2.3 → 10203), 0 where it is not installed.

    A metric's version is a number, and part of the key under which its fingerprints are kept: another version
    of the tool makes its own.
    """
    parts = re.findall(r"\d+", installed_version(package) or "0")[:3]
    major, minor, patch = (int(part) for part in [*parts, "0", "0"][:3])
    return major * 10_000 + minor * 100 + patch
