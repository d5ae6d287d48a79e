"""An adapter on its base: whose tensors are read, what the base is asked for, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from asked_source import AskedSource
from safetensors.torch import save_file

from fpcore.checkpoints import adapter as module
from fpcore.checkpoints.adapter import AdapterCheckpoint, adapter_file, open_adapter
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest
from fpcore.checkpoints.in_memory import MemoryCheckpoint
from fpcore.errors import BadCheckpoint
from fpcore.remote.traffic import Fetched
from fpcore.storage.adapters import ADAPTER_CONFIG
from fpcore.storage.tensor_source import TensorInfo

A, B = torch.arange(6.0).reshape(3, 2), torch.arange(8.0).reshape(4, 2)
Wanted = Mapping[str, Sequence[tuple[int, int]]]


class Base(AskedSource, MemoryCheckpoint):
    """A base that notes what is asked of it."""

    on_hub = True
    verified = cast(Any, True)
    fetched = cast(Any, Fetched(1, 2, 3.0))

    def __init__(self) -> None:
        tensors = {"model.a.weight": A, "model.head.weight": B, "model.norm.weight": A[0]}
        super().__init__("base", "ab" * 32, {"model_type": "any"}, tensors, "tokenizer.json")
        self.asked: list[object] = []
        self.key = self.digest

    @property
    def cache_key(self) -> str:
        return self.key

    def file_of(self, name: str) -> str:
        return f"file of {name}"

    def prefetch(self, names: Iterable[str]) -> None:
        self.asked.append(list(names))

    def bytes_on_hub(self, names: Iterable[str]) -> int:
        self.asked.append(list(names))
        return 5

    def fetch_size(self, names: Iterable[str]) -> int:
        self.asked.append(list(names))
        return 6

    def measure_rate(self, names: Iterable[str]) -> float:
        self.asked.append(list(names))
        return 7.0

    def prefetch_stretches(self, wanted: Wanted) -> None:
        self.asked.append(wanted)

    def stretches_on_hub(self, wanted: Wanted) -> tuple[int, int]:
        self.asked.append(wanted)
        return 8, 9

    def let_go(self) -> None:
        self.asked.append("let go")


LORA = "base_model.model.model.a.lora_A.weight"
SAVED = "base_model.model.model.head.modules_to_save.weight"


@pytest.fixture(params=["adapter_model.safetensors", "adapter_model.bin"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    tensors = {LORA: torch.ones(1, 2), SAVED: B + 1}
    found: Path = folder / request.param
    if found.suffix == ".bin":
        torch.save(tensors, found)
    else:
        save_file(tensors, found)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 1}))
    return found


def test_tensors_of_both(file: Path) -> None:
    base = Base()
    found = AdapterCheckpoint(file, {"r": 1}, base, "shown")
    assert (found.name, found.path, found.on_hub, found.base) == ("shown", file.parent, True, base)
    assert found.config == {"model_type": "any", ADAPTER_CONFIG: {"r": 1}}
    lora, head = "model.a.lora_A.weight", "model.head.weight"
    assert list(found.tensors.items()) == [
        ("model.a.weight", TensorInfo((3, 2), "float32")),
        ("model.norm.weight", TensorInfo((2,), "float32")),
        (lora, TensorInfo((1, 2), "float32")),
        (head, TensorInfo((4, 2), "float32")),
    ]
    assert torch.equal(found.read("model.a.weight"), A)
    assert torch.equal(found.read(lora), torch.ones(1, 2))
    assert torch.equal(found.read(head), B + 1)
    assert found.file_of("model.a.weight") == "file of model.a.weight"
    assert found.file_of(head) == str(file)
    assert base.asked == []
    for name, whole in (("model.a.weight", A), (head, B + 1)):
        assert torch.equal(found.read_part(name, 2), whole[2])
        assert torch.equal(found.read_rows(name, 1, 3), whole[1:3])
        assert found.flat(name).read(0, 6).tolist() == whole.reshape(-1)[:6].tolist()
    own = "model.a.weight"
    assert base.asked == [("part", own, 2), ("rows", own, 1, 3), ("flat", own)]


def test_the_base_is_asked_for_what_is_its_own(file: Path) -> None:
    base = Base()
    found = AdapterCheckpoint(file, {}, base, "shown")
    names = ["model.a.weight", "model.head.weight", "model.a.lora_A.weight"]
    own = ["model.a.weight"]
    found.prefetch(names)
    assert (found.bytes_on_hub(names), found.fetch_size(names), found.measure_rate(names)) == (5, 6, 7.0)
    wanted = {name: [(0, 2)] for name in names}
    found.prefetch_stretches(wanted)
    assert found.stretches_on_hub(wanted) == (8, 9)
    found.let_go()
    assert base.asked == [own] * 4 + [{"model.a.weight": [(0, 2)]}] * 2 + ["let go"]
    assert (found.fetched, found.verified) == (Fetched(1, 2, 3.0), True)
    assert found.tokenizer_file() == Path("tokenizer.json")


def test_the_digest_is_of_both(file: Path) -> None:
    base = Base()
    found = AdapterCheckpoint(file, {"r": 1}, base, "shown")
    parts = [
        bytes.fromhex("ab" * 32),
        hashlib.sha256(file.read_bytes()).digest(),
        config_digest({"model_type": "any", ADAPTER_CONFIG: {"r": 1}}),
    ]
    digest = hashlib.sha256(b"adapter" + b"".join(parts)).hexdigest()
    assert found.digest == found.cache_key == digest
    base.key = "by the hub's word"
    assert found.cache_key == hashlib.sha256(f"{digest} on by the hub's word".encode()).hexdigest()


FOUND: dict[str, tuple[str, str | None]] = {
    "an adapter": ("adapter_model.safetensors adapter_config.json", "adapter_model.safetensors"),
    "of torch": ("adapter_model.bin training_args.bin", "adapter_model.bin"),
    "both": ("adapter_model.bin adapter_model.safetensors", "adapter_model.safetensors"),
    "beside a model": ("adapter_model.safetensors model.safetensors", None),
    "beside a model of torch": ("adapter_model.safetensors pytorch_model-1.bin", None),
    "beside a GGUF file": ("adapter_model.bin m.gguf", None),
    "none": ("config.json other_adapter_model.bin", None),
}


@pytest.mark.parametrize("what", FOUND)
def test_where_an_adapter_is(what: str, tmp_path: Path) -> None:
    names, found = FOUND[what]
    for name in names.split():
        (tmp_path / name).touch()
    assert adapter_file(tmp_path) == (None if found is None else tmp_path / found)
    for name in names.split():
        expected = tmp_path / name if name in {"adapter_model.safetensors", "adapter_model.bin"} else None
        assert adapter_file(tmp_path / name) == expected


def opening(asked: list[str]) -> Callable[[str], Checkpoint]:
    def open_base(base: str) -> Checkpoint:
        asked.append(base)
        return Base()

    return open_base


def test_a_base_is_opened_by_its_name_or_beside_the_adapter(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    found = open_adapter(file, None, opening(asked))
    assert found.name == "mine"
    assert found.config[ADAPTER_CONFIG] == {"base_model_name_or_path": "org/base", "r": 1}
    assert open_adapter(file, "shown", opening(asked)).name == "shown"
    monkeypatch.chdir(file.parent)
    assert open_adapter(Path(file.name), None, opening(asked)).name == "mine"
    (file.parent / "org" / "base").mkdir(parents=True)
    open_adapter(file, None, opening(asked))
    assert asked == ["org/base"] * 3 + [str(file.parent / "org" / "base")]


SETTINGS: dict[str, tuple[object, str]] = {
    "no settings": (
        None,
        "{file}: an adapter without its adapter_config.json, which names its base model and scale; add it, "
        "or merge the adapter into the base model first",
    ),
    "a list": ([], "{settings}: not a JSON object; fetch it again"),
    "another kind": (
        {"peft_type": "ia3", "base_model_name_or_path": "org/base"},
        "{file}: an adapter of kind IA3, which is not supported; merge it into its base first",
    ),
    **{
        f"a base of {base!r}": (
            {"base_model_name_or_path": base},
            "{settings}: names no base model; add base_model_name_or_path, or merge the adapter first",
        )
        for base in (None, " ", ["org/base"])
    },
}


@pytest.mark.parametrize("what", SETTINGS)
def test_an_adapter_that_cannot_be_opened(what: str, tmp_path: Path) -> None:
    content, told = SETTINGS[what]
    settings = tmp_path / "adapter_config.json"
    if content is not None:
        settings.write_text(json.dumps(content))
    file = tmp_path / "adapter_model.bin"
    with pytest.raises(BadCheckpoint) as caught:
        open_adapter(file, None, opening([]))
    assert str(caught.value) == told.format(file=file, settings=settings)


@pytest.mark.parametrize("kind", [None, "", "lora", "LORA"])
def test_kinds_that_are_read(kind: str | None, file: Path) -> None:
    settings = {"base_model_name_or_path": "org/base", "peft_type": kind}
    (file.parent / "adapter_config.json").write_text(json.dumps(settings))
    assert open_adapter(file, None, opening([])).tensors


def test_a_base_that_cannot_be_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(base: str) -> Checkpoint:
        raise BadCheckpoint("x: no such thing")

    with pytest.raises(BadCheckpoint) as caught:
        open_adapter(file, None, fails)
    told = "an adapter of org/base, which cannot be opened (x: no such thing); put the path of the base into"
    assert str(caught.value) == f"{file}: {told} adapter_config.json, or merge the adapter first"
    monkeypatch.setattr(module, "LARGEST", 2)
    with pytest.raises(BadCheckpoint, match=r"adapter_config\.json: more than 2 bytes"):
        open_adapter(file, None, opening([]))
