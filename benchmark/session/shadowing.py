"""Whether our own packages are what Python finds under their names."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["hidden_packages", "taken_names", "way_out"]

HOME: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("analysis", "fpcore")
NAMES: Final = ("benchmark", *PACKAGES)


def hidden_packages() -> str | None:
    """What hides packages of ours, in one clause; None where nothing does.

    Python looks for a module first where a script or ``python -m`` starts: there may be a file of that name.
    """
    found = {name: _origin(name) for name in PACKAGES}
    hiding = {name: path for name, path in found.items() if path and path.resolve().parent.parent != HOME}
    if not hiding:
        return None
    verb = "hides" if len(hiding) == 1 else "hide"
    return f"{' and '.join(map(str, hiding.values()))} {verb} lookalike's own {' and '.join(hiding)}"


def _origin(name: str) -> Path | None:
    """The file that ``import name`` runs, or ran."""
    module = sys.modules.get(name)
    if module is not None:
        return Path(module.__file__) if module.__file__ else None
    spec = importlib.util.find_spec(name)
    return Path(spec.origin) if spec and spec.origin else None


def taken_names(folder: Path, code: str) -> str:
    """Say which modules of a folder code cannot mean by their names, because the names are ours; or nothing.

    Parameters
    ----------
    folder : Path
        Of the user.
    code : str
        Of a file in it.
    """
    words = set(re.findall(r"^\s*(?:import|from)\s+(\w+)", code, re.MULTILINE))
    taken = [
        f"{name} is lookalike's own, not {path}"
        for name in NAMES
        if name in words
        for path in (folder / f"{name}.py", folder / name / "__init__.py")
        if path.is_file()
    ]
    return "".join(f"; {one}" for one in taken)


def way_out(arguments: Sequence[str]) -> str:
    """The command that works where something hides our packages."""
    if shutil.which("lookalike"):
        command = ["lookalike"]
    else:
        installed = shutil.which("lookalike", path=sysconfig.get_path("scripts"))
        command = [installed] if installed else [sys.executable, "-m", "lookalike"]
    return shlex.join([*command, *arguments])
