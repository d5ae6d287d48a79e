"""What imports what: one way within fpcore, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "fpcore"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path: Path) -> Iterator[str]:
    """Modules of fpcore that a file imports anywhere: in functions and for annotations, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in named if name in MODULES]
            yield from submodules
            if len(submodules) < len(named):
                yield node.module


def folder(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: set(imported(path)) - {"fpcore"} for module, path in MODULES.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_folders_build_on_each_other_one_way() -> None:
    graph: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if module != "fpcore":
            found = {folder(name) for name in imported(path)}
            graph.setdefault(folder(module), set()).update(found - {folder(module), "fpcore"})
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
    layers = [f"fpcore.{name}" for name in ("storage", "anatomy", "checkpoints", "features", "metrics")]
    assert [name for name in order if name in layers] == layers


@pytest.mark.parametrize(
    "code",
    [
        "import fpcore",
        "import fpcore; print([str(m.measured) + m.title + str(m.claims) for m in fpcore.metrics()])",
        "import fpcore.anatomy; fpcore.anatomy.known_model_types()",
        "import fpcore.forward; fpcore.forward.prompts()",
    ],
)
def test_nothing_heavy_is_imported_to_describe_metrics(code: str) -> None:
    heavy = ("torch", "transformers", "tokenizers", "huggingface_hub", "safetensors.torch")
    check = f"{code}; import sys; sys.exit(', '.join(m for m in {heavy} if m in sys.modules) or None)"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
