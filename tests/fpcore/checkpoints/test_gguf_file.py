"""GGUF files as checkpoints: from metadata and tensors of a few numbers, with no file behind them."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fpcore.anatomy import Architecture
from fpcore.checkpoints import gguf_file
from fpcore.checkpoints.gguf_architectures import NOT_READ
from fpcore.checkpoints.gguf_file import UNREAD, GgufCheckpoint, one, open_gguf
from fpcore.checkpoints.gguf_reader import GgufFiles
from fpcore.errors import BadCheckpoint
from fpcore.storage.flat_tensor import DecodedTensor, HeldTensor, TensorInFile
from fpcore.storage.tensor_source import TensorInfo

gguf = pytest.importorskip("gguf", reason="the gguf extra is not installed")
from test_gguf_reader import Lying, Stated, turned  # noqa: E402

Parts = dict[str, NDArray[Any]]
PATH = Path("folder") / "m.gguf"


def numbers(*shape: int) -> NDArray[np.float32]:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


WHOLE: Parts = {"token_embd.weight": numbers(9, 4), "output_norm.weight": numbers(4)}
for _layer in range(2):
    WHOLE |= {
        f"blk.{_layer}.attn_norm.weight": numbers(4),
        f"blk.{_layer}.attn_q.weight": numbers(4, 4),
        f"blk.{_layer}.attn_k.weight": numbers(4, 4),
        f"blk.{_layer}.ffn_up.weight": numbers(6, 4),
    }
FACTS = {"embedding_length": 4, "block_count": 2, "attention.head_count": 2, "feed_forward_length": 6}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a file of such an architecture, with these tensors beside those of a small model."""

    def make(
        architecture: str = "qwen2",
        more: Parts | None = None,
        *,
        without: str = "-",
        swapped: bool = False,
        encodings: dict[str, str] | None = None,
        general: dict[str, object] | None = None,
        **facts: object,
    ) -> GgufCheckpoint:
        parts = {name: values for name, values in WHOLE.items() if without not in name} | (more or {})
        kinds = {np.dtype(np.float16): "F16", np.dtype(np.float64): "F64", np.dtype(np.uint8): "Q8_0"}
        tensors = {}
        for place, (name, values) in enumerate(parts.items()):
            encoding = (encodings or {}).get(name, kinds.get(values.dtype, "F32"))
            *axes, width = values.shape
            width = {"Q8_0": width // 34 * 32, "BF16": width // 2}.get(encoding, width)
            shape = np.array([width, *axes[::-1]])
            tensors[name] = Lying(name, 100 + place, data=values, encoding=encoding, shape=shape)
        stated = {"general.architecture": architecture} | (general or {})
        stated |= {f"{architecture}.{key}": value for key, value in (FACTS | facts).items()}
        fields = {key: Stated(value) for key, value in stated.items() if value is not None}
        where = {name: PATH.parent / "n.gguf" if "blk.1." in name else PATH for name in tensors}
        files = GgufFiles((PATH, PATH.parent / "n.gguf"), fields, tensors, where, swapped)
        monkeypatch.setattr(gguf_file, "open_files", lambda path: files)
        found = open_gguf(PATH)
        assert isinstance(found, GgufCheckpoint)
        return found

    return make


def test_names_and_config_are_the_hubs(opened: Any) -> None:
    found = opened()
    assert (found.name, found.path) == ("m", PATH)
    assert found.tensors["model.embed_tokens.weight"] == TensorInfo((9, 4), "float32")
    assert set(found.tensors) == {
        *("model.embed_tokens.weight", "model.norm.weight"),
        *(
            f"model.layers.{layer}.{name}.weight"
            for layer in range(2)
            for name in ("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj")
        ),
    }
    assert found.config == {
        "model_type": "qwen2",
        "hidden_size": 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 6,
        "vocab_size": 9,
        "tie_word_embeddings": True,
        "attention_bias": False,
    }
    assert found.architecture == Architecture("qwen2", 2, 4, 2, 2, 6, vocabulary=9, head_dim=2, tied=True)
    assert found.read("model.norm.weight").tolist() == [0, 1, 2, 3]
    assert found.file_of("model.norm.weight") == str(PATH)
    assert found.file_of("other") == str(PATH)
    assert found.file_of("model.layers.1.mlp.up_proj.weight") == str(PATH.parent / "n.gguf")
    assert found.tensors["model.layers.0.input_layernorm.weight"].shape == (4,)
    flat = found.flat("model.norm.weight")
    assert isinstance(flat, TensorInFile)
    assert flat.begin == 101
    more = opened(more={"output.weight": numbers(9, 4), "blk.0.attn_q.bias": numbers(4)}, vocab_size=8)
    assert (more.config["tie_word_embeddings"], more.config["attention_bias"]) == (False, True)
    assert more.config["vocab_size"] == 8


def test_names_that_the_hub_gives_some_types_alone(opened: Any) -> None:
    found = opened("phi3", {"blk.0.attn_qkv.weight": numbers(12, 4)})
    assert {"model.layers.0.mlp.gate_up_proj.weight", "model.layers.0.self_attn.qkv_proj.weight"} <= set(
        found.tensors
    )
    for name in ("blk.0.odd.weight", "odd.weight"):
        assert opened(more={name: numbers(4)}).tensors[name].shape == (4,), "all keep their own names"


def test_a_name_and_a_tokenizer_that_are_given(opened: Any, tmp_path: Path) -> None:
    opened()
    path, other = tmp_path / "m.gguf", tmp_path / "other.json"
    assert open_gguf(path).tokenizer_file() is None
    (tmp_path / "tokenizer.json").touch()
    plain = open_gguf(str(path))
    assert (plain.name, plain.tokenizer_file()) == ("m", tmp_path / "tokenizer.json")
    assert open_gguf(path, tokenizer=other).tokenizer_file() is None
    other.touch()
    given = open_gguf(path, name="shown", tokenizer=str(other))
    assert (given.name, given.tokenizer_file()) == ("shown", other)


def test_numbers_of_each_layer_are_their_largest() -> None:
    assert one([3, 7.5, "x", 2]) == 7.5
    assert one([]) is None
    assert one("x") == "x"
    assert one(4) == 4


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"architecture": None}, "no general.architecture in its metadata; fetch it again"),
    (
        {"general": {"general.type": "adapter"}},
        "a GGUF file of kind 'adapter', not a whole model; merge it into its model, or give the model's file",
    ),
    ({"architecture": "mamba"}, f"GGUF architecture 'mamba' is {NOT_READ['mamba']}"),
    (
        {"architecture": "unheard"},
        "GGUF architecture 'unheard' is unknown, as is how conversion reordered its rows; give the original "
        "files",
    ),
    ({"without": "blk"}, "no layer tensors; is this the file of a whole model?"),
    ({"without": "token_embd"}, "no token_embd.weight; is this the file of a whole model?"),
    (
        {"block_count": 3},
        "block_count is 3 in its metadata, but it has tensors of 2 layers; fetch it again",
    ),
    (
        {"block_count": 1},
        "block_count is 1 in its metadata, but it has tensors of 2 layers; fetch it again",
    ),
    (
        {"more": {"blk.3.attn_q.weight": numbers(4, 4)}},
        "there are tensors of layer 3 but none of layer 2; part of the weights is missing",
    ),
    (
        {"architecture": "llama", "attention.head_count": None},
        "no llama.attention.head_count in its metadata for layer 0",
    ),
]


