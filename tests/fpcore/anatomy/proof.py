"""The proof that a model type is read: a tiny random model of it, taken apart into roles and rebuilt.

Roles are put back into the stored tensors, all else that was set aside is filled with other numbers; the
rebuilt model must compute what the first did. Attention is then watched: a change to one head's query, key or
value must show in that head of that tensor and nowhere else.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from reduced_configs import reduced_config
from safetensors.torch import save_file
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.auto import modeling_auto
from type_changes import CHANGES, INPUTS, LENGTH, PARTS, STACKS

import fpcore

__all__ = ["KINDS", "NotProven", "Proof", "prove", "types_of"]

KINDS = {
    "causal": ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", transformers.AutoModelForCausalLM),
    "image-text": ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", transformers.AutoModelForImageTextToText),
    "masked": ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", transformers.AutoModelForMaskedLM),
}
WATCHED = "watched"


class NotProven(Exception):
    """The one reason."""


@dataclass(frozen=True)
class Proof:
    """What was seen of a type that is read."""

    cell: str
    reading: str
    roles: int
    other: int
    aside: int
    attention: tuple[int, ...]
    watched: tuple[int, ...]
    gated: str
    norms: int


class TowerOfTimm(transformers.PreTrainedModel):
    """Stands for a vision tower of the timm package: text does not pass through it."""

    config_class = transformers.TimmWrapperConfig
    main_input_name = "pixel_values"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.timm_model = torch.nn.Linear(4, 4)
        self.post_init()


class TowerOfGemma3n(TowerOfTimm):
    """The same for the config that names it otherwise."""

    config_class = transformers.Gemma3nVisionConfig


for tower in (TowerOfTimm, TowerOfGemma3n):
    transformers.AutoModel.register(tower.config_class, tower, exist_ok=True)


def types_of(kind: str) -> list[str]:
    """The model types of a kind, in the library's order."""
    return list(getattr(modeling_auto, KINDS[kind][0]))


def build(kind: str, model_type: str) -> Any:
    """A tiny random model."""
    config = reduced_config(model_type, CHANGES.get(model_type))
    if kind == "causal" and model_type in {"musicgen", "musicgen_melody"}:
        config = config.decoder  # what the class of that name takes
    if kind == "masked" and getattr(config, "is_decoder", False):
        config.is_decoder = False
    torch.manual_seed(sum(map(ord, model_type)))
    try:
        model = KINDS[kind][1].from_config(config, attn_implementation="eager").float()
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        name = getattr(modeling_auto, KINDS[kind][0])[model_type]
        model = getattr(transformers, name)._from_config(config, attn_implementation="eager").float()
    with torch.no_grad():
        for tensor in model.parameters():  # biases and gains that are not at their trivial start
            if tensor.is_floating_point():
                tensor.add_(0.05 * torch.randn_like(tensor))
    return prepared(model)


def inputs_of(kind: str, model_type: str, model: Any) -> dict[str, Any]:
    """Text that holds none of the tokens that stand for something else."""
    special = set(numbers(model.config.to_dict()))
    ordinary = [token for token in range(5, 40) if token not in special]
    generator = torch.Generator().manual_seed(7)
    places = torch.randint(len(ordinary), (1, LENGTH), generator=generator)
    tokens = torch.tensor(ordinary)[places]
    inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    change = INPUTS.get(model_type)
    if "use_cache" in model.config.get_text_config().to_dict():
        inputs["use_cache"] = False
    return inputs if change is None else change(kind, model, inputs)


def numbers(facts: dict[str, Any]) -> list[int]:
    """Token numbers in a config."""
    found = []
    for key, value in facts.items():
        if isinstance(value, dict):
            found += numbers(value)
        elif isinstance(value, int) and str(key).endswith(("token_id", "token_index")):
            found.append(value)
    return found


def logits(model: Any, inputs: dict[str, Any], **more: Any) -> torch.Tensor:
    torch.manual_seed(0)
    part = language_part(model)
    if part is not model:
        inputs = {key: value for key, value in inputs.items() if key in {"input_ids", "attention_mask"}}
    with torch.no_grad():
        output = part(**inputs, **more)
    found = getattr(output, "logits", None)
    if found is None:
        found = output[0]
    if isinstance(found, tuple):
        found = found[0]
    if not torch.isfinite(found).all():
        raise NotProven("the tiny model's own logits are not finite")
    return found


