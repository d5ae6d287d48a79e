"""Every public function says what goes in, what comes out, what is refused, and shows it once.

That the examples give what they say is tested in `tests/docs/test_docstrings.py`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

import analysis

FUNCTIONS: dict[str, Callable[..., object]] = {
    name: value for name in analysis.__all__ if inspect.isfunction(value := getattr(analysis, name))
}
SECTION = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """The sections of a numpydoc docstring, by their titles."""
    parts = SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_documents_itself(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    found = sections(text)
    assert list(found) == [
        title for title in ("Parameters", "Returns", "Raises", "Notes", "Examples") if title in found
    ]
    assert {"Parameters", "Returns", "Raises", "Examples"} <= found.keys()
    lines = re.findall(r"^(\w.*?) : ", found["Parameters"], re.MULTILINE)
    lines += re.findall(r"^(\w+(?:, \w+)*)$", found["Parameters"], re.MULTILINE)
    documented = [parameter for line in lines for parameter in line.split(", ")]
    assert documented == list(inspect.signature(FUNCTIONS[name]).parameters)
    assert found["Raises"].strip().startswith("BadArgument\n    ")
    assert f"{name}(" in found["Examples"]
    assert text.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", [n for n in analysis.__all__ if inspect.isclass(getattr(analysis, n))])
def test_a_public_class_documents_its_attributes(name: str) -> None:
    kind = getattr(analysis, name)
    assert (inspect.getdoc(kind) or "").splitlines()[0].endswith(".")
    if hasattr(kind, "__dataclass_fields__"):
        # A class documents what it adds; what it extends documents the rest.
        documented = set[str]().union(
            *(attributes_of(each) for each in kind.__mro__ if "__dataclass_fields__" in vars(each))
        )
        fields = {field for field in kind.__dataclass_fields__ if not field.startswith("_")}
        assert documented == fields


def attributes_of(kind: type) -> set[str]:
    lines = re.findall(r"^(\w.*?) : ", sections(inspect.getdoc(kind) or "")["Attributes"], re.MULTILINE)
    return {attribute for line in lines for attribute in line.split(", ")}
