"""Roles reproduce the models: one layer recomputed from roles equals what the library computes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import TINY, Tiny
from transformers.activations import ACT2FN

import fpcore
from fpcore.anatomy import Roles

LAYER = 1  # not the first: a table that ignores the number would pass there


class Heard(dict[str, tuple[torch.Tensor, torch.Tensor]]):
    """Input and output of the modules listened to, first row of the batch."""

    def listen(self, module: Any, name: str) -> None:
        def keep(_module: Any, args: Any, output: Any) -> None:
            if name not in self:
                self[name] = (args[0][0].detach().clone(), output[0].detach().clone())

        module.register_forward_hook(keep)


def run(tiny: Tiny, model: Any, layer: int = LAYER) -> Heard:
    heard = Heard()
    block = model.get_submodule(f"{tiny.layers}.{layer}")
    for path in (tiny.query, tiny.output, tiny.inner, tiny.down, *tiny.norms):
        if path and not (path in {tiny.inner, tiny.down} and tiny.experts and layer):
            heard.listen(block.get_submodule(path), path)
    if tiny.final_norm:
        heard.listen(model.get_submodule(tiny.final_norm), "final")
    tokens = torch.tensor([[5, 7, 11]])
    # Every token at position 0: rotary embeddings are the identity there, attention is as without them.
    positions = {"position_ids": torch.zeros_like(tokens)} if not tiny.alibi else {}
    with torch.no_grad():
        model(tokens, attention_mask=torch.ones_like(tokens), use_cache=False, **positions)
    return heard


def linear(roles: Roles, role: str, x: torch.Tensor) -> torch.Tensor:
    bias = roles.get(f"{role}.bias")
    return torch.nn.functional.linear(
        x, roles[f"{role}.weight"].read(), None if bias is None else bias.read()
    )


def rms(x: torch.Tensor, eps: float) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def eps_of(module: Any) -> float:
    return next(float(getattr(module, name)) for name in ("variance_epsilon", "eps") if hasattr(module, name))


def attention(tiny: Tiny, model: Any, checkpoint: fpcore.Checkpoint, x: torch.Tensor) -> torch.Tensor:
    roles, shape = checkpoint.roles, checkpoint.architecture
    here = f"layers.{LAYER}.attention"
    block = model.get_submodule(f"{tiny.layers}.{LAYER}.{tiny.query.rpartition('.')[0]}")
    if f"{here}.latent.down.weight" in roles:
        q, k, v = latent_heads(roles, here, x, shape.heads, block)
    else:
        q, k, v = (linear(roles, f"{here}.{part}", x) for part in ("query", "key", "value"))
        q, k, v = (part.reshape(len(x), -1, shape.head_dim) for part in normed(roles, here, q, k, v, block))
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scale = getattr(block, "scaling", None)
    if tiny.model_type == "gpt_neo":
        scale = 1.0  # it does not scale
    scores = torch.einsum("ihd,jhd->hij", q, k) * (scale or 1 / math.sqrt(q.shape[-1]))
    if tiny.alibi:
        slopes = torch.tensor([2.0 ** (-8.0 / shape.heads * (head + 1)) for head in range(shape.heads)])
        distance = torch.arange(len(x), dtype=torch.float32)
        # Falcon scales the bias with the scores.
        falcon = 1 / math.sqrt(q.shape[-1]) if tiny.model_type == "falcon" else 1.0
        scores = scores + falcon * slopes[:, None, None] * distance
    if tiny.model_type not in {"bert", "roberta"}:
        scores = scores.masked_fill(torch.ones(len(x), len(x)).triu(1).bool(), -math.inf)
    mixed = torch.einsum("hij,jhd->ihd", scores.softmax(-1), v).reshape(len(x), -1)
    return linear(roles, f"{here}.output", mixed)


def normed(
    roles: Roles, here: str, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, block: Any
) -> tuple[torch.Tensor, ...]:
    """Query and key through their own norms, over a head or over all heads, where there are any."""
    if f"{here}.query_norm.weight" not in roles:
        return q, k, v
    names = ("q_norm", "query_layernorm")
    eps = eps_of(next(getattr(block, name) for name in names if hasattr(block, name)))
    done = []
    for part, name in ((q, "query_norm"), (k, "key_norm")):
        gain = roles[f"{here}.{name}.weight"].read()
        done.append((rms(part.reshape(len(q), -1, len(gain)), eps) * gain).reshape(part.shape))
    return done[0], done[1], v


def latent_heads(
    roles: Roles, here: str, x: torch.Tensor, heads: int, block: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    y = x
    if f"{here}.query_latent.down.weight" in roles:
        y = rms(linear(roles, f"{here}.query_latent.down", x), eps_of(block.q_a_layernorm))
        y = y * roles[f"{here}.query_latent.norm.weight"].read()
    q = linear(roles, f"{here}.query", y).reshape(len(x), heads, -1)
    c = rms(linear(roles, f"{here}.latent.down", x), eps_of(block.kv_a_layernorm))
    c = c * roles[f"{here}.latent.norm.weight"].read()
    k = linear(roles, f"{here}.key", c).reshape(len(x), heads, -1)
    position = linear(roles, f"{here}.key_position", x)[:, None].expand(-1, heads, -1)
    v = linear(roles, f"{here}.value", c).reshape(len(x), heads, -1)
    return q, torch.cat([k, position], -1), v


def activation(model: Any) -> Any:
    config = model.config
    names = ("hidden_activation", "hidden_act", "activation_function", "activation")
    name = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
    if name is None:
        name = {"bloom": "gelu_pytorch_tanh", "mpt": "gelu"}[config.model_type]
    return ACT2FN[name]


def feed_forward(roles: Roles, here: str, x: torch.Tensor, act: Any) -> torch.Tensor:
    inner = linear(roles, f"{here}.up", x)
    gated = f"{here}.gate.weight" in roles
    inner = act(linear(roles, f"{here}.gate", x)) * inner if gated else act(inner)
    return linear(roles, f"{here}.down", inner)


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module", params=TINY, ids=lambda tiny: tiny.name)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    tiny: Tiny = request.param
    folder = tmp_path_factory.mktemp("model")
    model = tiny.save(folder)
    return tiny, model, fpcore.open_checkpoint(folder), run(tiny, model)


def test_attention_from_roles_is_the_librarys(case: Any) -> None:
    tiny, model, checkpoint, heard = case
    close(attention(tiny, model, checkpoint, heard[tiny.query][0]), heard[tiny.output][1])


def test_feed_forward_from_roles_is_the_librarys(case: Any) -> None:
    tiny, model, checkpoint, heard = case
    roles, act = checkpoint.roles, activation(model)
    if tiny.experts:
        experts = model.get_submodule(f"{tiny.layers}.{LAYER}.{tiny.experts}")
        x = torch.randn(3, checkpoint.architecture.width)
        assert checkpoint.architecture.experts == 4
        for expert in range(4):
            with torch.no_grad():
                theirs = experts(x, torch.full((3, 1), expert), torch.ones(3, 1))
            close(feed_forward(roles, f"layers.{LAYER}.feed_forward.experts.{expert}", x, act), theirs)
        router = model.get_submodule(f"{tiny.layers}.{LAYER}.{tiny.router}").weight
        assert torch.equal(roles[f"layers.{LAYER}.feed_forward.router.weight"].read(), router)
    else:
        close(
            feed_forward(roles, f"layers.{LAYER}.feed_forward", heard[tiny.inner][0], act),
            heard[tiny.down][1],
        )


def test_dense_layers_and_shared_experts_of_mixtures(case: Any) -> None:
    tiny, model, checkpoint, _ = case
    roles, act = checkpoint.roles, activation(model)
    if tiny.experts and tiny.inner:  # the first layer is dense
        first = run(tiny, model, layer=0)
        close(feed_forward(roles, "layers.0.feed_forward", first[tiny.inner][0], act), first[tiny.down][1])
    here = f"layers.{LAYER}.feed_forward.shared_expert"
    if f"{here}.up.weight" in roles:
        block = model.get_submodule(f"{tiny.layers}.{LAYER}.mlp")
        names = ("shared_expert", "shared_experts", "shared_mlp")
        shared = next(getattr(block, name) for name in names if hasattr(block, name))
        x = torch.randn(3, checkpoint.architecture.width)
        with torch.no_grad():
            close(feed_forward(roles, here, x, act), shared(x))


def test_norms_from_roles_are_the_librarys(case: Any) -> None:
    tiny, model, checkpoint, heard = case
    named = {path: f"layers.{LAYER}.{role}" for path, role in tiny.norms.items()}
    if tiny.final_norm:
        named["final"] = "final_norm"
    for path, role in named.items():
        module = model.get_submodule(tiny.final_norm if path == "final" else f"{tiny.layers}.{LAYER}.{path}")
        x, theirs = heard[path]
        if checkpoint.architecture.norm == "layernorm":
            x = x - x.mean(-1, keepdim=True)
        ours = rms(x, eps_of(module)) * checkpoint.roles[f"{role}.weight"].read()
        bias = checkpoint.roles.get(f"{role}.bias")
        close(ours if bias is None else ours + bias.read(), theirs)


def test_embeddings(case: Any) -> None:
    _, model, checkpoint, _ = case
    roles = checkpoint.roles
    assert torch.equal(roles["embedding.weight"].read(), model.get_input_embeddings().weight)
    unembedding = roles.get("unembedding.weight", roles["embedding.weight"])
    assert torch.equal(unembedding.read(), model.get_output_embeddings().weight)


def test_every_stored_number_has_exactly_one_role(case: Any) -> None:
    _, _, checkpoint, _ = case
    roles = checkpoint.roles
    assert sum(view.size for view in roles.values()) == sum(info.size for info in checkpoint.tensors.values())
    assert {view.source for view in roles.values()} == set(checkpoint.tensors)
    for view in roles.values():
        assert tuple(view.read().shape) == view.shape
    assert roles.depth == 2


def test_biases_are_known_from_the_tensors(case: Any) -> None:
    _, _, checkpoint, _ = case
    has_bias = "layers.0.attention.key.bias" in checkpoint.roles
    assert checkpoint.architecture.qkv_bias is has_bias


def test_models_in_memory_have_the_same_roles(case: Any) -> None:
    """Experts are one tensor a layer in memory and one an expert on disk."""
    _, model, checkpoint, _ = case
    kept = dict(model.state_dict())
    memory = fpcore.MemoryCheckpoint("memory", "0" * 64, checkpoint.config, kept)
    roles = memory.roles
    for role, view in checkpoint.roles.items():
        assert torch.equal(view.read(), roles[role].read()), role


def test_names_without_prefix_and_with_old_buffers(case: Any) -> None:
    tiny, _, checkpoint, _ = case
    prefix = tiny.layers.split(".")[0] + "."
    renamed = {name.removeprefix(prefix): checkpoint.read(name) for name in checkpoint.tensors}
    if tiny.model_type == "gpt2":
        renamed |= {"h.0.attn.bias": torch.ones(1, 1, 4, 4), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    if tiny.model_type == "llama":
        renamed |= {"layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)}
    bare = fpcore.MemoryCheckpoint("bare", "0" * 64, checkpoint.config, renamed)
    assert set(bare.roles) == set(checkpoint.roles)
    nested = {f"language_model.{name}": checkpoint.read(name) for name in checkpoint.tensors}
    nested["vision_tower.patch.weight"] = torch.ones(2, 2)
    wrapped = fpcore.MemoryCheckpoint(
        "nested", "0" * 64, {"model_type": "some_vlm", "text_config": checkpoint.config}, nested
    )
    assert set(wrapped.roles) == set(checkpoint.roles)


def opened(model_type: str = "qwen2", **changes: Any) -> fpcore.Checkpoint:
    tiny = next(tiny for tiny in TINY if tiny.model_type == model_type)
    model = tiny.build()
    tensors = dict(model.state_dict())
    for name, value in changes.pop("tensors", {}).items():
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    return fpcore.MemoryCheckpoint("m", "0" * 64, model.config.to_dict() | changes, tensors)


def test_an_unknown_tensor_is_named_with_the_table_to_extend() -> None:
    model = opened(tensors={"model.layers.0.mlp.novel_proj.weight": torch.ones(2, 2)})
    with pytest.raises(fpcore.UnknownTensor, match=r"mlp\.novel_proj\.weight.*qwen2.*tables/llama_like\.py"):
        _ = model.roles


def test_a_type_without_a_table_and_without_layers_is_refused() -> None:
    config = dict(opened().config) | {"model_type": "novel"}
    tensors = {"encoder.weight": torch.ones(16, 16)}
    with pytest.raises(fpcore.UnknownTensor, match=r"'novel'.*is of a layer.*fpcore/anatomy/tables"):
        _ = fpcore.MemoryCheckpoint("m", "0" * 64, config, tensors).roles


def test_layers_are_counted_by_the_tensors_and_held_against_the_config() -> None:
    for said in (1, 3):
        with pytest.raises(
            fpcore.BadCheckpoint, match=rf"num_hidden_layers is {said}, but the tensors show 2"
        ):
            _ = opened(num_hidden_layers=said).roles


def test_expert_numbers_are_not_layer_numbers() -> None:
    model = opened("qwen3_moe")
    assert model.roles.depth == 2
    assert len(model.roles.experts(0, "gate")) == 4


def test_missing_expert_and_missing_projection(tmp_path: Path) -> None:
    tiny = next(tiny for tiny in TINY if tiny.model_type == "mixtral")
    tiny.save(tmp_path)
    saved = fpcore.open_checkpoint(tmp_path)
    tensors = {name: saved.read(name) for name in saved.tensors if ".experts.3." not in name}
    with pytest.raises(fpcore.BadCheckpoint, match=r"num_local_experts is 4, but the tensors show 3"):
        _ = fpcore.MemoryCheckpoint("m", "0" * 64, saved.config, tensors).roles
    with pytest.raises(fpcore.BadCheckpoint, match=r"layer 1 of 2 lacks value\.bias"):
        _ = opened(tensors={"model.layers.1.self_attn.v_proj.bias": None}).roles


def test_a_fused_tensor_must_have_the_rows_of_the_config() -> None:
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"query_key_value\.weight: 48 rows .* 4 query and 2 key-value"
    ):
        _ = opened("gpt_neox", num_key_value_heads=2).roles


def test_two_tensors_of_one_role_are_refused() -> None:
    with pytest.raises(fpcore.BadCheckpoint, match=r"both have the role embedding\.weight"):
        _ = opened(tensors={"embed_tokens.weight": torch.ones(40, 16)}).roles
