"""What holds for the whole repository: who may import whom, names, types."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from import_graph import ImportGraph, import_graph, imported_names, product_files

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "fpcore": {"analysis", "benchmark", "studies"},
    "analysis": {"fpcore", "benchmark", "studies", "torch", "transformers", "safetensors"},
    "benchmark": {"studies"},
}
# A room of benchmark/ imports from itself and from the rooms on earlier lines.
ROOMS = (
    {"session"},
    {"catalog"},
    {"zoo"},
    {"results"},
    {"report"},
    {"pipeline"},
    {"evaluation", "comparison", "leaderboards"},
    {"cli"},
)
ANY_AT_MOST = 20


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return import_graph(ROOT)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_what_they_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not {name.partition(".")[0] for name in imported_names(path)} & FORBIDDEN[package], path


def test_rooms_import_in_one_direction(graph: ImportGraph) -> None:
    place = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    rooms = {path.name for path in (ROOT / "benchmark").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(place)
    wrong = []
    for module, names in graph.imports.items():
        package, _, room = module.partition(".")
        room = room.partition(".")[0]
        if package != "benchmark" or room not in place:
            continue  # the package itself offers what every room has, lazily
        for name in names:
            to = name.split(".")
            if to[0] == "benchmark" and to[1:2] != [room] and (len(to) == 1 or place[to[1]] >= place[room]):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_no_import_circles(graph: ImportGraph) -> None:
    assert graph.circles() == []


def test_no_module_name_stands_three_times(graph: ImportGraph) -> None:
    names = Counter(path.stem for path in graph.files.values() if not path.stem.startswith("__"))
    assert {name: count for name, count in names.items() if count > 2} == {}


def test_every_test_file_has_a_name_of_its_own() -> None:
    """Folders of tests are no packages: pytest imports two files of one name as the same module."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []


def test_nothing_loose_in_benchmark() -> None:
    assert {path.name for path in (ROOT / "benchmark").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_every_csv_is_written_by_what_knows_of_formulas() -> None:
    """A model named ``=cmd()`` must not be computed by whoever opens a table in a spreadsheet."""
    writers = {
        path.name
        for path in (ROOT / "benchmark").rglob("*.py")
        if ".to_csv(" in path.read_text(encoding="utf-8")
    }
    assert writers == {"untrusted_text.py"}


def test_no_result_has_the_comparison_of_dataclasses() -> None:
    """By which, from Python 3.13 on, no undefined value equals itself."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in product_files(ROOT)]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    kinds, known = {"Result"}, 0
    while known < len(kinds):
        known = len(kinds)
        kinds |= {one.name for one in classes for base in one.bases if ast.unparse(base) in kinds}
    results = [one for one in classes for base in one.bases if ast.unparse(base) in kinds]
    assert len(results) > 50
    for one in results:
        assert list(map(ast.unparse, one.decorator_list)) == ["dataclass(frozen=True, eq=False)"], one.name


def test_types_say_what_they_mean() -> None:
    """`Any` switches the type checker off: the number of places only ever falls."""
    found: Counter[str] = Counter()
    for path in product_files(ROOT):
        room = "/".join(path.relative_to(ROOT).parts[:2])
        found[room] += len(re.findall(r"\bAny\b", path.read_text(encoding="utf-8")))
    assert found.total() <= ANY_AT_MOST, found.most_common()


def test_analysis_runs_without_torch() -> None:
    code = "import sys; import analysis; sys.exit('torch' in sys.modules or 'fpcore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
