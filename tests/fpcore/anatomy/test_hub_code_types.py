"""Types that come with their own code on the hub: what the catalog names is read as that code computes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from test_layouts import LAYOUTS
from tiny_models import TINY, Tiny
from transformers import CONFIG_MAPPING

import fpcore

WIDTH, HEADS, KV_HEADS, DIM, INNER, VOCABULARY = 16, 4, 2, 4, 24, 40
CATALOG = Path(__file__).parents[3] / "lineage_catalog.yaml"

# What the catalog's models without a stated type are, where transformers does not know it.
UNSTATED = {
    "openbmb/MiniCPM-Llama3-V-2_5": "minicpmv",
    "togethercomputer/StripedHyena-Hessian-7B": "stripedhyena",
    "togethercomputer/StripedHyena-Nous-7B": "stripedhyena",
    "XiaomiMiMo/MiMo-7B-Base": "mimo",
    "XiaomiMiMo/MiMo-7B-SFT": "mimo",
    "XiaomiMiMo/MiMo-7B-RL": "mimo",
    "Qwen/Qwen-7B-Chat": "qwen",
}
# Proven here, beside those of `test_layouts.py`.
HERE = {"minicpmv", "stripedhyena", "llama_moe"}


def stated_types() -> dict[str, str]:
    """Model of the catalog → its type, as its entry or its cell says."""
    catalog = yaml.safe_load(CATALOG.read_text())
    found = {}
    for model in catalog["models"]:
        shape = model.get("architecture") or catalog["cells"].get(model.get("cell"), {})
        if "model_type" in shape:
            found[model["id"]] = shape["model_type"]
    return found | UNSTATED


def test_every_type_of_the_catalog_is_proven() -> None:
    foreign = {kind for kind in stated_types().values() if kind not in CONFIG_MAPPING}
    assert {"baichuan", "internlm", "llama_moe", "PanguProMoE", "qwen", "stripedhyena"} <= foreign
    assert foreign <= set(LAYOUTS) | HERE, foreign - set(LAYOUTS) - HERE


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def striped_hyena(bias: bool) -> dict[str, torch.Tensor]:
    """The tensors of a model of three layers, the second of which attends."""
    done = {
        "backbone.embedding_layer.weight": random(VOCABULARY, WIDTH, seed=1),
        "backbone.norm.scale": random(WIDTH, seed=2),
        "backbone.unembed.weight": random(VOCABULARY, WIDTH, seed=3),
    }
    for layer in range(3):
        here, seed = f"backbone.blocks.{layer}.", 100 * layer
        done |= {
            here + "pre_norm.scale": random(WIDTH, seed=seed + 4),
            here + "post_norm.scale": random(WIDTH, seed=seed + 5),
            here + "mlp.l1.weight": random(INNER, WIDTH, seed=seed + 6),
            here + "mlp.l2.weight": random(INNER, WIDTH, seed=seed + 7),
            here + "mlp.l3.weight": random(WIDTH, INNER, seed=seed + 8),
        }
        if layer == 1:
            rows = (HEADS + 2 * KV_HEADS) * DIM
            done |= {
                here + "inner_mha_cls.Wqkv.weight": random(rows, WIDTH, seed=9),
                here + "inner_mha_cls.out_proj.weight": random(WIDTH, WIDTH, seed=10),
                here + "inner_mha_cls.rotary_emb.inv_freq": torch.ones(DIM // 2),
            }
            if bias:
                done[here + "inner_mha_cls.Wqkv.bias"] = random(rows, seed=11)
                done[here + "inner_mha_cls.out_proj.bias"] = random(WIDTH, seed=12)
        else:
            done |= {
                here + "projections.weight": random(3 * WIDTH, WIDTH, seed=seed + 13),
                here + "projections.bias": random(3 * WIDTH, seed=seed + 14),
                here + "out_filter_dense.weight": random(WIDTH, WIDTH, seed=seed + 15),
                here + "out_filter_dense.bias": random(WIDTH, seed=seed + 16),
                here + "filter.D": random(WIDTH, seed=seed + 17),
                here + "filter.short_filter_weight": random(3 * WIDTH, 1, 3, seed=seed + 18),
                here + "filter.short_filter_bias": random(3 * WIDTH, seed=seed + 19),
                here + "filter.poles": random(WIDTH, 2, 1, 2, seed=seed + 20),
                here + "filter.residues": random(WIDTH, 2, 1, 2, seed=seed + 21),
            }
    return done


@pytest.mark.parametrize("bias", [False, True])
def test_striped_hyena(bias: bool) -> None:
    """flash-attn's `MHA` with fewer keys than queries: all queries, all keys, all values."""
    config = {
        "model_type": "stripedhyena",
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "proj_groups": HEADS // KV_HEADS,
        "num_layers": 3,
        "inner_mlp_size": INNER,
        "vocab_size": VOCABULARY,
        "attn_layer_idxs": [1],
        "hyena_layer_idxs": [0, 2],
        "eps": 1e-5,
    }
    stored = striped_hyena(bias)
    model = fpcore.MemoryCheckpoint("m", "0" * 64, config, stored)
    shape, roles = model.architecture, model.roles
    assert shape.cell == "stripedhyena 3x16 h4/2 f24" + (" bias" if bias else "") + " rmsnorm"
    assert roles.reading == "by table"
    fused = stored["backbone.blocks.1.inner_mha_cls.Wqkv.weight"]
    x = random(5, WIDTH, seed=30)
    projected = x @ fused.T
    queries = projected[:, : HEADS * DIM].reshape(5, HEADS, DIM)
    keys, values = projected[:, HEADS * DIM :].reshape(5, 2, KV_HEADS, DIM).unbind(1)
    for part, expected in (("query", queries), ("key", keys), ("value", values)):
        found = x @ roles[f"layers.1.attention.{part}.weight"].read().T
        torch.testing.assert_close(found, expected.reshape(5, -1))
        assert (f"layers.1.attention.{part}.bias" in roles) == bias
    here = "backbone.blocks.2.mlp."
    gate, up, down = (stored[f"{here}l{number}.weight"] for number in (1, 2, 3))
    inner = torch.nn.functional.silu(x @ gate.T) * (x @ up.T)
    read = {part: roles[f"layers.2.feed_forward.{part}.weight"].read() for part in ("gate", "up", "down")}
    again = torch.nn.functional.silu(x @ read["gate"].T) * (x @ read["up"].T)
    torch.testing.assert_close(again @ read["down"].T, inner @ down.T)
    assert roles.left_out()["attention.query"] == (0, 2)
    assert torch.equal(roles["final_norm.weight"].read(), stored["backbone.norm.scale"])
    curve = fpcore.metric("attention-std").fingerprint(model).arrays["query"]
    torch.testing.assert_close(
        torch.tensor(curve), fused[: HEADS * DIM].double().std(correction=0).reshape(1), rtol=1e-6, atol=0
    )


