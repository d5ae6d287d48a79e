"""Layouts of models that transformers cannot build: the same weights, written as those models store them.

A model that the library does build is rewritten name by name into the layout; its roles must come out as
they were. What the layouts are is read off the models' published code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tiny_models import MIXTURE, TINY, Tiny

import fpcore

Tensors = dict[str, torch.Tensor]
BASE: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 4, "vocab_size": 40, "num_hidden_layers": 2}


def renamed(tensors: Tensors, *names: tuple[str, str]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in tensors.items():
        for old, new in names:
            name = name.replace(old, new)
        yield name, tensor


def fuse(
    tensors: Tensors, parts: tuple[str, ...], fused: str, join: Callable[[list[torch.Tensor]], torch.Tensor]
) -> Tensors:
    """Join the tensors whose names differ only in `parts` into one named `fused`."""
    done = {name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)}
    for name in tensors:
        if parts[0] in name:
            done[name.replace(parts[0], fused)] = join(
                [tensors[name.replace(parts[0], part)] for part in parts]
            )
    return done


def grouped(parts: list[torch.Tensor]) -> torch.Tensor:
    """Two key-value heads of four rows: their two query heads, key and value after another."""
    q, k, v = (part.reshape(2, -1, *part.shape[1:]) for part in parts)
    return torch.cat([q, k, v], 1).flatten(0, 1)


def stack(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts)


QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
GATE_UP = ("mlp.gate_proj", "mlp.up_proj")


def baichuan(tensors: Tensors) -> Tensors:
    return fuse(tensors, QKV, "self_attn.W_pack", stack)


def internlm2(tensors: Tensors) -> Tensors:
    fused = fuse(tensors, QKV, "attention.wqkv", grouped)
    return dict(
        renamed(
            fused,
            ("self_attn.o_proj", "attention.wo"),
            ("input_layernorm", "attention_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("mlp.gate_proj", "feed_forward.w1"),
            ("mlp.up_proj", "feed_forward.w3"),
            ("mlp.down_proj", "feed_forward.w2"),
            ("embed_tokens", "tok_embeddings"),
            ("lm_head", "output"),
        )
    )


def qwen(tensors: Tensors) -> Tensors:
    return dict(
        renamed(
            fuse(tensors, QKV, "attn.c_attn", stack),
            ("model.layers", "transformer.h"),
            ("self_attn.o_proj", "attn.c_proj"),
            ("input_layernorm", "ln_1"),
            ("post_attention_layernorm", "ln_2"),
            ("mlp.gate_proj", "mlp.w2"),
            ("mlp.up_proj", "mlp.w1"),
            ("mlp.down_proj", "mlp.c_proj"),
            ("model.embed_tokens", "transformer.wte"),
            ("model.norm", "transformer.ln_f"),
        )
    )


def chatglm(tensors: Tensors) -> Tensors:
    fused = fuse(
        fuse(tensors, QKV, "self_attention.query_key_value", stack), GATE_UP, "mlp.dense_h_to_4h", stack
    )
    return dict(
        renamed(
            fused | {"transformer.rotary_pos_emb.inv_freq": torch.ones(2)},
            ("model.layers", "transformer.encoder.layers"),
            ("self_attn.o_proj", "self_attention.dense"),
            ("mlp.down_proj", "mlp.dense_4h_to_h"),
            ("model.embed_tokens", "transformer.embedding.word_embeddings"),
            ("model.norm", "transformer.encoder.final_layernorm"),
            ("lm_head", "transformer.output_layer"),
        )
    )


def exaone(tensors: Tensors) -> Tensors:
    return dict(
        renamed(
            tensors,
            ("model.layers", "transformer.h"),
            ("self_attn.o_proj", "attn.attention.out_proj"),
            ("self_attn.", "attn.attention."),
            ("input_layernorm", "ln_1"),
            ("post_attention_layernorm", "ln_2"),
            ("mlp.gate_proj", "mlp.c_fc_0"),
            ("mlp.up_proj", "mlp.c_fc_1"),
            ("mlp.down_proj", "mlp.c_proj"),
            ("model.embed_tokens", "transformer.wte"),
            ("model.norm", "transformer.ln_f"),
        )
    )


def hf_olmo(tensors: Tensors) -> Tensors:
    """The activated half of the inner projection comes second."""
    fused = fuse(tensors, QKV, "att_proj", stack)
    fused = fuse(fused, ("mlp.up_proj", "mlp.gate_proj"), "ff_proj", stack)
    return dict(
        renamed(
            fused,
            ("model.layers", "model.transformer.blocks"),
            ("self_attn.o_proj", "attn_out"),
            ("mlp.down_proj", "ff_out"),
            ("model.embed_tokens", "model.transformer.wte"),
            ("lm_head", "model.transformer.ff_out"),
        )
    )


def beside_vision(tensors: Tensors) -> Tensors:
    """The language model under a prefix of its own, next to a tower with attention biases."""
    nested = {name.replace("model.", "model.language_model."): tensor for name, tensor in tensors.items()}
    return nested | {
        "model.visual.blocks.0.attn.q_proj.bias": torch.ones(3),
        "model.visual.x.weight": torch.ones(3),
    }


def old_names(tensors: Tensors) -> Tensors:
    return dict(
        renamed(tensors, ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
    )


def unchanged(tensors: Tensors) -> Tensors:
    return tensors


def with_draft_layers(tensors: Tensors) -> Tensors:
    return tensors | {"model.mtp_layers.0.input_proj.weight": torch.ones(16, 32)}


def with_router_scale(tensors: Tensors) -> Tensors:
    kept = {name: tensor for name, tensor in tensors.items() if "shared_expert_gate" not in name}
    return kept | {f"model.layers.{layer}.mlp.router_scale": torch.ones(1, 4) for layer in range(2)}


FULL_HEADS = {"num_key_value_heads": 4}
DENSE = {"intermediate_size": 24, "rms_norm_eps": 1e-6}
LAYOUTS: dict[str, tuple[str, dict[str, Any], dict[str, Any], Callable[[Tensors], Tensors]]] = {
    # model type: (built as, with, config of the layout, how it is written)
    "baichuan": ("llama", FULL_HEADS, BASE | DENSE, baichuan),
    "internlm": ("llama", FULL_HEADS | {"attention_bias": True}, BASE | DENSE, unchanged),
    "internlm2": ("llama", {}, BASE | DENSE | {"num_key_value_heads": 2}, internlm2),
    "minicpm": ("llama", {}, BASE | DENSE | {"num_key_value_heads": 2}, unchanged),
    "mimo": ("qwen2", {}, BASE | DENSE | {"num_key_value_heads": 2}, with_draft_layers),
    "qwen2_5_vl": ("qwen2", {}, BASE | DENSE | {"num_key_value_heads": 2}, beside_vision),
    "qwen": ("qwen2", FULL_HEADS, BASE | {"intermediate_size": 48, "kv_channels": 4}, qwen),
    "chatglm": (
        "qwen2",
        {},
        {
            "num_layers": 2,
            "hidden_size": 16,
            "num_attention_heads": 4,
            "kv_channels": 4,
            "ffn_hidden_size": 24,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "padded_vocab_size": 40,
            "rmsnorm": True,
        },
        chatglm,
    ),
    "exaone": (
        "llama",
        {},
        {"num_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2}
        | {"intermediate_size": 24, "vocab_size": 40, "layer_norm_epsilon": 1e-6},
        exaone,
    ),
    "hf_olmo": (
        "olmo",
        {},
        {"d_model": 16, "n_heads": 4, "n_kv_heads": 2, "n_layers": 2, "mlp_hidden_size": 48}
        | {"embedding_size": 40, "activation_type": "swiglu", "weight_tying": False},
        hf_olmo,
    ),
    "deepseek": (
        "solar_open",
        {},
        BASE
        | {"num_key_value_heads": 2, "intermediate_size": 24}
        | {"moe_intermediate_size": 12, "n_routed_experts": 4, "head_dim": 4, "rms_norm_eps": 1e-6},
        unchanged,
    ),
    "PanguProMoE": (
        "qwen2_moe",
        {},
        BASE | {"num_key_value_heads": 2, "intermediate_size": 24, "rms_norm_eps": 1e-6} | MIXTURE,
        with_router_scale,
    ),
}


@pytest.mark.parametrize("model_type", LAYOUTS)
def test_roles_of_a_rewritten_model(model_type: str, tmp_path: Any) -> None:
    built_as, changes, config, write = LAYOUTS[model_type]
    tiny = next(tiny for tiny in TINY if tiny.model_type == built_as)
    Tiny(built_as, tiny.config | {"attention_bias": False, "mlp_bias": False} | changes).save(tmp_path)
    original = fpcore.open_checkpoint(tmp_path)
    tensors = {name: original.read(name) for name in original.tensors}
    model = fpcore.MemoryCheckpoint(model_type, "0" * 64, config | {"model_type": model_type}, write(tensors))
    added = {"feed_forward.router.scale"}
    left = {"shared_expert_gate"} if model_type == "PanguProMoE" else set()
    ours = {role for role in model.roles if not any(word in role for word in added)}
    theirs = {role for role in original.roles if not any(word in role for word in left)}
    assert ours == theirs
    for role in ours:
        assert torch.equal(model.roles[role].read(), original.roles[role].read()), role
    facts = ("depth", "width", "heads", "kv_heads", "feed_forward", "experts", "qkv_bias", "head_dim", "norm")
    for fact in facts:
        assert getattr(model.architecture, fact) == getattr(original.architecture, fact), fact


def test_norms_of_old_bert_files(tmp_path: Any) -> None:
    next(tiny for tiny in TINY if tiny.model_type == "bert").save(tmp_path)
    new = fpcore.open_checkpoint(tmp_path)
    old = fpcore.MemoryCheckpoint(
        "old", "0" * 64, new.config, old_names({n: new.read(n) for n in new.tensors})
    )
    assert "bert.embeddings.LayerNorm.gamma" in old.tensors
    assert {role: view.shape for role, view in old.roles.items()} == {
        r: v.shape for r, v in new.roles.items()
    }


def test_phimoe_as_transformers_5_0_wrote_it(tmp_path: Any) -> None:
    next(tiny for tiny in TINY if tiny.model_type == "phimoe").save(tmp_path)
    new = fpcore.open_checkpoint(tmp_path)
    tensors = {name: new.read(name) for name in new.tensors}
    old = dict(renamed(tensors, ("block_sparse_moe.experts", "mlp.experts")))
    assert "model.layers.0.mlp.experts.0.w1.weight" in old
    found = fpcore.MemoryCheckpoint("old", "0" * 64, new.config, old)
    assert found.roles.keys() == new.roles.keys()
    assert all(torch.equal(found.roles[role].read(), view.read()) for role, view in new.roles.items())


def test_biases_of_a_vision_tower_are_not_the_language_models() -> None:
    model = next(tiny for tiny in TINY if tiny.model_type == "llama").build(attention_bias=False)
    tensors = beside_vision(dict(model.state_dict()))
    assert not fpcore.MemoryCheckpoint("m", "0" * 64, model.config.to_dict(), tensors).architecture.qkv_bias


def test_every_listed_type_is_proven() -> None:
    from fpcore.anatomy import known_model_types

    other_names = {"RefinedWeb", "RefinedWebModel", "pangu_pro_moe", "hunyuan", "kimi_k2", "gemma3"}
    other_names |= {"qwen2_vl", "qwen2_vl_text", "qwen2_5_vl_text", "llama_moe", "stripedhyena"}
    proven = {tiny.model_type for tiny in TINY} | set(LAYOUTS) | {"t5", "mt5", "umt5"}
    assert set(known_model_types()) - other_names == proven


def test_a_llama_cut_into_experts() -> None:
    """Its experts are lists of parameters: the number comes last."""
    model = next(tiny for tiny in TINY if tiny.model_type == "mixtral").build()
    config = model.config.to_dict()
    plain = fpcore.MemoryCheckpoint("plain", "0" * 64, config, dict(model.state_dict()))
    parts = {"gate": "weight_gate", "up": "weight_up", "down": "weight_down"}
    tensors: Tensors = {}
    for role, view in plain.roles.items():
        words = role.split(".")
        if words[3:4] == ["experts"]:
            name = f"model.layers.{words[1]}.mlp.calculator.experts.{parts[words[5]]}.{words[4]}"
        elif words[3:4] == ["router"]:
            name = f"model.layers.{words[1]}.mlp.gate.gate_network.0.weight"
        else:
            name = view.source
        tensors[name] = view.read()
    cut = config | {"model_type": "llama_moe", "intermediate_size": 4 * 24, "num_experts": 4}
    cut.pop("num_local_experts")
    found = fpcore.MemoryCheckpoint("cut", "0" * 64, cut, tensors)
    assert found.architecture.experts == 4
    assert found.architecture.feed_forward == 24
    for role, view in plain.roles.items():
        if "router" not in role:
            assert torch.equal(found.roles[role].read(), view.read()), role


def test_layers_for_several_tokens_ahead_are_left_out() -> None:
    tiny = next(tiny for tiny in TINY if tiny.model_type == "glm4_moe")
    model = tiny.build()
    tensors = dict(model.state_dict())
    draft = {name.replace("layers.1.", "layers.2."): t for name, t in tensors.items() if "layers.1." in name}
    draft["model.layers.2.eh_proj.weight"] = torch.ones(16, 32)
    config = model.config.to_dict() | {"num_nextn_predict_layers": 1}
    plain = fpcore.MemoryCheckpoint("plain", "0" * 64, config, tensors)
    assert set(fpcore.MemoryCheckpoint("mtp", "0" * 64, config, tensors | draft).roles) == set(plain.roles)


def test_t5_from_roles(tmp_path: Any) -> None:
    """Self-attention of both stacks with its position bias, cross-attention, gated and plain feed-forward."""
    import transformers

    for kind in ("gated-gelu", "relu"):
        torch.manual_seed(0)
        config = transformers.T5Config(
            vocab_size=40, d_model=16, d_ff=24, d_kv=4, num_heads=4, num_layers=2, feed_forward_proj=kind
        )
        model = transformers.T5ForConditionalGeneration(config).eval()
        folder = tmp_path / kind
        model.save_pretrained(folder)
        checkpoint = fpcore.open_checkpoint(folder)
        roles = checkpoint.roles
        assert roles.depth == 2
        assert checkpoint.architecture.feed_forward == 24
        heard: dict[str, Any] = {}

        def listen(name: str, heard: dict[str, Any] = heard) -> Callable[..., None]:
            def keep(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
                inputs = args[0] if args else kwargs["hidden_states"]
                first = output[0] if isinstance(output, tuple) else output
                heard[name] = (inputs[0], first[0], kwargs.get("key_value_states"))

            return keep

        modules = {
            "encoder.layers.0.attention": model.encoder.block[0].layer[0].SelfAttention,
            "layers.0.attention": model.decoder.block[0].layer[0].SelfAttention,
            "layers.1.cross_attention": model.decoder.block[1].layer[1].EncDecAttention,
            "encoder.layers.1.feed_forward": model.encoder.block[1].layer[1].DenseReluDense,
            "layers.1.feed_forward": model.decoder.block[1].layer[2].DenseReluDense,
        }
        for name, module in modules.items():
            module.register_forward_hook(listen(name), with_kwargs=True)
        with torch.no_grad():
            model(input_ids=torch.tensor([[3, 4]]), decoder_input_ids=torch.tensor([[5, 6]]))
        for here, (x, out, states) in heard.items():
            if "feed_forward" in here:
                inner = x @ roles[f"{here}.up.weight"].read().T
                if kind == "relu":
                    inner = inner.relu()
                else:
                    gate = x @ roles[f"{here}.gate.weight"].read().T
                    inner = torch.nn.functional.gelu(gate, approximate="tanh") * inner
                ours = inner @ roles[f"{here}.down.weight"].read().T
            else:
                source = x if states is None else states[0]
                q, k, v = (
                    (y @ roles[f"{here}.{part}.weight"].read().T).reshape(len(y), 4, 4)
                    for y, part in ((x, "query"), (source, "key"), (source, "value"))
                )
                scores = torch.einsum("ihd,jhd->hij", q, k)  # T5 does not scale
                bias = roles.get(f"{here}.relative_bias.weight")
                if bias is not None:
                    table = bias.read()  # buckets: 0 here, 1 one back, 17 one ahead (encoder)
                    buckets = torch.tensor([[0, 17 if "encoder" in here else 0], [1, 0]])
                    scores = scores + table[buckets].permute(2, 0, 1)
                if here == "layers.0.attention":
                    scores = scores.masked_fill(torch.ones(2, 2).triu(1).bool(), float("-inf"))
                mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), v).reshape(2, 16)
                ours = mixed @ roles[f"{here}.output.weight"].read().T
            torch.testing.assert_close(ours, out, rtol=1e-4, atol=1e-5)
        assert sum(view.size for view in roles.values()) == sum(i.size for i in checkpoint.tensors.values())
