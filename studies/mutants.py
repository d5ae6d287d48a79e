"""Mutation testing of one module with mutmut's mutants, each in a forked process, against the module's tests.

The tests are collected once, and each mutant runs those that reach its function: first those that noticed
other mutants of it, then the quickest. What survives either has its reason in `studies/equivalent_mutants/`,
or is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import gc
import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType
from typing import ParamSpec, TypeVar

import pytest
import yaml
from hypothesis import Phase, settings

from studies.changed_functions import changed_functions, text_at

EQUIVALENT = Path(__file__).parent / "equivalent_mutants"
#: Seconds of CPU in one test after which a mutant counts as killed, beyond thrice those of the test.
PATIENCE = 5.0
#: Seconds on the clock for each of them, for a mutant that waits for ever; other work does not kill mutants.
STALLED = 20
#: Without `tests/conftest.py`, which loads torch for tests of other packages, and without tracebacks.
PYTEST = (
    *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"),
    *("--noconftest", "--tb=native", "--assert=plain"),
)


@dataclass
class Switch:
    """Which mutant runs in this process, and which functions were called."""

    active: str = ""
    called: set[str] = field(default_factory=set)


SWITCH = Switch()


P = ParamSpec("P")
R = TypeVar("R")


def switched(
    mutants: dict[str, Callable[P, R]], is_classmethod: bool = False
) -> Callable[..., Callable[P, R]]:
    """Stand in for a mutated function: call the original, or the mutant that is active."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def stand_in(*args: P.args, **kwargs: P.kwargs) -> R:
            original = mutants["_mutmut_orig"]
            SWITCH.called.add(original.__name__)
            call = mutants.get(SWITCH.active, original)
            if is_classmethod:
                bound: Callable[..., R] = getattr(args[0], call.__name__)
                return bound(*args[1:], **kwargs)
            return call(*args, **kwargs)

        return stand_in

    return decorate


class MutatedLoader(importlib.machinery.SourceFileLoader):
    """Loads one module from its mutated text."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        """Compile the mutated text."""
        return compile(self.text, self.path, "exec", dont_inherit=True)


class Finder:
    """Finds the mutated module before anything else does."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        self.name, self.path, self.text = name, path, text

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Answer for the one module, and leave the rest to others."""
        if name != self.name:
            return None
        loader = MutatedLoader(name, str(self.path), self.text)
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


def mutated(path: Path) -> tuple[str, list[str]]:
    """The text of a module with all its mutants in it, and their names."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    made = mutate_file_contents(str(path), path.read_text())
    text = made.code.replace(
        "from mutmut.mutation.trampoline import wrap_in_trampoline as _mutmut_mutated, MutantDict",
        "from studies.mutants import switched as _mutmut_mutated",
    )
    return text.replace(": MutantDict", ""), [name.rpartition(".")[2] for name in made.mutant_names]


