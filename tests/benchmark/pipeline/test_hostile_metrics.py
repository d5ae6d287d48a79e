"""Metrics that crash, hang, exit, lie or meddle: the pair or the model is named, and the rest is done."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_catalog import write_catalog

from benchmark.catalog import load_catalog
from benchmark.pipeline import plugin_process
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose_from_file
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction, extract
from benchmark.pipeline.plugin_process import PluginEnded, PluginProcess
from benchmark.pipeline.process_state import in_process
from benchmark.pipeline.score import Job, score_pairs
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError

pytestmark = pytest.mark.skipif(not plugin_process.ISOLATES, reason="metrics run in the process itself")

LIMIT = 60.0
SHORT = 5.0  # for what never ends: far above what an honest pair takes on a busy machine
MODELS = ("f0", "f0c0", "f1", "f1c0")
PAIRS = [("f0", "f0c0"), ("f0", "f1"), ("f0c0", "f1"), ("f1", "f1c0")]
BAD = ("f0", "f1")

METRIC = """
    import fpcore
    {before}

    class Evil(fpcore.Metric):
        name = "evil"
        title = "honest but for one model, or one pair"
        {inside}

        def fingerprint(self, model):
            if model.path.name == {bad_model!r}:
                {fingerprint}
            weights = model.read("model.layers.0.mlp.up_proj.weight").double().numpy()
            return self.make_fingerprint(model, {{"mean": weights.mean(axis=1)}})

        def similarity(self, a, b):
            if {{a.model, b.model}} == {bad_pair!r}:
                {similarity}
            return -float(abs(a.arrays["mean"] - b.arrays["mean"]).mean())
