"""What is beside the language model is named, and nothing of the language model is."""

from __future__ import annotations

import pytest
import torch
from tiny_models import TINY

import fpcore
from fpcore.anatomy.by_table import all_tables
from fpcore.storage.beside import DRAFT_HEADS, TOWERS, apart, beside

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")

BESIDE = {
    TOWERS: (
        "vision_tower.encoder.layers.0.self_attn.q_proj.weight",
        "model.visual.blocks.3.mlp.fc1.bias",
        "thinker.audio_tower.layers.0.fc1.weight",
        "model.image_newline",
        "gen_vision_model.decoder.conv_in.weight",
        "model.embed_audio.embedding_projection.weight",
        "paligemma_with_expert.gemma_expert.model.layers.0.mlp.up_proj.weight",
    ),
    "projectors": (
        "model.connector.modality_projection.proj.weight",
        "mlp1.0.weight",
        "model.multi_modal_projector.linear_1.bias",
        "model.vision_projection.weight",
        "mm_projector.2.weight",
        "model.layerwise_projectors.0.qformer.encoder.layer.0.attention.attention.query.weight",
        "visual_projection.weight",
        "qformer.encoder.layer.0.attention.attention.query.weight",
    ),
    DRAFT_HEADS: (
        "mtp.layers.0.self_attn.q_proj.weight",
        "model.mtp_layers.0.mlp.down_proj.weight",
        "medusa_head.0.0.linear.weight",
    ),
    "heads for other tasks": ("score.weight", "classifier.dense.bias", "v_head.summary.weight"),
}
WITHIN = (
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.patch_norm.weight",
    "transformer.h.1.mlp.image_gate.weight",
    "vocab_projector.weight",
    "samba.layers.0.mlp.up_proj.weight",
    "model.layers.0.altup.correct_output_scale",
    "lm_head.weight",
)


def flat() -> list[tuple[str, str]]:
    return [(kind, name) for kind, names in BESIDE.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), flat())
def test_what_a_name_says(kind: str, name: str) -> None:
    assert beside(name) == kind


@pytest.mark.parametrize("name", WITHIN)
def test_the_language_model_keeps_its_own(name: str) -> None:
    assert apart({name: fpcore.TensorInfo((8,), "bfloat16")}) == {}


def test_no_table_names_what_is_beside() -> None:
    entries = {name for _, table in all_tables().values() for name in table.entries()}
    assert len(entries) > 100
    assert [name for name in entries if beside(name.replace("#", "0")) is not None] == []


def test_some_types_call_themselves_so() -> None:
    name = "model.local_encoder.patch_embedding_projection.weight"
    info = fpcore.TensorInfo((8, 8), "bfloat16")
    assert list(apart({name: info})) == [name]
    assert apart({name: info}, "blt") == {}


def test_each_tensor_is_told_by_the_first_rule_that_fits() -> None:
    stored = {
        "model.layers.3.eh_proj.weight": ((8, 16), DRAFT_HEADS),
        "model.layers.3.mlp.k_scale": ((1,), DRAFT_HEADS),  # the layer is known by its projection
        "model.layers.30.mlp.up_proj.weight": ((8, 8), None),
        "layers.4.enorm.weight": ((8,), DRAFT_HEADS),
        "model.layers.0.attn._extra_state": ((5,), "states of training tools"),
        "model.layers.0.attn.k_scale": ((1, 8), "scales of activations"),
        "model.layers.0.attn.v_scale": ((2, 8, 8), None),  # scales of activations have no third axis
        "vision_tower.layers.3.attn.k_scale": ((1,), TOWERS),
        "vision_tower._extra_state": ((5,), TOWERS),
        "vision_tower.__original_module__.weight": ((8, 8), TOWERS),
        "lm_head.__original_module__.weight": ((8, 8), "replaced by an adapter's own copy"),
        "lm_head.__original_module__.input_scale": ((1,), "scales of activations"),
        "lm_head.weight": ((8, 8), None),
    }
    found = apart({name: fpcore.TensorInfo(shape, "bfloat16") for name, (shape, _) in stored.items()})
    assert found == {name: kind for name, (_, kind) in stored.items() if kind is not None}


def test_all_of_it_is_counted() -> None:
    state = {name: tensor.detach() for name, tensor in LLAMA.build().state_dict().items()}
    extra = {name: torch.ones(2, 2) for kind, name in flat()}
    extra["model.layers.0.self_attn.k_scale"] = torch.ones(())
    extra["model.layers.0.self_attn.q_proj.input_scale"] = torch.ones(1)
    config = LLAMA.build().config.to_dict()
    plain, model = (
        fpcore.MemoryCheckpoint("m", "0" * 64, config, tensors) for tensors in (state, state | extra)
    )
    assert set(model.roles) == set(plain.roles)
    assert model.architecture == plain.architecture
    assert set(model.roles.aside) == set(extra)
    named = model.apart
    assert named["scales of activations"] == 2
    assert sum(named.values()) == len(extra), named


def test_what_only_the_structure_shows_is_counted_too() -> None:
    """Draft layers behind the last that the config counts have names like all others."""
    state = {name: tensor.detach() for name, tensor in LLAMA.build().state_dict().items()}
    config = LLAMA.build().config.to_dict()
    depth = config["num_hidden_layers"]
    more = {
        name.replace("layers.0.", f"layers.{depth}."): tensor
        for name, tensor in state.items()
        if "layers.0." in name
    }
    facts = config | {"num_nextn_predict_layers": 1}
    for model_type in ("llama", "unheard_of"):
        model = fpcore.MemoryCheckpoint("m", "0" * 64, facts | {"model_type": model_type}, state | more)
        assert model.roles.depth == depth
        assert model.apart == {DRAFT_HEADS: len(more)}
