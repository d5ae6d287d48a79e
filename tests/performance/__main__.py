"""Every figure of docs/performance.md in one run: ``python -m tests.performance [NAME …] [--list]``.

Each file beside this one measures one thing against baselines that it names, in one process of its own, so
that neither its memory nor its imports are those of another. Exit status 1 where one of them fails, or misses
a bound that it states. For ratios to mean anything the machine should be idle.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def benchmarks() -> dict[str, str]:
    """Names of the benchmarks, each with the first line of what it says of itself."""
    files = sorted(path for path in HERE.glob("*.py") if not path.name.startswith(("_", "test_")))
    found = {}
    for path in files:
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = said.partition("\n")[0]
    return found


def main(arguments: list[str]) -> int:
    """Run those that are named, or all; how many failed."""
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(known):
        parser.error(f"no benchmark called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    failed = []
    for name in asked.names or known:
        print(f"{name}: {known[name]}", flush=True)
        if asked.list:
            continue
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", f"tests.performance.{name}"], cwd=HERE.parents[1], check=False
        )
        spent = time.perf_counter() - begun
        if done.returncode:
            failed.append(name)
        said = f"FAILED with status {done.returncode}" if done.returncode else "done"
        print(f"{name}: {said} after {spent:.0f} s\n", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