"""

CRASHES = {
    "exit 0": ("import os; os._exit(0)", "its process ended by itself (exit code 0)"),
    "exit 7": ("import os; os._exit(7)", "its process ended by itself (exit code 7)"),
    "segfault": ("import ctypes; ctypes.string_at(0)", "its process was ended by SIGSEGV"),
    "abort": ("import os; os.abort()", "its process was ended by SIGABRT"),
    "kills itself": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process "),
    "kills its parent": (
        "import os, time; os.kill(os.getppid(), 9); time.sleep(99)",
        "its process was killed",
    ),
    "stops its parent": ("import os; os.kill(os.getppid(), 19); os._exit(0)", "its process "),
    "signals its group": ("import os; os.killpg(0, 15)", "its process was ended by SIGTERM"),
    "closes everything": ("import os, time; os.closerange(0, 4096); time.sleep(60)", "its process "),
    "talks on every file": (
        "import os; [os.write(fd, b'[[0]]\\\\n') for fd in range(3, 99) if os.path.exists(f'/dev/fd/{fd}')]",
        "its process sent an unreadable answer",
    ),
}  # fmt: skip
ERRORS = {
    "sys.exit": ("import sys; sys.exit()", "SystemExit"),
    "sys.exit 0": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generator exit": ("raise GeneratorExit", "GeneratorExit"),
    "a megabyte": ("raise ValueError('x' * 10**6)", "ValueError: xxx"),
    "many lines": ("raise ValueError('a\\nerror: b')", "ValueError: a error: b"),
    "no text": (
        "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()",
        "Mute: (its message cannot be read)",
    ),
    "no class of errors": ("raise type('Base', (BaseException,), {})('other')", "Base: other"),
    "deep": ("f = lambda: f(); f()", "RecursionError"),
    "all memory": ("held = []\n                while True: held.append(bytearray(1 << 26))", "MemoryError"),
}
HANGS = {
    "loop": "while True: pass",
    "loop in C": "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')",
    "long number": "pow(3, 10**9)",
    "swallows": "import time\n                while True:\n                    try: time.sleep(60)\n"
    "                    except BaseException: pass",
    "no alarm": "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0); time.sleep(60)",
    "ignores alarms": "import signal, time; signal.signal(signal.SIGALRM, signal.SIG_IGN); time.sleep(60)",
}
SCORES = {
    "inf": ("return float('inf')", "the score is inf,"),
    "-inf": ("return float('-inf')", "the score is -inf,"),
    "nan": ("return float('nan')", "the score is NaN"),
    "nothing": ("return None", "TypeError"),
    "a function": ("return lambda: 0", "TypeError"),
    "a huge number": ("return 10**400", "OverflowError"),
    "exits as a number": (
        "return type('N', (), {'__float__': lambda self: __import__('os')._exit(0)})()",
        "its process ended",
    ),
    "strange reason": (
        "error = fpcore.NotComparable('x'); error.reason = object(); raise error",
        "(its reason cannot be read)",
    ),
}
# Seconds of a processor each.
SLOW = {"all memory", "loop", "loop in C", "long number", "swallows", "no alarm", "ignores alarms"}


@dataclass(frozen=True)
class Scene:
    """Four models of two lineages, and a process for metrics."""

    folder: Path
    process: PluginProcess

    def chosen(self, *, limit: float | None = 60.0, **parts: str) -> ChosenMetric:
        filled = {"before": "", "inside": "", "fingerprint": "pass", "similarity": "pass"} | parts
        text = METRIC.format(bad_model="f1", bad_pair=set(BAD), **filled)
        path = self.folder / f"evil{len(list(self.folder.glob('evil*')))}.py"
        path.write_text(textwrap.dedent(text))
        return choose_from_file(f"{path}:Evil", self.process, limit)

    def scored(
        self, cache: Path, chosen: ChosenMetric, limit: float | None = LIMIT
    ) -> tuple[dict[str, Extraction], pd.DataFrame]:
        catalog = load_catalog(self.folder / "catalog.yaml")
        engine = Engine(lambda: Workspace(Cache(cache), "cpu"), workers=1)
        engine.here.lend(chosen, self.process)
        limits = {} if limit is None else {chosen.name: limit}
        found = {name: extract(engine.here, locate(catalog, name), [chosen], limits) for name in MODELS}
        pairs = pd.DataFrame(PAIRS, columns=["model_a", "model_b"])
        (frame,) = score_pairs(engine, [Job(chosen, pairs)], found, advance=lambda *_: None, limits=limits)
        return found, frame


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hostile")
    write_catalog(folder, founders=2, children=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin_process, "spare_memory", lambda: 1 << 30)
        process = PluginProcess()
    yield Scene(folder, process)
    process.close()


@pytest.fixture(autouse=True)
def fresh(scene: Scene) -> None:
    scene.process.restart()


@pytest.fixture(scope="module")
def honest(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    _, frame = scene.scored(tmp_path_factory.mktemp("cache"), scene.chosen())
    assert set(frame["status"]) == {"ok"}, list(frame["reason"])
    return list(frame["score"])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else [])
        for kind in (*CRASHES, *ERRORS, *HANGS, *SCORES)
    ],
)
def test_a_bad_pair_fails_alone(scene: Scene, tmp_path: Path, honest: list[float], kind: str) -> None:
    code, said = (HANGS[kind], "took longer than 5 s") if kind in HANGS else (CRASHES | ERRORS | SCORES)[kind]
    limit = SHORT if kind in HANGS else LIMIT
    found, frame = scene.scored(tmp_path, scene.chosen(similarity=code), limit)
    assert {one.outcomes["evil"].status for one in found.values()} == {"ok"}
    bad = PAIRS.index(BAD)
    assert frame["status"][bad] == ("abstained" if kind == "strange reason" else "failed")
    assert said in frame["reason"][bad]
    assert len(frame["reason"][bad]) < 1100
    assert "\n" not in frame["reason"][bad]
    rest = [place for place in range(len(PAIRS)) if place != bad]
    assert [frame["score"][place] for place in rest] == [honest[place] for place in rest]


@pytest.mark.parametrize(
    "kind",
    [
        "exit 0",
        "segfault",
        "kills its parent",
        "sys.exit 0",
        pytest.param("all memory", marks=pytest.mark.slow),
        pytest.param("loop in C", marks=pytest.mark.slow),
    ],
)
def test_a_bad_model_fails_alone(scene: Scene, tmp_path: Path, honest: list[float], kind: str) -> None:
    code, said = (HANGS[kind], "took longer than 5 s") if kind in HANGS else (CRASHES | ERRORS)[kind]
    limit = SHORT if kind in HANGS else LIMIT
    found, frame = scene.scored(tmp_path, scene.chosen(fingerprint=code), limit)
    outcomes = {model: one.outcomes["evil"] for model, one in found.items()}
    assert outcomes["f1"].status == "failed"
    assert said in outcomes["f1"].reason
    assert {outcomes[model].status for model in MODELS if model != "f1"} == {"ok"}
    ok = [place for place, pair in enumerate(PAIRS) if "f1" not in pair]
    assert [frame["score"][place] for place in ok] == [honest[place] for place in ok]
    assert set(frame["status"].drop(ok)) == {"failed"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os; os._exit(0)", "its process ended by itself (exit code 0)"),
        ("import ctypes; ctypes.string_at(0)", "its process was ended by SIGSEGV"),
        pytest.param("while True: pass", "took longer than 5 s", marks=pytest.mark.slow),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", "its message cannot be read"),
        ("raise KeyboardInterrupt", "could not be imported"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(scene: Scene, code: str, said: str) -> None:
    with pytest.raises(UsageError, match="could not be imported") as caught:
        scene.chosen(before=code, limit=SHORT if "while" in code else LIMIT)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "inside",
    [
        "version = '1'", "cost = 'free'", "evidence = {1}", "claims = (1,)", "title = 'x' * (1 << 21)",
        "version = 10**5000", "claims = [fpcore.Claim(threshold='high')]",
    ],
)  # fmt: skip
def test_what_a_metric_states_is_looked_at(scene: Scene, inside: str) -> None:
    with pytest.raises(UsageError, match=r"evil\d+\.py:Evil: ") as caught:
        scene.chosen(inside=inside)
    assert len(str(caught.value)) < 1500


def test_what_it_does_to_its_process_stays_there(scene: Scene, tmp_path: Path, honest: list[float]) -> None:
    meddling = """
    import builtins, os, sys, threading, time
    import numpy, analysis, fpcore.fingerprint
    os.chdir("/")
    os.environ["PATH"] = ""
    threading.Thread(target=time.sleep, args=(600,)).start()
    numpy.float64 = numpy.mean = None
    analysis.auc = lambda *_, **__: 1.0
    sys.stdout.close()
    """
    before, mean, auc = dict(os.environ), np.mean, sys.modules["analysis"].auc
    home, modules = os.getcwd(), set(sys.modules)
    _, frame = scene.scored(tmp_path, scene.chosen(before=textwrap.dedent(meddling).replace("\n", "\n    ")))
    assert list(frame["score"]) == honest
    assert (dict(os.environ), np.mean, sys.modules["analysis"].auc, os.getcwd()) == (before, mean, auc, home)
    assert not {name for name in set(sys.modules) - modules if "evil" in name}


def test_what_it_prints_is_no_result(scene: Scene, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin_process, "spare_memory", lambda: 0)
        process = PluginProcess()  # it prints where this process does now
    chosen = Scene(scene.folder, process).chosen(
        before="print('hello')", similarity="print('again', flush=True)"
    )
    Scene(scene.folder, process).scored(tmp_path, chosen)
    process.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert "again" in err


def test_patience_ends(scene: Scene, tmp_path: Path) -> None:
    """Whoever hangs on every model gets no hour of everybody's time."""
    hanging = scene.chosen(fingerprint="pass\n            import time; time.sleep(600)")
    found, _ = scene.scored(tmp_path, hanging, limit=0.3)
    reasons = [one.outcomes["evil"].reason for one in found.values()]
    assert reasons[:3] == ["took longer than 0.3 s"] * 3
    assert reasons[3] == "not tried, as 3 models in a row failed: took longer than 0.3 s"