def test_a_language_model_beside_the_vision_part_of_minicpm_v(tmp_path: Any) -> None:
    """MiniCPM-V: the language model under `llm.`, its config at the top; `vpm` and `resampler` see."""
    tiny = next(tiny for tiny in TINY if tiny.model_type == "llama")
    Tiny("llama", tiny.config | {"attention_bias": False, "mlp_bias": False}).save(tmp_path)
    plain = fpcore.open_checkpoint(tmp_path)
    tensors = {f"llm.{name}": plain.read(name) for name in plain.tensors}
    tensors |= {
        "vpm.encoder.layers.0.self_attn.q_proj.weight": torch.ones(8, 8),
        "vpm.embeddings.patch_embedding.weight": torch.ones(8, 3, 2, 2),
        "resampler.attn.in_proj_weight": torch.ones(24, 8),
        "resampler.proj": torch.ones(8, 8),
        "resampler.query": torch.ones(4, 8),
        "resampler.pos_embed": torch.ones(2, 2, 8),
    }
    config = dict(plain.config) | {
        "model_type": "minicpmv",
        "version": "2.5",
        "query_num": 4,
        "slice_config": {"model_type": "minicpmv", "patch_size": 14},
        "vision_config": {"model_type": "idefics2", "hidden_size": 8, "num_attention_heads": 2},
    }
    model = fpcore.MemoryCheckpoint("m", "0" * 64, config, tensors)
    assert set(model.roles) == set(plain.roles)
    for role, view in plain.roles.items():
        assert torch.equal(model.roles[role].read(), view.read()), role
    assert len(model.roles.aside) == 6
    assert model.architecture.cell == plain.architecture.cell.replace("llama", "minicpmv")
