"""Every public name of fpcore has a docstring whose example runs."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from forward_models import characters
from tiny_models import COMMON, Tiny

import fpcore
from fpcore.registry import registered

TINY = Tiny("llama", COMMON | {"num_hidden_layers": 4})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the models that the examples open."""
    root = tmp_path_factory.mktemp("examples")
    model = TINY.build()
    noise = torch.Generator().manual_seed(0)
    for name in ("parent", "child"):
        model.save_pretrained(root / "models" / name)
        (root / "models" / name / "tokenizer.json").write_bytes(characters(40).read_bytes())
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.add_(0.1 * tensor.std() * torch.randn(tensor.shape, generator=noise))
    return root


@pytest.fixture
def registry_as_it_was() -> Iterator[None]:
    fpcore.metrics()
    before = dict(registered)
    yield
    registered.clear()
    registered.update(before)


@pytest.mark.parametrize("name", fpcore.__all__)
@pytest.mark.usefixtures("registry_as_it_was")
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    public = getattr(fpcore, name)
    found = [each for each in doctest.DocTestFinder().find(public, name, globs={}) if each.examples]
    assert name in {each.name for each in found}, f"fpcore.{name} has no example"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for each in found:
        runner.run(each, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.parametrize("name", fpcore.__all__)
def test_parameters_and_results_are_described(name: str) -> None:
    """Each parameter by its name, in the sections of numpydoc."""
    public = getattr(fpcore, name)
    doc = inspect.getdoc(public) or ""
    if inspect.isfunction(public):
        parameters = inspect.signature(public).parameters
        assert "Returns\n-------" in doc
        assert "Raises\n------" in doc
        for parameter in parameters:
            assert f"\n{parameter} :" in doc, f"fpcore.{name}: {parameter} is not described"
