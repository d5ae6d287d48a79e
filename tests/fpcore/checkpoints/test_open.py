"""What a path or an id is opened as, and what is passed on; nothing is read or fetched here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fpcore.checkpoints import open as module
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.in_memory import MemoryCheckpoint
from fpcore.checkpoints.open import open_checkpoint
from fpcore.errors import BadCheckpoint, NotComparable
from fpcore.memo import Memo
from fpcore.remote.folder import Fetching
from fpcore.sampling import Sample

Call = tuple[str, tuple[object, ...], dict[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What was opened: each way, with what it was given."""
    made: list[Call] = []

    def noting(way: str) -> Any:
        def opened(*given: object, **options: object) -> Checkpoint:
            made.append((way, given, options))
            return MemoryCheckpoint("m", "d", {}, {})

        return opened

    for way in ("open_gguf", "open_adapter", "open_remote", "LocalCheckpoint"):
        monkeypatch.setattr(module, way, noting(way))
    monkeypatch.setattr(module, "usable_threads", lambda: 6)
    return made


def touch(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_what_is_on_disk(tmp_path: Path, calls: list[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = touch(tmp_path / "plain" / "model.safetensors")
    gguf = touch(tmp_path / "gguf" / "m.gguf")
    tokens = tmp_path / "tokens.json"
    for path, way, given in (
        (plain.parent, "LocalCheckpoint", plain.parent),
        (plain, "LocalCheckpoint", plain),
        (gguf.parent, "open_gguf", gguf),
        (gguf, "open_gguf", gguf),
    ):
        for form in (path, str(path)):
            open_checkpoint(form, name="shown", tokenizer=tokens)
            assert calls.pop() == (way, (given,), {"name": "shown", "tokenizer": tokens})
    monkeypatch.setenv("HOME", str(tmp_path))
    open_checkpoint("~/plain")
    assert calls.pop() == ("LocalCheckpoint", (plain.parent,), {"name": None, "tokenizer": None})
    # What exists is taken first, whatever it looks like.
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "org" / "model.safetensors")
    open_checkpoint("org/model.safetensors")
    assert calls.pop()[0] == "LocalCheckpoint"


def test_an_adapter_opens_its_base_as_it_was_opened(tmp_path: Path, calls: list[Call]) -> None:
    file = touch(tmp_path / "mine" / "adapter_model.bin")
    base = touch(tmp_path / "base" / "model.safetensors").parent
    fetching = Fetching()
    open_checkpoint(file.parent, name="shown", tokenizer="tokens.json")
    _, (found, name, open_base), _ = calls.pop()
    assert (found, name) == (file, "shown")
    assert callable(open_base)
    open_base(str(base))
    assert calls.pop() == ("LocalCheckpoint", (base,), {"name": None, "tokenizer": "tokens.json"})
    open_checkpoint(file, fetching=fetching)
    _, (_, name, open_base), _ = calls.pop()
    assert name is None
    assert callable(open_base)
    open_base("org/base@main")
    way, given, options = calls.pop()
    assert (way, given, options["name"], options["fetching"]) == (
        "open_remote",
        ("org/base", "main"),
        None,
        fetching,
    )


IDS = {
    "org/name": ("org/name", None, None),
    "org/name@main": ("org/name", "main", None),
    "org/name@step-1000/seed-3": ("org/name", "step-1000/seed-3", None),
    "org/name:Q4_K_M": ("org/name", None, "Q4_K_M"),
    "o.r-g_1/n.a-m_e@v1:a/b.gguf": ("o.r-g_1/n.a-m_e", "v1", "a/b.gguf"),
}


@pytest.mark.parametrize("text", IDS)
def test_what_is_on_the_hub(text: str, calls: list[Call]) -> None:
    repository, revision, file = IDS[text]
    fetching = Fetching()
    open_checkpoint(text, name="shown", fetching=fetching)
    way, given, options = calls.pop()
    assert (way, given) == ("open_remote", (repository, revision))
    assert (options["file"], options["name"], options["fetching"]) == (file, "shown", fetching)
    open_checkpoint(text, revision="other")
    assert calls.pop()[1] == (repository, "other")


def test_what_the_hub_leads_to(tmp_path: Path, calls: list[Call]) -> None:
    fetching = Fetching()
    open_checkpoint("org/name", fetching=fetching)
    _, _, options = calls.pop()
    folder = touch(tmp_path / "kept" / "model.safetensors").parent
    options["open_local"](folder, "shown")
    assert calls.pop() == ("LocalCheckpoint", (folder,), {"name": "shown", "tokenizer": None})
    adapter = touch(tmp_path / "mine" / "adapter_model.bin")
    options["open_local"](adapter.parent, "shown")
    _, (file, name, of_base), _ = calls.pop()
    assert (file, name) == (adapter, "shown")
    assert callable(of_base)
    for open_base in (options["open_base"], of_base):
        open_base("org/base@v1:x.gguf")
        way, given, base = calls.pop()
        assert (way, given) == ("open_remote", ("org/base", "v1"))
        assert (base["file"], base["name"], base["fetching"]) == ("x.gguf", None, fetching)
        # A stranger's file names no path on this machine.
        with pytest.raises(BadCheckpoint) as caught:
            open_base(str(folder))
        assert str(caught.value) == f"{folder}: not of the form org/name[@revision]"
    assert calls == []


NO_MODEL = {
    "": "no model given; give a directory, a weights file or org/name[@revision]",
    " ": "no model given; give a directory, a weights file or org/name[@revision]",
    **{
        text: f"{text}: no such file or directory, and not of the form org/name[@revision]"
        for text in ("nowhere", "./a/b", "a/b/c", "/a/b", "org/name@", "-org/name")
    },
}


@pytest.mark.parametrize("text", NO_MODEL)
def test_what_is_no_model(text: str, calls: list[Call]) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        open_checkpoint(text)
    assert str(caught.value) == NO_MODEL[text]
    assert calls == []


def test_what_does_not_go_together(tmp_path: Path, calls: list[Call]) -> None:
    for given, options, told in (
        (
            tmp_path,
            {"revision": "v1"},
            f"{tmp_path}: a revision (v1) was requested, but this is a local path",
        ),
        (
            Path("org/name"),
            {},
            "org/name: no such file or directory, and not of the form org/name[@revision]",
        ),
        (
            "org/name",
            {"tokenizer": "t.json"},
            "org/name: a tokenizer (t.json) was given, but a model on the hub is read with its own; download "
            "the model to read it with another",
        ),
    ):
        with pytest.raises(BadCheckpoint) as caught:
            open_checkpoint(given, **options)  # type: ignore[arg-type]
        assert str(caught.value) == told
    assert calls == []


def test_how_a_model_is_used(calls: list[Call], monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(module, "check_device", checked.append)
    sample, memo = Sample(0.5), Memo()
    found = open_checkpoint("org/name", device="cuda:1", sample=sample, memo=memo, threads=0)
    assert (found.device, found.sample, found.threads) == ("cuda:1", sample, 0)
    assert found.memo is memo
    plain = open_checkpoint("org/name")
    assert (plain.device, plain.sample, plain.threads) == ("cpu", None, 6)
    assert isinstance(plain.memo, Memo)
    assert checked == ["cuda:1", "cpu"]
    assert len(calls) == 2


def test_whatever_a_reader_raises_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (BadCheckpoint("a"), NotComparable("x")):

        def refuses(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(module, "open_remote", refuses)
        with pytest.raises(type(error)) as same:
            open_checkpoint("org/name")
        assert same.value is error

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr(module, "open_remote", breaks)
    with pytest.raises(BadCheckpoint) as caught:
        open_checkpoint("org/name")
    told = "cannot be opened (ZeroDivisionError: first); fetch it again or convert it"
    assert str(caught.value) == f"org/name: {told}"