@pytest.mark.parametrize(("options", "told"), REFUSED)
def test_what_is_no_model(options: dict[str, Any], told: str, opened: Any) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        _ = opened(**options).depth
    assert str(caught.value) == f"{PATH}: {told}"


def test_kinds_of_files_that_are_models(opened: Any) -> None:
    for kind in ("model", "None"):
        assert opened(general={"general.type": kind}).depth == 2


TYPES: list[tuple[str, Parts, str]] = [
    ("llama", {}, "llama"),
    ("llama", {"blk.0.ffn_gate_inp.weight": numbers(3, 4)}, "mixtral"),
    ("deepseek2", {}, "deepseek_v2"),
    ("deepseek2", {"blk.0.exp_probs_b.bias": numbers(3)}, "deepseek_v3"),
    ("qwen2", {"blk.0.ffn_gate_inp.weight": numbers(3, 4)}, "qwen2"),
]


@pytest.mark.parametrize(("architecture", "more", "model_type"), TYPES)
def test_the_type_that_the_hub_gives_it(architecture: str, more: Parts, model_type: str, opened: Any) -> None:
    found = opened(architecture, more)
    assert found.model_type == found.config["model_type"] == model_type


def test_what_is_set_aside(opened: Any) -> None:
    more = {
        "blk.2.nextn.embed.weight": numbers(4),
        "blk.2.attn_q.weight": numbers(4, 4),
        "v.patch.weight": numbers(3),
        "cls.weight": numbers(3),
        "dense_2.weight": numbers(3),
        "rope_freqs.weight": np.ones(2, np.float32),
        "blk.0.attn_q.input_scale": numbers(1),
    }
    for stated in (2, 3, None):
        found = opened(more=more, block_count=stated)
        assert found.depth == found.config["num_hidden_layers"] == 2
        assert set(found.tensors) == set(opened().tensors)
        assert found.apart == {"draft heads": 2, "towers of other modalities": 1, "heads for other tasks": 2}
    with pytest.raises(BadCheckpoint, match=r"block_count is 4 in its metadata"):
        _ = opened(more=more, block_count=4)


