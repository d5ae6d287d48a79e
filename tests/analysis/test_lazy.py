"""The package's names are imported when they are asked for: each from where type checkers find it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import analysis


def test_the_names_for_type_checkers_are_those_at_run_time() -> None:
    tree = ast.parse(Path(str(analysis.__file__)).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    stated = {
        name.name: source.module
        for source in typed.body
        if isinstance(source, ast.ImportFrom)
        for name in source.names
    }
    assert stated == analysis._HOMES
    assert set(analysis.__all__) == set(stated) <= set(dir(analysis))
    assert all(hasattr(analysis, name) for name in stated)


def test_a_name_is_fetched_from_its_module_once_and_then_held(monkeypatch: pytest.MonkeyPatch) -> None:
    import analysis.validation as home

    monkeypatch.delitem(vars(analysis), "BadArgument", raising=False)
    assert "BadArgument" in dir(analysis)
    assert analysis.BadArgument is home.BadArgument
    monkeypatch.setattr(home, "BadArgument", None)
    assert analysis.BadArgument is not None


def test_a_directory_lists_the_names_and_what_is_loaded_in_order() -> None:
    listed = dir(analysis)
    assert listed == sorted(set(listed))
    assert {"__doc__", "separation_test", "ranks", "auc"} <= set(listed)


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="'analysis' has no attribute 'nothing'"):
        _ = analysis.nothing
