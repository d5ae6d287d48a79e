"""The session: what is not said comes from the environment once, and nothing is written back to it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from benchmark.session.cache import DEFAULT_LIMIT
from benchmark.session.errors import UsageError
from benchmark.session.session import Session


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOKALIKE_CACHE", "LOOKALIKE_CACHE_LIMIT", "LOOKALIKE_DEVICE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    # What a temporary cache sets goes with the test: a variable that was set here is put back.
    monkeypatch.setenv("MPLCONFIGDIR", "")
    monkeypatch.delenv("MPLCONFIGDIR")


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    session = Session.start()
    assert session.cache.path == tmp_path / "lookalike"
    assert session.cache.limit == DEFAULT_LIMIT
    assert session.device == "cpu"
    assert session.workers >= 1
    assert session.progress.quiet


def test_the_environment_is_read_and_arguments_come_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("LOOKALIKE_CACHE_LIMIT", "2.5 MB")
    assert Session.start().cache.path == tmp_path / "named"
    assert Session.start().cache.limit == 2_500_000
    said = Session.start(cache=str(tmp_path / "said"), cache_limit=7)
    assert (said.cache.path, said.cache.limit) == (tmp_path / "said", 7)
    assert Session.start(cache_limit="1kB").cache.limit == 1000


def test_a_cache_that_cannot_be_written_is_replaced_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    home = tmp_path / "home"
    home.write_text("a file: no folder can be made in it")
    monkeypatch.setenv("HOME", str(home))
    first, second = Session.start(), Session.start()
    assert first.cache.path == second.cache.path
    assert first.cache.path.parent == tmp_path
    assert first.cache.path.stat().st_mode & 0o077 == 0, "others may write into it"
    (line,) = capsys.readouterr().err.splitlines()
    assert str(home / ".cache" / "lookalike") in line
    assert str(first.cache.path) in line
    assert "$LOOKALIKE_CACHE" in line
    assert Path(os.environ["MPLCONFIGDIR"]).parent == first.cache.path, "matplotlib says the same once more"


def test_a_cache_in_part_of_somebody_else_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    named = tmp_path / "named"
    (named / "scores").mkdir(parents=True)
    assert Session.start(cache=named).cache.path == named
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != named / "scores" and access(path, mode)
    )
    assert Session.start(cache=named).cache.path != named


def test_a_temporary_cache_that_others_could_write_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    prepared = Session.start(cache=blocked / "one").cache.path
    prepared.chmod(0o777)
    assert Session.start(cache=blocked / "two").cache.path != prepared


def test_a_device_is_looked_for_and_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    before = dict(os.environ)
    assert Session.start(device="cuda:1").device == "cuda:1"
    assert dict(os.environ) == before
    monkeypatch.setenv("LOOKALIKE_DEVICE", "cuda")
    assert Session.start().device == "cuda"
    assert Session.start(device="cpu").device == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match=r"^\$LOOKALIKE_DEVICE cuda: PyTorch finds no CUDA device here"):
        Session.start()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"device": "tpu"}, "--device 'tpu' is not a device"),
        ({"workers": 0}, "workers: 0 is less than 1"),
        ({"cache_limit": "much"}, "cache_limit: 'much' is not a size; write it as 10GB"),
        ({"cache_limit": "-1GB"}, "is not a size"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        Session.start(**arguments)  # type: ignore[arg-type]
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bad_limit_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE_LIMIT", "ten")
    with pytest.raises(UsageError, match=r"^\$LOOKALIKE_CACHE_LIMIT: 'ten'"):
        Session.start()