def test_what_running_it_would_need(opened: Any) -> None:
    rope = "how its rotary embedding is scaled"
    for options, unread in (
        ({}, None),
        ({"rope.scaling.type": "none"}, None),
        ({"rope.scaling.type": "yarn"}, rope),
        ({"more": {"rope_freqs.weight": np.ones(2, np.float32)}}, None),
        ({"more": {"rope_freqs.weight": numbers(2)}}, rope),
        ({"architecture": "phi3"}, "how a phi3 is run"),
        ({"architecture": "gemma"}, "how a gemma is run"),
        ({"more": {"blk.0.attn_qkv.weight": numbers(12, 4)}}, "how a qwen2 is run"),
    ):
        assert opened(**options).config.get(UNREAD) == unread, options


def test_rows_of_pairs_are_brought_back(opened: Any) -> None:
    found = opened("llama")
    query = found.read("model.layers.0.self_attn.q_proj.weight")
    assert query.tolist() == numbers(4, 4).tolist(), "two rows a head: nothing moves"
    wide = opened("llama", {"blk.1.attn_q.weight": numbers(8, 4)}, **{"attention.head_count_kv": 1})
    moved = numbers(8, 4)[[0, 2, 1, 3, 4, 6, 5, 7]]
    name = "model.layers.1.self_attn.q_proj.weight"
    assert wide.read(name).tolist() == moved.tolist()
    assert wide.read_part(name, 1).tolist() == moved[1].tolist()
    flat = wide.flat(name)
    assert isinstance(flat, HeldTensor)
    assert flat.dtype == "float32"
    own = opened("granite", {"blk.1.attn_q.weight": numbers(8, 4), "blk.0.attn_q_norm.weight": numbers(2, 4)})
    assert own.read("blk.1.attn_q.weight").tolist() == moved.tolist()
    gains = numbers(2, 4)[:, [0, 2, 1, 3]].tolist()
    assert own.read("blk.0.attn_q_norm.weight").tolist() == gains
    llama = opened("llama", {"blk.0.attn_q_norm.weight": numbers(2, 4)})
    assert llama.read("model.layers.0.self_attn.q_norm.weight").tolist() == gains
    assert flat.read(0, 32).tolist() == moved.reshape(-1).tolist()
    assert wide.read_part("model.layers.1.mlp.up_proj.weight", 5).tolist() == numbers(6, 4)[5].tolist()


