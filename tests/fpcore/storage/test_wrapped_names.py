"""Wrapped and adapted language models are read as what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import TINY

import fpcore
from fpcore.storage.adapters import ADAPTER_CONFIG
from fpcore.storage.wrapped_names import unwrapped

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")
QUERY = "model.layers.1.self_attn.q_proj"
ROLE = "layers.1.attention.query.weight"


def state() -> dict[str, torch.Tensor]:
    return {name: tensor.detach() for name, tensor in LLAMA.build().state_dict().items()}


def opened(tensors: dict[str, torch.Tensor], **config: Any) -> fpcore.MemoryCheckpoint:
    return fpcore.MemoryCheckpoint("m", "0" * 64, LLAMA.build().config.to_dict() | config, tensors)


def same(model: fpcore.Checkpoint) -> None:
    plain = opened(state())
    assert set(model.roles) == set(plain.roles)
    for role, view in plain.roles.items():
        assert torch.equal(model.roles[role].read(), view.read()), role
    assert model.architecture == plain.architecture


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: name.replace(".mlp", "._orig_mod.mlp").replace("self_attn", "self_attn._orig_mod"),
        lambda name: f"_forward_module.{name}",
        lambda name: name.replace("layers.", "layers._fsdp_wrapped_module.").replace(
            "_fsdp_wrapped_module.1.", "1._checkpoint_wrapped_module."
        ),
        lambda name: f"base_model.model.{name}",
        lambda name: name.replace("model.", "model.text_model."),
        lambda name: f"language_model.{name}",
        lambda name: f"student.{name}",
        lambda name: f"policy.backbone.{name}",
        lambda name: name.removeprefix("model."),
    ],
)
def test_wrappers_are_taken_off(wrap: Any) -> None:
    same(opened({wrap(name): tensor for name, tensor in state().items()}))


def test_of_a_plain_name_and_its_wrapped_one_the_plain_counts() -> None:
    stored = ["module.norm.weight", "norm.weight", "module.bias", "a.weight"]
    found = {"norm.weight": "norm.weight", "bias": "module.bias", "a.weight": "a.weight"}
    assert list(unwrapped(stored).items()) == list(found.items()), "in the order in which they are stored"
    assert list(unwrapped(["head.original_module.weight"])) == ["head.__original_module__.weight"]


def test_what_an_adapter_trained_anew_replaces_the_original() -> None:
    own = state()
    head = own.pop("lm_head.weight")
    own |= {"lm_head.original_module.weight": head, "lm_head.modules_to_save.default.weight": head + 1}
    model = opened({f"base_model.model.{name}": tensor for name, tensor in own.items()})
    assert torch.equal(model.roles["unembedding.weight"].read(), head + 1)
    assert model.apart == {"replaced by an adapter's own copy": 1}


def test_a_second_model_under_another_name_is_set_aside_or_refused() -> None:
    """An average of the weights lies beside them; of two models under unknown names none is the model."""
    own = state()
    model = opened(own | {f"ema.{name}": tensor + 1 for name, tensor in own.items()})
    same(model)
    assert sum(model.apart.values()) == len(own)
    both = {f"{word}.{name}": tensor for word in ("student", "teacher") for name, tensor in own.items()}
    with pytest.raises(fpcore.BadCheckpoint, match=r"the files contain two models, student\.model.*teacher"):
        _ = opened(both).roles


def test_what_a_table_does_not_know_outside_the_layers_is_set_aside_by_name() -> None:
    own = state()
    more = {"model.bridge.0.weight": torch.ones(2, 2), "model.bridge.1.weight": torch.ones(2, 2)}
    model = opened(own | more)
    same(model)
    assert model.apart == {"not known here: model.bridge": 2}
    within = own | {"model.layers.0.mlp.up_proj.smoother.scale": torch.ones(16)}
    with pytest.raises(fpcore.UnknownTensor, match="smoother"):  # it may change what the weights do
        _ = opened(within).roles
    with pytest.raises(fpcore.UnknownTensor, match=r"h\.0\.attn"):  # another family's names
        _ = opened(
            {name.replace("model.layers", "h").replace("self_attn", "attn"): t for name, t in own.items()}
        ).roles


def adapter(rank: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rank, 16, generator=generator), torch.randn(16, rank, generator=generator)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"lora_alpha": 8, "r": 4}, 2.0),
        ({"lora_alpha": 8, "r": 4, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"layers.1.self_attn.q_proj": 2}}, 0.5),
        ({"lora_alpha": 8, "alpha_pattern": {"layers.0.self_attn.q_proj": 2}}, 2.0),
    ],
)
@pytest.mark.parametrize("named", ["", ".default"])
def test_an_unmerged_adapter_is_applied(settings: dict[str, Any], factor: float, named: str) -> None:
    down, up = adapter()
    tensors = state()
    base = tensors.pop(f"{QUERY}.weight")
    tensors |= {f"{QUERY}.base_layer.weight": base, f"{QUERY}.lora_A{named}.weight": down}
    tensors |= {f"{QUERY}.lora_B{named}.weight": up}
    wrapped = {f"base_model.model.{name}": tensor for name, tensor in tensors.items()}
    model = opened(wrapped, **{ADAPTER_CONFIG: settings})
    torch.testing.assert_close(model.roles[ROLE].read(), base + factor * (up @ down))
    alone = opened(wrapped)
    assert torch.equal(alone.roles[ROLE].read(), base), "its scale is not known: it is not applied"
    assert list(alone.apart.values()) == [2]
    assert "not applied: no adapter_config.json" in next(iter(alone.apart))


def test_adapters_that_are_not_plain_silence_their_weight_only() -> None:
    down, up = adapter()
    tensors = state() | {f"{QUERY}.lora_A.weight": down, f"{QUERY}.lora_B.weight": up}
    tensors[f"{QUERY}.lora_magnitude_vector.weight"] = torch.ones(16)
    model = opened(tensors, **{ADAPTER_CONFIG: {"lora_alpha": 8}})
    with pytest.raises(fpcore.UnreadableTensor, match=r"further parts \(DoRA"):
        model.roles[ROLE].read()
    assert model.roles["layers.0.attention.query.weight"].read().shape == (16, 16)
    lost = state() | {"model.layers.7.self_attn.q_proj.lora_A.weight": down}
    with pytest.raises(fpcore.BadCheckpoint, match="is it that of another model"):
        _ = opened(lost, **{ADAPTER_CONFIG: {"lora_alpha": 8}}).roles


def test_an_adapter_directory_is_opened_on_its_base(tmp_path: Path) -> None:
    LLAMA.save(tmp_path / "base")
    base = fpcore.open_checkpoint(tmp_path / "base")
    folder = tmp_path / "adapter"
    folder.mkdir()
    down, up = adapter()
    tensors = {f"base_model.model.{QUERY}.lora_A.weight": down, f"base_model.model.{QUERY}.lora_B.weight": up}
    head = torch.randn(40, 16)
    save_file(tensors | {"base_model.model.lm_head.weight": head}, folder / "adapter_model.safetensors")

    def refused(match: str) -> None:
        with pytest.raises(fpcore.BadCheckpoint, match=match) as caught:
            fpcore.open_checkpoint(folder)
        assert "\n" not in str(caught.value)

    refused("an adapter without its adapter_config.json, which names its base model")
    settings: dict[str, Any] = {"peft_type": "LORA", "lora_alpha": 8, "r": 4}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    refused("names no base model; add base_model_name_or_path")
    for where in ("nowhere/at/all", str(tmp_path / "gone")):
        (folder / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": where}))
        refused(f"an adapter of {where}, which cannot be opened")
    for where in (str(tmp_path / "base"), "../base"):
        (folder / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": where}))
        for given in (folder, folder / "adapter_model.safetensors"):
            model = fpcore.open_checkpoint(given)
            expected = base.roles[ROLE].read() + 2 * (up @ down)
            torch.testing.assert_close(model.roles[ROLE].read(), expected)
            assert torch.equal(model.roles["unembedding.weight"].read(), head)
            assert set(model.roles) == set(base.roles)
            assert model.name == "adapter"
            assert model.digest != base.digest
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"peft_type": "IA3"}))
    refused("an adapter of kind IA3, which is not supported")
