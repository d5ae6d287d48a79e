"""What every checkpoint can be asked, whatever it is made of, on models of a few numbers in memory."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from fpcore.anatomy import Architecture
from fpcore.anatomy.shape_check import ShapeContradiction
from fpcore.checkpoints.base import one_line
from fpcore.checkpoints.in_memory import MemoryCheckpoint
from fpcore.errors import BadCheckpoint, NotComparable, UnknownTensor
from fpcore.memo import Memo
from fpcore.remote.traffic import Fetched
from fpcore.storage.tensor_source import TensorInfo

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "intermediate_size": 6,
}
LAYER = {"self_attn.q_proj": (4, 4), "self_attn.k_proj": (4, 4), "mlp.up_proj": (6, 4)}


def model(*odd: str, **config: Any) -> MemoryCheckpoint:
    tensors = {f"model.layers.0.{name}.weight": torch.ones(shape) for name, shape in LAYER.items()}
    tensors |= {name: torch.ones(4) for name in odd}
    return MemoryCheckpoint(
        "m", "d", CONFIG | config, {"model.embed_tokens.weight": torch.ones(9, 4), **tensors}
    )


def test_what_a_model_in_memory_is() -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 1, dtype=torch.int8)}
    found = MemoryCheckpoint("m", "d", CONFIG, tensors)
    assert (found.name, found.digest, found.config, found.device) == ("m", "d", CONFIG, "cpu")
    assert found.tensors == {"a": TensorInfo((3,), "float32"), "b": TensorInfo((2, 1), "int8")}
    assert found.read("a") is tensors["a"]
    assert found.tokenizer_file() is None
    del tensors["a"]
    assert found.read("a").tolist() == [0, 1, 2]
    other = MemoryCheckpoint("m", "d", {}, {}, "tokenizer.json", device="cuda:1")
    assert (other.tokenizer_file(), other.device) == (Path("tokenizer.json"), "cuda:1")


def test_a_model_that_is_here_costs_no_network() -> None:
    here = model()
    assert (here.bytes_on_hub(["a"]), here.fetch_size(["a"])) == (0, 0)
    assert here.stretches_on_hub({"a": [(0, 9)]}) == (0, 0)
    assert here.fetched == Fetched()
    assert math.isnan(here.measure_rate(["a"]))
    assert here.verified is None
    assert (here.path, here.on_hub, here.unread_files, here.sample, here.told) == (
        None,
        False,
        (),
        None,
        None,
    )
    here.let_go()
    assert here.cache_key == here.digest


def test_what_travels_to_another_process() -> None:
    here = model()
    here.told = cast(Any, lambda done, total, what: None)
    there = pickle.loads(pickle.dumps(here))
    assert there.told is None
    assert there.read("model.embed_tokens.weight").shape == (9, 4)
    assert repr(there) == "MemoryCheckpoint('m')"


def test_a_digest_that_another_process_has_computed() -> None:
    class Slow(MemoryCheckpoint):
        digest = cast(Any, None)

    slow = Slow("m", "d", {}, {})
    slow.known_as("computed")
    assert vars(slow)["digest"] == "computed"


def test_what_is_kept_of_a_model() -> None:
    here = model()
    assert isinstance(here.memo, Memo)
    assert here.memo is here.memo
    assert here.memo is not model().memo


def test_the_vocabulary_of_its_tokenizer(tmp_path: Path) -> None:
    assert model().tokenizer_vocabulary() is None
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    assert MemoryCheckpoint("m", "d", {}, {}, file).tokenizer_vocabulary() == {"a": 0}


SHAPE = Architecture("llama", 1, 4, 2, 2, 6, vocabulary=9, head_dim=2)


def test_roles_and_shape() -> None:
    here = model()
    assert here.architecture == SHAPE
    assert here.roles is here.anatomy.roles
    assert here.reading == "by table"
    assert model(model_type="unheard").reading == "by convention"


def test_a_shape_by_the_config_where_tensors_cannot_be_read() -> None:
    odd = model("model.layers.0.odd.weight", "model.layers.0.self_attn.q_proj.bias")
    with pytest.raises(UnknownTensor):
        _ = odd.roles
    assert odd.reading == ""
    assert odd.architecture == Architecture("llama", 1, 4, 2, 2, 6, qkv_bias=True, head_dim=2)
    told = r"^m: config\.json: none of intermediate_size, .* is given"
    with pytest.raises(BadCheckpoint, match=told):
        _ = model("model.layers.0.odd.weight", intermediate_size=None).architecture
    with pytest.raises(ShapeContradiction, match=r"hidden_size is 5, but the tensors show 4"):
        _ = model(hidden_size=5).architecture
    assert model(hidden_size=5).reading == ""


def test_what_is_no_part_of_the_language_model() -> None:
    towers = ("vision_tower.a.weight", "vision_tower.b.weight", "odd.weight")
    here = model(*towers)
    here.unread_files = ("more.bin", "mtp.safetensors")
    files = {"the file more.bin": 1, "the file mtp.safetensors": 1}
    assert here.apart == {"towers of other modalities": 2, "not known here: odd": 1} | files
    unread = model(*towers, "model.layers.0.odd.weight")
    unread.unread_files = ("more.bin",)
    assert unread.apart == {"towers of other modalities": 2, "the file more.bin": 1}


def test_whatever_a_config_does_is_one_line() -> None:
    for error in (BadCheckpoint("a\nb"), NotComparable("x")):
        with pytest.raises(type(error)) as same, one_line("m"):
            raise error
        assert same.value is error
    with pytest.raises(BadCheckpoint) as caught, one_line("m"):
        raise ZeroDivisionError("first\nsecond")
    told = (
        "its config.json and tensors do not form a model (ZeroDivisionError: first); is it the right config?"
    )
    assert str(caught.value) == f"m: {told}"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with one_line("m"):
        pass


@pytest.mark.parametrize("way", ["anatomy", "architecture"])
def test_a_config_that_breaks_its_reader_is_one_line(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("fpcore.checkpoints.base.read_anatomy", breaks)
    if way == "architecture":
        monkeypatch.setattr("fpcore.checkpoints.base.Architecture.from_config", breaks)
    with pytest.raises(
        BadCheckpoint, match=r"^m: its config\.json and tensors do not form a model \(ZeroDivisionError"
    ):
        getattr(model(), way)