STACK = {"blk.0.ffn_up_exps.weight": numbers(3, 5, 4), "blk.0.ffn_gate_inp_shexp.weight": numbers(4)}


def test_experts_are_parts_of_a_stack(opened: Any) -> None:
    found = opened("qwen2moe", STACK)
    assert found.config["num_experts"] == 3
    name = "model.layers.0.mlp.experts.2.up_proj.weight"
    assert found.tensors[name] == TensorInfo((5, 4), "float32")
    assert found.read(name).tolist() == numbers(3, 5, 4)[2].tolist()
    assert found.read_part(name, 1).tolist() == numbers(3, 5, 4)[2][1].tolist()
    flat = found.flat(name)
    assert isinstance(flat, TensorInFile)
    place = 100 + list(found.files.tensors).index("blk.0.ffn_up_exps.weight")
    assert (flat.path, flat.begin, flat.size, flat.dtype) == (PATH, place + 2 * 20 * 4, 20, "float32")
    gate = "model.layers.0.mlp.shared_expert_gate.weight"
    assert found.tensors[gate] == TensorInfo((1, 4), "float32")
    assert found.read(gate).tolist() == [[0, 1, 2, 3]]
    assert found.file_of(name) == str(PATH)
    assert opened("qwen2moe", STACK, expert_count=4).config["num_experts"] == 4
    with pytest.raises(
        BadCheckpoint, match=r"^folder/m\.gguf: blk\.0\.ffn_up_exps\.weight holds 20,000 experts"
    ):
        opened("qwen2moe", {"blk.0.ffn_up_exps.weight": np.zeros((20_000, 0, 4), np.float32)})


def test_a_scale_beside_a_weight_acts_on_it(opened: Any) -> None:
    more = STACK | {"blk.0.ffn_up_exps.scale": numbers(3) + 2, "blk.1.ffn_up.scale": numbers(1) + 3}
    found = opened("qwen2moe", more)
    up, expert = "model.layers.1.mlp.up_proj.weight", "model.layers.0.mlp.experts.2.up_proj.weight"
    assert found.read(up).tolist() == (3 * numbers(6, 4)).tolist()
    assert found.read_part(up, 2).tolist() == (3 * numbers(6, 4))[2].tolist()
    assert found.read(expert).tolist() == (4 * numbers(3, 5, 4)[2]).tolist()
    assert found.read(expert.replace("2", "1")).tolist() == (3 * numbers(3, 5, 4)[1]).tolist()
    stack = opened("gemma", more).read("blk.0.ffn_up_exps.weight")
    assert stack.tolist() == ((numbers(3) + 2)[:, None, None] * numbers(3, 5, 4)).tolist()
    flat = found.flat(expert)
    assert isinstance(flat, HeldTensor)
    assert flat.read(0, 20).tolist() == (4 * numbers(3, 5, 4)[2]).reshape(-1).tolist()