def test_nothing_is_left_of_it(scene: Scene) -> None:
    process = PluginProcess()
    (pid,) = process.stream(60, _who)
    assert isinstance(pid, int)
    os.kill(pid, 0)
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_next_engine_ends_the_processes_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that works for one engine after the other does not gather those of metrics."""
    ended: list[str] = []

    class Held:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            ended.append(self.name)

    monkeypatch.setattr("benchmark.pipeline.process_state._shared", None)
    first = in_process("one", lambda: Held("one"))
    assert in_process("one", lambda: Held("again")) is first
    assert ended == []
    assert in_process("two", lambda: Held("two")).name == "two"
    assert ended == ["one"]


@pytest.mark.slow
def test_where_processes_cannot_be_copied_each_is_started(
    scene: Scene, tmp_path: Path, honest: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "FORKS", False)
    process = PluginProcess()
    other = Scene(scene.folder, process)
    chosen = other.chosen(similarity="import os; os._exit(3)")
    _, frame = other.scored(tmp_path, chosen)
    assert list(frame["status"]) == ["ok", "failed", "ok", "ok"]
    assert "its process ended by itself (exit code 3)" in frame["reason"][1]
    process.close()


def _who() -> Iterator[object]:
    yield os.getpid()


def _rambles() -> Iterator[object]:
    yield "x" * (1 << 22)


def test_a_line_without_end_is_not_kept(scene: Scene) -> None:
    with pytest.raises(PluginEnded, match="an unreadable answer"):
        list(scene.process.stream(60, _rambles))
