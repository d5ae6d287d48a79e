"""Text that comes with Python, cut into named corpora of different kinds.

Almost all of it is CPython's own and stands under the PSF licence; the C++ is PyTorch's, under a BSD licence.
It is read from the running interpreter and never copied into the project. Other versions carry other text, so
a corpus is known by its digest.

=============== ======================================================================================
code            the standard library's modules, without docstrings and comments
docstrings      the docstrings of the same modules, indentation removed
reference       the language reference, as `pydoc` carries it
tables          the character tables of the `encodings` package
instructions    questions and answers: what a function or class does, and the first words of its docstring
headers         C++: headers of the installed PyTorch, its library c10 and its C++ interface
=============== ======================================================================================
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmark.session.errors import UsageError

__all__ = ["CORPORA", "DOMAINS", "Corpus", "Document", "load_corpus"]

CORPORA = ("code", "docstrings", "reference", "tables", "instructions", "headers")

#: What a corpus is about, where that is not Python.
DOMAINS = {"headers": "C++"}

# Parts of PyTorch's headers that every build of it carries, without those for single accelerators.
HEADERS = ("c10", "torch/csrc/api")
ACCELERATORS = frozenset({"cuda", "hip", "metal", "mps", "xpu"})

# One document in this many is held out, chosen by a hash of its name.
HELD_OUT_SHARE = 12

# What some distributions of CPython leave out, what later versions removed, and text of another kind.
LEFT_OUT = frozenset(
    {"antigravity", "distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "this"}
    | {"tkinter", "turtle", "turtledemo", "venv"}
)

# Tests beside the code they test: some versions and distributions have them, others do not.
TEST_FOLDERS = frozenset({"test", "tests"})

Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Document:
    """One piece of text; the prompt comes first and is not learned."""

    name: str
    text: str
    prompt: str = ""

    @property
    def held_out(self) -> bool:
        """Whether it is kept from training; all documents of one module go together."""
        source = self.name.partition(":")[0]
        return hashlib.sha256(source.encode()).digest()[0] % HELD_OUT_SHARE == 0


@dataclass(frozen=True)
class Corpus:
    """A named text.

    Attributes
    ----------
    name : str
    training, held_out : tuple of Document
    digest : str
        sha256 (hex) over names and text.
    """

    name: str
    training: tuple[Document, ...]
    held_out: tuple[Document, ...]
    digest: str

    @property
    def characters(self) -> int:
        """Length of all text, prompts included."""
        return sum(len(document.prompt) + len(document.text) for document in self.training + self.held_out)


# The running Python's text does not change: each of the corpora, and the modules, are read once.
@cache
def load_corpus(name: str) -> Corpus:
    """Read one of `CORPORA` from the running Python.

    Raises
    ------
    UsageError
        If this Python does not carry the text; the line says which package is missing.
    """
    documents = tuple(sorted(_documents(name), key=lambda document: document.name))
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.name, document.prompt, document.text):
            digest.update(len(part.encode()).to_bytes(8, "little") + part.encode())
    return Corpus(
        name,
        tuple(document for document in documents if not document.held_out),
        tuple(document for document in documents if document.held_out),
        digest.hexdigest(),
    )


def _documents(name: str) -> Iterator[Document]:
    if name == "reference":
        yield from _reference()
    elif name == "tables":
        yield from _tables()
    elif name == "code":
        yield from (Document(module, code) for module, code, _ in _modules())
    elif name == "docstrings":
        for module, _, docs in _modules():
            text = "\n\n".join(text for _, text in docs)
            if text:
                yield Document(module, text)
    elif name == "instructions":
        yield from _instructions()
    elif name == "headers":
        yield from _headers()
    else:
        raise UsageError(f"unknown corpus {name!r}; known: {', '.join(CORPORA)}")


def _reference() -> Iterator[Document]:
    if importlib.util.find_spec("pydoc_data.topics") is None:
        raise UsageError(
            "this Python has no pydoc_data.topics; install the complete standard library of CPython"
        )
    from pydoc_data.topics import topics

    for topic, text in topics.items():
        yield Document(topic, text.strip() + "\n")


def _tables() -> Iterator[Document]:
    for file in sorted((_standard_library() / "encodings").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "### Decoding Table" in text:
            yield Document(file.stem, text[text.index("### Decoding Table") :])


def _headers() -> Iterator[Document]:
    import torch

    include = Path(torch.__file__).parent / "include"
    files = sorted(file for part in HEADERS for file in (include / part).rglob("*.h"))
    files = [file for file in files if ACCELERATORS.isdisjoint(file.relative_to(include).parts)]
    if len(files) < 200:
        raise UsageError(
            f"{include} holds only {len(files)} of PyTorch's C++ headers; install PyTorch from its wheel"
        )
    for file in files:
        yield Document(file.relative_to(include).as_posix(), file.read_text(encoding="utf-8"))


def _instructions() -> Iterator[Document]:
    for module, _, docs in _modules():
        for place, text in docs:
            answer = text.split("\n\n")[0].strip()
            if place and answer:
                yield Document(
                    f"{module}:{place}", f"{answer}\n", f"Question: what is {module}.{place}?\nAnswer: "
                )


@cache
def _modules() -> tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]:
    """Each module's name, its code without docstrings and comments, and its docstrings by place."""
    library = _standard_library()
    found = []
    for name in sorted(sys.stdlib_module_names - LEFT_OUT):
        if name.startswith(("_sysconfigdata", "__")):
            continue  # written when Python is built, or of one line
        module = library / f"{name}.py"
        package = library / name
        files = [module] if module.is_file() else sorted(package.rglob("*.py")) if package.is_dir() else []
        for file in files:
            if TEST_FOLDERS.intersection(file.relative_to(library).parts):
                continue
            place = (
                file.relative_to(library)
                .with_suffix("")
                .as_posix()
                .replace("/", ".")
                .removesuffix(".__init__")
            )
            tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
            docs = tuple(_take_docstrings(tree, ""))
            found.append((place, ast.unparse(tree) + "\n", docs))
    if len(found) < 200:
        raise UsageError(
            f"{library} holds the source of only {len(found)} standard modules; "
            "a CPython with its library as .py files is needed"
        )
    return tuple(found)


def _take_docstrings(scope: Scope, place: str) -> Iterator[tuple[str, str]]:
    """Remove every docstring below `scope` and yield it with its place (``Class.method``)."""
    text = ast.get_docstring(scope)
    if text is not None:
        scope.body = scope.body[1:] or [ast.Pass()]
        if text.strip():
            yield place, text.strip()
    for node in ast.walk(scope) if isinstance(scope, ast.Module) else scope.body:
        if node is not scope and isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{place}.{node.name}" if place else node.name
            yield from _take_docstrings(node, inner)


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))