def language_part(model: Any) -> Any:
    """What is run: the model, or its language model where it cannot do without another modality."""
    path = PARTS.get(str(model.config.model_type))
    return model.get_submodule(path) if path and "ForCausalLM" not in type(model).__name__ else model


def rebuilt(checkpoint: fpcore.Checkpoint) -> dict[str, torch.Tensor]:
    """The stored tensors, made of the roles alone; what was set aside holds other numbers."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for view in checkpoint.roles.values():
        parts[view.source].append(view)
    state: dict[str, torch.Tensor] = {}
    for name, info in checkpoint.tensors.items():
        original = checkpoint.read(name)
        if name not in parts:
            if name not in checkpoint.roles.aside:
                state[name] = original  # buffers
            elif original.is_floating_point():
                state[name] = torch.randn(original.shape, dtype=original.dtype) * 0.02
            else:
                state[name] = original
            continue
        places = torch.arange(info.size).reshape(info.shape)
        flat = torch.full((info.size,), torch.nan) if original.is_floating_point() else torch.zeros(info.size)
        seen = torch.zeros(info.size, dtype=torch.bool)
        for view in parts[name]:
            index = replace(view.view, shift=0.0).apply(places).reshape(-1)
            flat[index] = view.read().float().reshape(-1) - view.view.shift
            seen[index] = True
        if not seen.all():
            raise NotProven(f"roles do not cover {name}")
        state[name] = flat.reshape(info.shape).to(original.dtype).contiguous()
    return state


def loaded(cls: Any, folder: Path, state: dict[str, torch.Tensor]) -> Any:
    """The model of a state, by the library."""
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return prepared(cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"))


def prepared(model: Any) -> Any:
    """Ready to run."""
    if hasattr(model, "set_default_language"):
        model.set_default_language("en_XX")
    return model.eval()


class Watch:
    """Queries, keys and values as attention gets them, layer by layer."""

    def __init__(self) -> None:
        self.ignored: set[int] = set()
        self.seen: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def attention(self, module: Any, query: Any, key: Any, value: Any, mask: Any, **rest: Any) -> Any:
        layer = getattr(module, "layer_idx", None)
        cross = "cross" in type(module).__name__.lower() or id(module) in self.ignored
        if layer is not None and not cross:
            now = tuple(part.detach().clone() for part in (query, key, value))
            before = self.seen.get(int(layer))
            if before is None:
                self.seen[int(layer)] = now
            elif torch.equal(before[0], now[0]):  # values in two turns
                self.seen[int(layer)] = (*before[:2], torch.cat([before[2], now[2]], 1))
        eager = sys.modules[type(module).__module__].eager_attention_forward
        return eager(module, query, key, value, mask, **rest)


WATCH = Watch()
ALL_ATTENTION_FUNCTIONS.register(WATCHED, lambda *args, **rest: WATCH.attention(*args, **rest))
ALL_MASK_ATTENTION_FUNCTIONS.register(WATCHED, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


def watch(model: Any, inputs: dict[str, Any]) -> dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """What attention gets in a run of the model; empty where the type does not go through the interface."""
    text = model
    for module in text.modules():
        config = getattr(module, "config", None)
        if config is not None and hasattr(config, "_attn_implementation"):
            config._attn_implementation = WATCHED
    named = dict(model.named_modules())
    both = any("decoder" in name.split(".") for name in named)
    only = STACKS.get(str(model.config.model_type), "")
    WATCH.ignored = {
        id(module)
        for name, module in named.items()
        if (both and "encoder" in name.split("."))
        or {"encoder_attn", "cross_attn"} & set(name.split("."))
        or only not in name
    }
    WATCH.seen = {}
    try:
        logits(model, inputs)
    except Exception:
        return {}
    return dict(WATCH.seen)


def changed(checkpoint: fpcore.Checkpoint, state: dict[str, torch.Tensor], role: str, rows: slice) -> Any:
    """The state with some rows of one role changed."""
    view = checkpoint.roles[role]
    places = torch.arange(checkpoint.tensors[view.source].size).reshape(checkpoint.tensors[view.source].shape)
    index = replace(view.view, shift=0.0).apply(places)[rows].reshape(-1)
    flat = state[view.source].clone().reshape(-1)
    flat[index] += 0.5 * torch.randn(len(index), generator=torch.Generator().manual_seed(3))
    return state | {view.source: flat.reshape(state[view.source].shape)}


def check_attention(
    cls: Any, folder: Path, checkpoint: fpcore.Checkpoint, state: dict[str, torch.Tensor], inputs: Any
) -> tuple[int, ...]:
    """Changes to one head of query, key and value show where they belong; the layers that were checked."""
    roles, shape = checkpoint.roles, checkpoint.architecture
    seen = watch(loaded(cls, folder, state), inputs)
    layers = [layer for layer in seen if f"layers.{layer}.attention.query.weight" in roles]
    done = []
    for layer in sorted({min(layers), max(layers)} if layers else ()):
        before = seen[layer]
        for place, part in enumerate(("query", "key", "value")):
            role = f"layers.{layer}.attention.{part}.weight"
            if role not in roles:
                continue
            heads = before[place].shape[1]
            rows = roles[role].shape[0]
            counted = shape.heads if part == "query" else shape.kv_heads
            if heads not in {counted, shape.heads} and shape.heads:
                raise NotProven(f"layer {layer}: {counted} heads of the {part} where attention gets {heads}")
            each, head = rows // counted if counted else rows, counted - 1 if counted else 0
            after = watch(
                loaded(cls, folder, changed(checkpoint, state, role, slice(head * each, (head + 1) * each))),
                inputs,
            )[layer]
            for other, name in enumerate(("query", "key", "value")):
                moved = (after[other] - before[other]).abs().amax(dim=(0, 2, 3)) > 1e-6
                # Where keys are the values, too, there is no other tensor of values.
                both = name == "value" and f"layers.{layer}.attention.value.weight" not in roles
                if other != place and moved.any() and not both:
                    raise NotProven(f"layer {layer}: what is read as {part} changes the {name}")
                if other == place:
                    if not moved.any():
                        raise NotProven(f"layer {layer}: what is read as {part} does not change it")
                    gain = roles.get(f"layers.{layer}.attention.{part}_norm.weight")
                    whole = gain is not None and gain.size == rows
                    if counted and not whole:
                        group = heads // counted
                        own = torch.zeros(heads, dtype=torch.bool)
                        own[head * group : (head + 1) * group] = True
                        if not torch.equal(moved, own):
                            raise NotProven(
                                f"layer {layer}: the {part} of head {head} is not where it is read"
                            )
        done.append(layer)
    return tuple(done)


def check_gates(
    cls: Any, folder: Path, checkpoint: fpcore.Checkpoint, state: dict[str, torch.Tensor], inputs: Any
) -> str:
    """A block is linear in what is read as up, and not in what is read as gate; what was found."""
    roles = checkpoint.roles
    gates = [
        role
        for role in roles
        if role.startswith("layers.") and ".feed_forward." in role and role.endswith("gate.weight")
    ]
    gates = [role for role in gates if f"{role.removesuffix('gate.weight')}up.weight" in roles]
    if not gates:
        return "no gate"
    here = gates[0].removesuffix("gate.weight")
    layer = int(here.split(".")[1])
    if "experts." in here:  # all experts together: who is asked does not depend on them
        together = [r.removesuffix("gate.weight") for r in gates if r.startswith(f"layers.{layer}.")]
        together = [r for r in together if ".experts." in r]
    else:
        together = [here]
    if f"layers.{layer}.feed_forward.post_norm.weight" in roles:
        return "behind a norm"

    def hidden(part: str, factor: float) -> torch.Tensor:
        turned = dict(state)
        for each in together:
            view = roles[f"{each}{part}.weight"]
            info = checkpoint.tensors[view.source]
            places = torch.arange(info.size).reshape(info.shape)
            index = view.view.apply(places).reshape(-1)
            flat = turned[view.source].clone().reshape(-1)
            flat[index] *= factor
            turned[view.source] = flat.reshape(info.shape)
        model = loaded(cls, folder, turned)
        with torch.no_grad():
            part_of = language_part(model)
            output = part_of(**inputs, output_hidden_states=True)
        states = getattr(output, "hidden_states", None)
        if states is None:
            states = getattr(output, "decoder_hidden_states", None)
        if not states or len(states) <= layer + 1:
            raise LookupError
        return states[layer + 1].double()

    bias = f"{here}up.bias" in roles
    try:
        bends = {}
        for part in ("up", "gate"):
            ends = hidden(part, 1.0), hidden(part, -1.0), hidden(part, 0.0)
            scale = (ends[0] - ends[2]).abs().max()
            bends[part] = float((ends[0] + ends[1] - 2 * ends[2]).abs().max() / (scale + 1e-12))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError):
        return "no hidden states"
    if layer + 1 == roles.depth:
        return "last layer"
    if max(bends.values()) < 1e-3:
        return "not seen"
    if bends["up"] >= bends["gate"] and not bias:
        raise NotProven(
            f"the block bends with what is read as up ({bends['up']:.2g}), gate {bends['gate']:.2g}"
        )
    return "checked"


def check_norms(cls: Any, folder: Path, checkpoint: fpcore.Checkpoint, state: dict[str, torch.Tensor]) -> int:
    """A norm whose gain as read is nought gives nought; the number of norms that were checked."""
    model = loaded(cls, folder, state)
    norms = [
        module
        for module in model.modules()
        if "norm" in type(module).__name__.lower()
        and isinstance(getattr(module, "weight", None), torch.Tensor)
    ]
    done = 0
    for role, view in checkpoint.roles.items():
        if not role.endswith("norm.weight") or "other." in role or len(view.shape) != 1:
            continue
        stored = state[view.source]
        for module in norms:
            if module.weight.shape == stored.shape and torch.equal(module.weight.detach(), stored):
                with torch.no_grad():
                    module.weight.fill_(-view.view.shift)
                    if getattr(module, "bias", None) is not None:
                        module.bias.zero_()
                    try:
                        given = module(torch.randn(2, 3, len(stored)))
                    except (TypeError, RuntimeError):
                        break
                    module.weight.fill_(1.0 - view.view.shift)
                    place = torch.randn(2, 3, len(stored))
                    moved = given if isinstance(given, tuple) else module(place + 3.0) - module(place)
                    moved = moved[0].abs().max() if isinstance(moved, tuple) else moved.abs().max()
                if not isinstance(given, torch.Tensor):
                    break
                if given.abs().max() > 1e-6:
                    raise NotProven(f"the gain of {role} is read with a shift of {view.view.shift:g}")
                kind = "layernorm" if moved < 1e-4 else "rmsnorm"
                of_block = role.startswith("layers.") and "_norm" not in role and "latent" not in role
                if of_block and kind != checkpoint.architecture.norm:
                    raise NotProven(
                        f"the norm {role} is a {kind}, its cell says {checkpoint.architecture.norm}"
                    )
                done += 1
                break
    return done


def prove(kind: str, model_type: str) -> Proof:
    """Prove that a type is read.

    Raises
    ------
    NotProven
        With the one reason.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = build(kind, model_type)
        inputs = inputs_of(kind, model_type, model)
        first = logits(model, inputs)
        again = logits(model, inputs)
        if not torch.allclose(first, again, atol=1e-5):
            raise NotProven("the tiny model does not compute the same twice")
        model.save_pretrained(folder, max_shard_size="100GB")
        cls = type(model)
        del model
        checkpoint = fpcore.open_checkpoint(folder)
        roles, shape = checkpoint.roles, checkpoint.architecture
        state = rebuilt(checkpoint)
        second = Path(name) / "rebuilt"
        second.mkdir()
        for file in folder.glob("*.json"):
            (second / file.name).write_bytes(file.read_bytes())
        third = logits(loaded(cls, second, state), inputs)
        if first.shape != third.shape or not torch.allclose(first, third, atol=1e-4, rtol=1e-4):
            again = logits(prepared(cls.from_pretrained(folder, attn_implementation="eager").float()), inputs)
            if first.shape == again.shape and not torch.allclose(first, again, atol=1e-4, rtol=1e-4):
                raise NotProven("transformers does not load what it saves of this type")
            worst = float((first - third).abs().max()) if first.shape == third.shape else float("nan")
            raise NotProven(f"the rebuilt model computes something else (by {worst:.2g})")
        watched = check_attention(cls, second, checkpoint, state, inputs)
        gated = check_gates(cls, second, checkpoint, state, inputs)
        norms = check_norms(cls, second, checkpoint, state)
        have = tuple(sorted(roles.present("attention.query.weight")))
        return Proof(
            shape.cell,
            roles.reading,
            len(roles),
            sum("other." in role for role in roles),
            len(roles.aside),
            have,
            watched,
            gated,
            norms,
        )
