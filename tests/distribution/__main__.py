"""What users install: `python -m tests.distribution [--download]` builds it and uses it away from the clone.

The wheel must hold what git tracks of the packages, no more and no less, and the wheel that the sdist makes
must be the same. It is installed in a fresh virtual environment together with what it says that it needs and
nothing else, and answers there. Exits with 1 at the first thing that is wrong.

Of the packages that it needs, those of the environment that runs this are linked; `--download` fetches them
as a user would.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
VERSION = PROJECT["project"]["version"]
PAIR = ("zoo/llama-a", "zoo/llama-a-ft-short")


def check(holds: bool, otherwise: str) -> None:
    """End with one line if something does not hold."""
    if not holds:
        sys.exit(f"distribution: {otherwise}")


def output(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command prints; if it fails, all that it said is shown."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    check(done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stderr}")
    return done.stdout


def built(source: Path, kind: str, target: Path) -> Path:
    """The one file that a build of a source tree makes."""
    output(sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target, cwd=source)
    (found,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


def contents(wheel: Path) -> dict[str, str]:
    """The digest of each file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def tracked() -> dict[str, str]:
    """What a wheel should hold beside its metadata: the digest of each file, by its place in the wheel."""
    listed = output("git", "ls-files", "-z", *BUILD["packages"], cwd=ROOT).split("\0")
    places = {name: name for name in listed if name} | BUILD["force-include"]
    return {place: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name, place in places.items()}


def check_contents(wheel: Path, from_sdist: Path) -> None:
    """The wheel holds what git tracks, and the sdist makes the same one."""
    found, again = contents(wheel), contents(from_sdist)
    code = {name: digest for name, digest in found.items() if ".dist-info/" not in name}
    wrong = sorted(name for name, _ in code.items() ^ tracked().items())
    check(not wrong, f"files of the wheel that are not those that git tracks: {', '.join(wrong[:5])}")
    wrong = sorted(name for name, _ in found.items() ^ again.items())
    check(not wrong, f"files that the sdist's own wheel has otherwise: {', '.join(wrong[:5])}")


def needed(requirements: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """Installed distributions that some requirements name, and all that those need."""
    waiting = [(Requirement(text), "") for text in requirements]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        for asked in ("", *requirement.extras):
            if (distribution.name, asked) not in seen:
                seen.add((distribution.name, asked))
                waiting += [(Requirement(text), asked) for text in distribution.requires or ()]
                yield distribution


def link(distributions: Iterator[importlib.metadata.Distribution], packages: Path) -> None:
    """Put installed distributions, and no others, where another environment finds them."""
    for distribution in distributions:
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            place = packages / name
            if not place.exists():
                place.symlink_to(Path(str(distribution.locate_file(name))).resolve())


def installed(wheel: Path, folder: Path, *, download: bool) -> Path:
    """A fresh environment with the wheel and what it needs: the folder of its commands."""
    venv.create(folder, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    output(*pip, "install", "--quiet", *([] if download else ["--no-index", "--no-deps"]), wheel, cwd=folder)
    if not download:
        (packages,) = folder.glob("lib/python*/site-packages")
        link(needed(PROJECT["project"]["dependencies"]), packages)
    output(*pip, "check", cwd=folder)
    return folder / "bin"


def check_answers(commands: Path, folder: Path) -> None:
    """The installed command answers in an empty folder, by the installed packages."""
    env = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    env |= {"HOME": str(folder), "PATH": os.defpath}
    names = [*BUILD["packages"], "lookalike"]
    asked = (
        f"import sys, {', '.join(names)}; print(*(sys.modules[name].__file__ for name in {names}), sep='\\n')"
    )
    for file in output(commands / "python", "-c", asked, cwd=folder, env=env).splitlines():
        check(Path(file).is_relative_to(commands.parent), f"{file} is imported, which is not the wheel's")

    def lookalike(*words: str) -> str:
        return output(commands / "lookalike", *words, cwd=folder, env=env)

    check(VERSION in lookalike("--version"), f"lookalike --version does not say {VERSION}")
    check("weight-cosine" in lookalike("metrics"), "lookalike metrics does not name weight-cosine")
    case = json.loads(lookalike("compare", *PAIR, "--json", "--quiet"))
    scores = {one["metric"]: one["score"] for one in case["metrics"] if one["status"] == "ok"}
    failed = [one["metric"] for one in case["metrics"] if one["status"] == "failed"]
    check(not failed, f"lookalike compare: failed: {', '.join(failed)}")
    check(scores["weight-cosine"] > 0.9, f"lookalike compare: {PAIR} score {scores['weight-cosine']}")


def main() -> None:
    """Build, install, use."""
    parser = argparse.ArgumentParser(prog="python -m tests.distribution", description=__doc__)
    parser.add_argument("--download", action="store_true", help="fetch what the wheel needs")
    download = parser.parse_args().download
    with tempfile.TemporaryDirectory(prefix="lookalike-distribution-") as scratch:
        parts = {name: Path(scratch, name) for name in ("dist", "unpacked", "again", "venv", "elsewhere")}
        parts["elsewhere"].mkdir()
        wheel, sdist = (built(ROOT, kind, parts["dist"]) for kind in ("wheel", "sdist"))
        with tarfile.open(sdist) as archive:
            archive.extractall(parts["unpacked"], filter="data")
        (source,) = parts["unpacked"].iterdir()
        check_contents(wheel, built(source, "wheel", parts["again"]))
        commands = installed(wheel, parts["venv"], download=download)
        check_answers(commands, parts["elsewhere"])
        sizes = ", ".join(f"{file.name} {file.stat().st_size / 1e6:.0f} MB" for file in (wheel, sdist))
    print(f"{sizes}: the same files by both ways, installed and used away from the clone")


if __name__ == "__main__":
    main()