def test_other_element_types(opened: Any) -> None:
    from gguf.quants import quantize

    real = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32)
    packed = np.asarray(quantize(real, gguf.GGMLQuantizationType.Q8_0))
    more = {"blk.0.attn_q.weight": packed, "blk.0.attn_k.weight": numbers(4, 4).astype(np.float16)}
    found = opened(more=more)
    query, key = (f"model.layers.0.self_attn.{part}_proj.weight" for part in "qk")
    assert found.tensors[query] == TensorInfo((4, 32), "float32")
    assert found.tensors[key] == TensorInfo((4, 4), "float16")
    assert found.read(key).dtype == torch.float16
    np.testing.assert_allclose(found.read(query).numpy(), real, atol=0.02)
    flat = found.flat(query)
    assert isinstance(flat, DecodedTensor)
    np.testing.assert_array_equal(flat.read(32, 96), found.read(query).numpy().reshape(-1)[32:96])
    bits = {"blk.0.attn_k.weight": np.asarray(quantize(real, gguf.GGMLQuantizationType.BF16)).view(np.uint8)}
    short = opened(more=bits, encodings={"blk.0.attn_k.weight": "BF16"})
    assert short.read(key).dtype == torch.bfloat16
    assert torch.equal(short.read(key), torch.from_numpy(real).bfloat16())
    stack = {"blk.0.ffn_up_exps.weight": np.stack([packed, packed[::-1]])}
    expert = opened("qwen2moe", stack).flat("model.layers.0.mlp.experts.1.up_proj.weight")
    np.testing.assert_array_equal(expert.read(0, 32), found.read(query).numpy()[3])
    big = {"blk.0.attn_k.weight": numbers(4, 4).astype(">f4"), "blk.0.attn_q.weight": turned(packed, "Q8_0")}
    other = opened(more=big, swapped=True)
    assert isinstance(other.flat(key), HeldTensor)
    assert other.read(key).tolist() == numbers(4, 4).tolist()
    assert torch.equal(other.read(query), found.read(query))


def test_other_architectures_keep_their_names(opened: Any) -> None:
    more = {
        "blk.0.attn_k_b.weight": numbers(2, 3, 5),
        "blk.1.attn_k_b.weight": numbers(6, 5),
        "blk.1.ffn_up_exps.weight": numbers(2, 3, 5),
        "blk.0.attn_v_b.weight": numbers(2, 3, 5),
        "blk.0.ffn_gate_inp_shexp.weight": numbers(4),
    }
    found = opened("gemma", more)
    assert found.tensors["blk.0.attn_k_b.weight"] == TensorInfo((10, 3), "float32")
    assert (
        found.read("blk.0.attn_k_b.weight").tolist()
        == numbers(2, 3, 5).swapaxes(1, 2).reshape(10, 3).tolist()
    )
    assert found.tensors["blk.0.attn_v_b.weight"] == TensorInfo((6, 5), "float32")
    assert found.tensors["blk.0.ffn_gate_inp_shexp.weight"] == TensorInfo((1, 4), "float32")
    assert found.tensors["blk.1.attn_k_b.weight"] == TensorInfo((6, 5), "float32")
    assert found.tensors["blk.1.ffn_up_exps.weight"] == TensorInfo((2, 3, 5), "float32")
    assert found.tensors["blk.0.attn_norm.weight"] == TensorInfo((4,), "float32")
    plain = opened("gemma")
    assert plain.roles["layers.1.attention.query.weight"].source == "blk.1.attn_q.weight"
    assert plain.roles.depth == 2
    assert plain.architecture == Architecture("gemma", 2, 4, 2, 2, 6, vocabulary=9, head_dim=2, tied=True)
    untied = opened("gemma", {"output.weight": numbers(9, 4)})
    assert untied.architecture.tied is False
    with pytest.raises(BadCheckpoint) as caught:
        _ = opened("gemma", embedding_length=5).architecture
    told = "embedding_length is 5 in its metadata, but its tensors are 4 wide"
    assert str(caught.value) == f"{PATH}: {told}"
    assert opened("gemma", embedding_length=None).architecture.width == 4


def test_the_digest_is_of_all_files(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_file, "file_digest", lambda path: path.name.encode())
    assert opened().digest == hashlib.sha256(b"gguf" + b"m.gguf" + b"n.gguf").hexdigest()


def test_another_process_opens_the_files_again(opened: Any) -> None:
    found = opened("gemma")
    assert found.roles
    again = pickle.loads(pickle.dumps(found))
    assert not {"files", "roles"} & set(vars(again))
    assert again.tensors == found.tensors
    assert again.read("blk.0.attn_q.weight").tolist() == numbers(4, 4).tolist()
