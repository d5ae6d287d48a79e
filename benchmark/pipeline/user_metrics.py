"""A metric from a user's file: ``FILE.py:Class`` or ``FILE.py:function``, known by the file's content."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import fpcore
from benchmark.session.errors import UsageError
from benchmark.session.shadowing import taken_names
from fpcore.errors import described

__all__ = ["FunctionMetric", "UserMetric", "usable_name"]


class FunctionMetric(fpcore.Metric):
    """A plain function of two checkpoints as a metric: of a model it keeps nothing but the model itself.

    Every pair reads two models, so that it scores as many pairs as any metric whose work grows with pairs.
    """

    cost = "costly"
    function: ClassVar[Callable[[fpcore.Checkpoint, fpcore.Checkpoint], float]]

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:  # noqa: D102
        return self.make_fingerprint(model, {}, keep_checkpoint=True)

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:  # noqa: D102
        if a.checkpoint is None or b.checkpoint is None:
            raise fpcore.NotComparable("a function metric needs the checkpoints themselves")
        return type(self).function(a.checkpoint, b.checkpoint)


class UserModule(ModuleType):
    """A user's file as a module, with the digest of the text that was run."""

    content: str


@dataclass(frozen=True)
class UserMetric:
    """A class or function in a file, with the content that the file had when it was named.

    Attributes
    ----------
    path : Path
    attribute : str
        The name of the class or function.
    content : str
        The sha256 of the file's text.
    """

    path: Path
    attribute: str
    content: str

    @classmethod
    def named(cls, spec: str) -> UserMetric:
        """What ``FILE.py:Class`` or ``FILE.py:function`` names, as it is now.

        Raises
        ------
        UsageError
            Not of that form, or no such file.
        """
        path, found, attribute = spec.rpartition(":")
        if not found or not path.endswith(".py") or not attribute:
            raise UsageError(
                f"{spec}: write it as FILE.py:Class (to get a template: evaluate --new my_metric.py)"
            )
        whole = Path(path).resolve()
        return cls(whole, attribute, hashlib.sha256(_text_of(whole)).hexdigest())

    def __str__(self) -> str:
        return f"{self.path}:{self.attribute}"

    def load(self) -> fpcore.Metric:
        """Make the metric.

        Raises
        ------
        UsageError
            The file or what is named in it cannot be used, is no metric, or takes the name of another metric.
        """
        module = self._module()
        if not hasattr(module, self.attribute):
            known = ", ".join(_defined_in(module)) or "no class"
            raise UsageError(f"{self.path}: defines no {self.attribute}; it defines {known}")
        made = getattr(module, self.attribute)
        if inspect.isfunction(made):
            return self._checked(self._of_function(made))
        try:
            metric = made() if isinstance(made, type) else made
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # somebody's code may also ask the process to end
            raise UsageError(f"{self}: could not be instantiated: {described(error)}") from error
        if not isinstance(metric, fpcore.Metric):
            raise UsageError(
                f"{self}: not a metric; derive the class from fpcore.Metric, or give a function of two"
                " checkpoints"
            )
        return self._checked(metric)

    def _module(self) -> ModuleType:
        """The file, run. A module of the same text is not run again; one of an older text is replaced."""
        name = f"lookalike_user_{self.path.stem}_{hashlib.sha256(str(self.path).encode()).hexdigest()[:8]}"
        known = sys.modules.get(name)
        if isinstance(known, UserModule) and known.content == self.content:
            return known
        text = _text_of(self.path)
        if hashlib.sha256(text).hexdigest() != self.content:
            raise UsageError(f"{self.path}: it changed while it was being evaluated; rerun")
        module = UserModule(name)
        module.__file__ = str(self.path)
        module.content = self.content
        sys.modules[name] = module
        folder = self.path.parent
        if str(folder) not in sys.path:  # last: what lies beside the file can be imported, and hides nothing
            sys.path.append(str(folder))
        try:
            # Not by the import system: it takes compiled code for that of a file of the same size and second.
            exec(compile(text, str(self.path), "exec"), vars(module))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            sys.modules.pop(name, None)
            raise UsageError(
                f"{self.path}: could not be imported: {described(error)}"
                + taken_names(folder, text.decode(errors="replace"))
            ) from error
        return module

    def _of_function(self, function: Callable[..., float]) -> fpcore.Metric:
        try:
            inspect.signature(function).bind(None, None)
        except TypeError as error:
            raise UsageError(f"{self}: not a function of two checkpoints ({error})") from error
        said = (inspect.getdoc(function) or f"the function {function.__name__}").splitlines()[0]
        facts = {
            "name": function.__name__.strip("_").replace("_", "-"),
            "title": said.rstrip("."),
            "function": staticmethod(function),
        }
        metric: fpcore.Metric = type(function.__name__, (FunctionMetric,), facts)()
        return metric

    def _checked(self, metric: fpcore.Metric) -> fpcore.Metric:
        """The metric, if tables and files can name it and nothing else has its name."""
        for field in ("name", "title"):
            if not isinstance(getattr(metric, field, None), str):
                raise UsageError(
                    f'{self}: it has no {field}; add one to the class, such as {field} = "my metric"'
                )
        usable_name(str(self), metric.name)
        known = {registered.name: registered for registered in fpcore.metrics()}.get(metric.name)
        if known is not None and type(known) is not type(metric):
            raise UsageError(f"{self}: {metric.name} is already a registered metric; choose another name")
        return metric


def usable_name(where: str, name: str) -> None:
    """Refuse a name that cannot name files (UsageError)."""
    if not re.fullmatch(r"\w[\w.+-]{0,99}", name):
        raise UsageError(
            f"{where}: the name {name[:100]!r} cannot be used in file names; use letters, digits and -"
        )


def _text_of(path: Path) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give FILE.py:Class")
    return path.read_bytes()


def _defined_in(module: ModuleType) -> list[str]:
    """Public classes and functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if (isinstance(value, type) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