class Runner:
    """Runs the collected tests once for timing, then once for each mutant."""

    def __init__(self, mutants: Sequence[str], options: argparse.Namespace) -> None:
        self.mutants, self.options = mutants, options
        self.survivors: list[str] = []
        self.untested: list[str] = []
        self.killed = 0
        # The tests that noticed mutants of each function, the latest first; children tell of them.
        self.noticed: dict[str, list[str]] = {}
        self.told, self.tell = os.pipe()
        os.set_blocking(self.told, False)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop over the tests."""
        started = time.monotonic()
        record = self._timed(session.items)
        usable = {item.nodeid: item for item in session.items}
        failed = sorted(name for name, (_, _, passed) in record.items() if not passed)
        if failed:
            print(f"left out, failing without a mutant: {', '.join(failed)}", flush=True)
        print(
            f"{len(record)} tests timed in {time.monotonic() - started:.0f} s; {len(self.mutants)} mutants",
            flush=True,
        )
        waiting = list(reversed(self.mutants))
        running: dict[int, str] = {}
        done = 0
        # What is never collected is never copied by the children.
        gc.collect()
        gc.freeze()
        while waiting or running:
            while waiting and len(running) < self.options.jobs:
                mutant = waiting.pop()
                original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", mutant)
                order = self.noticed.get(original, [])
                tests = sorted(
                    (order.index(name) if name in order else len(order), seconds, name)
                    for name, (seconds, called, passed) in record.items()
                    if passed and original in called and seconds <= self.options.longest
                )
                if not tests:
                    self.untested.append(mutant)
                    continue
                kept: list[tuple[pytest.Item, float]] = []
                total = 0.0
                for _, seconds, name in tests:
                    total += seconds
                    if total > self.options.budget and kept:
                        break
                    kept.append((usable[name], seconds))
                child = os.fork()
                if not child:
                    self._child(mutant, kept)
                running[child] = mutant
            if not running:
                continue
            child, status = os.wait()
            mutant = running.pop(child)
            done += 1
            self._listen()
            if status == 0:
                self.survivors.append(mutant)
                # At once, for a run that is cut short.
                print(f"survives: {mutant}", flush=True)
            else:
                self.killed += 1
            if done % 50 == 0:
                print(
                    f"{done} run, {len(self.survivors)} survive, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
        return True

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self.told, 1 << 16).decode().splitlines():
                mutant, _, name = line.partition(" ")
                order = self.noticed.setdefault(re.sub(r"__mutmut_\d+$", "__mutmut_orig", mutant), [])
                if name in order:
                    order.remove(name)
                order.insert(0, name)

    def _timed(self, items: Sequence[pytest.Item]) -> dict[str, tuple[float, list[str], bool]]:
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _silence()
            record = {}
            signal.signal(signal.SIGPROF, _too_slow)
            for item, following in zip(items, [*items[1:], None], strict=True):
                SWITCH.called.clear()
                began = time.process_time()
                # A test that takes longer takes no part: how much longer does not matter.
                signal.setitimer(signal.ITIMER_PROF, 1.1 * self.options.longest)
                passed = _passes(item, following)
                signal.setitimer(signal.ITIMER_PROF, 0)
                seconds = time.process_time() - began
                passed |= seconds > self.options.longest
                record[item.nodeid] = (seconds, sorted(SWITCH.called), passed)
            with os.fdopen(write, "w") as pipe:
                json.dump(record, pipe)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        if not text:
            sys.exit("the tests end the process: no mutant was run")
        return {name: (row[0], row[1], row[2]) for name, row in json.loads(text).items()}

    def _child(self, mutant: str, tests: Sequence[tuple[pytest.Item, float]]) -> None:
        _silence()
        for alarm in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(alarm, signal.SIG_DFL)
        SWITCH.active = mutant
        code = 1
        try:
            items = [item for item, _ in tests]
            for (item, usual), following in zip(tests, [*items[1:], None], strict=True):
                seconds = 3 * usual + PATIENCE
                signal.setitimer(signal.ITIMER_PROF, seconds)
                signal.alarm(int(seconds * STALLED) + 1)
                if not _passes(item, following):
                    os.write(self.tell, f"{mutant} {item.nodeid}\n".encode())
                    break
            else:
                code = 0
        finally:
            os._exit(code)


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    from _pytest.runner import runtestprotocol

    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _too_slow(*_: object) -> None:
    raise TimeoutError


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate one module, run its tests, print the mutants that no test notices."""
    parser = argparse.ArgumentParser(prog="python -m studies.mutants", description=__doc__)
    parser.add_argument("module", type=Path, help="file to mutate, such as analysis/discrimination/auc.py")
    parser.add_argument("tests", nargs="+", help="test files or folders")
    parser.add_argument("--only", default="", help="regular expression on the names of mutants")
    parser.add_argument(
        "--changed-since",
        metavar="COMMIT",
        default="",
        help="only mutants of functions that differ from this commit's, at which every one was settled",
    )
    parser.add_argument("--unexplained", action="store_true", help="leave out mutants that the list explains")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (default %(default)s)")
    parser.add_argument(
        "--longest", type=float, default=2.0, help="CPU seconds a test may take (default %(default)s)"
    )
    parser.add_argument(
        "--budget", type=float, default=30.0, help="CPU seconds of tests per mutant (default %(default)s)"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the survivors to the list of equivalent mutants"
    )
    options = parser.parse_args(arguments)
    # One thread each, as `tests/conftest.py` would have it; and what a fork leaves behind are threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    name = ".".join(options.module.with_suffix("").parts)
    text, mutants = mutated(options.module)
    lines, known = text.split("\n"), Reasons.read(name)
    mutants = [mutant for mutant in mutants if re.search(options.only, mutant)]
    not_again: list[str] = []
    if options.changed_since:
        changed = changed_functions(
            text_at(options.changed_since, options.module), options.module.read_text()
        )
        not_again = [mutant for mutant in mutants if function_of(mutant) not in changed]
        mutants = [mutant for mutant in mutants if function_of(mutant) in changed]
        print(f"changed since {options.changed_since}: {', '.join(sorted(changed)) or 'nothing'}", flush=True)
    if options.unexplained:
        explained = {mutant for mutant in mutants if known.why(change_of(lines, mutant))}
        not_again += [mutant for mutant in mutants if mutant in explained]
        mutants = [mutant for mutant in mutants if mutant not in explained]
    sys.meta_path.insert(0, Finder(name, options.module.resolve(), text))
    sys.path.insert(0, os.getcwd())
    runner = Runner(mutants, options)
    # No example is judged by the clock, and none made smaller: that a test fails is all that is asked.
    settings.register_profile("mutants", deadline=None, phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutants")
    pytest.main([*options.tests, *PYTEST], plugins=[runner])
    changes = [change_of(lines, mutant) for mutant in runner.survivors]
    unexplained = [change for change in changes if not known.why(change)]
    for change in unexplained:
        print(f"survives in {change.function}\n    - {change.before}\n    + {change.after}")
    for mutant in runner.untested:
        print(f"no test reaches {mutant}")
    reasoned = [change for change in (change_of(lines, mutant) for mutant in not_again) if known.why(change)]
    if options.write:
        known.write(name, [*reasoned, *changes])
    if not_again:
        print(f"not run again: {len(not_again)} mutants, {len(reasoned)} of which make no difference")
    print(
        f"{options.module}: {len(mutants)} mutants, {runner.killed} killed, "
        f"{len(changes) - len(unexplained)} make no difference, {len(unexplained)} survive, "
        f"{len(runner.untested)} reached by no test"
    )
    return int(bool(unexplained or runner.untested))


@dataclass(frozen=True)
class Change:
    """What a mutant changed: the lines that differ, joined by `" | "`."""

    function: str
    before: str
    after: str


@dataclass(frozen=True)
class Reasons:
    """Why some changes make no difference."""

    by_change: dict[Change, str]

    @classmethod
    def read(cls, module: str) -> Reasons:
        """Read the reasons for one module; none where there is no file."""
        path = EQUIVALENT / f"{module}.yaml"
        rows = yaml.safe_load(path.read_text()) if path.exists() else []
        return cls({Change(row["function"], row["before"], row["after"]): row["why"] for row in rows})

    def why(self, change: Change) -> str:
        """Reason of a change; empty if it has none."""
        return self.by_change.get(change, "")

    def write(self, module: str, changes: Sequence[Change]) -> None:
        """Write the file anew from the survivors, with an empty reason for each that has none."""
        EQUIVALENT.mkdir(exist_ok=True)
        rows = [{**vars(change), "why": self.why(change)} for change in dict.fromkeys(changes)]
        path = EQUIVALENT / f"{module}.yaml"
        if rows:
            path.write_text(yaml.safe_dump(rows, sort_keys=False, width=110, allow_unicode=True))
        else:
            path.unlink(missing_ok=True)


def change_of(lines: Sequence[str], mutant: str) -> Change:
    """What a mutant changed, read from the text that holds all of them."""
    original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", mutant)
    rows = [
        row
        for row in difflib.unified_diff(_body(lines, original), _body(lines, mutant), n=0, lineterm="")
        if not row.startswith(("---", "+++", "@@"))
    ]
    before, after = (" | ".join(row[1:].strip() for row in rows if row[0] == sign) for sign in "-+")
    return Change(function_of(mutant), before, after)


def function_of(mutant: str) -> str:
    """Name of the function, a method as `Class.method`, that a mutant is one of."""
    return re.sub(r"^x_?|__mutmut_\d+$", "", mutant).strip("ǁ").replace("ǁ", ".")


def _body(lines: Sequence[str], function: str) -> list[str]:
    start = next(i for i, line in enumerate(lines) if f"def {function}(" in line)
    indent = len(lines[start]) - len(lines[start].lstrip())
    rows = [lines[start].replace(function, "")]
    for line in lines[start + 1 :]:
        inside = not line.strip() or len(line) - len(line.lstrip()) > indent or line.lstrip().startswith(")")
        if not inside:
            break
        rows.append(line.rstrip())
    return rows


if __name__ == "__main__":
    from studies import mutants as here

    sys.exit(here.main())
