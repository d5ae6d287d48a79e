"""Repositories with the names, branches and layouts of the shipped catalog's families, and small weights.

The catalog is the shipped one with other shapes: families, runs, evidence and disputes stay as they are.
Weights are random, and related as those of the families are: the points of a run lie between its
initialisation and its end, seeds share nothing but the recipe, and one seed of DataDecide begins alike on
every corpus.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from loopback_hub import LoopbackHub
from safetensors.torch import save
from small_catalog import as_yaml

from benchmark.catalog import Catalog, Facts, HubSource, Model, parse_catalog, shipped_catalog

#: Family → the axes of it that are served, where not all are.
SERVED: dict[str, dict[str, set[str]]] = {
    "Pythia": {"size": {"14m", "31m", "70m", "160m", "410m"}},
    "PolyPythias": {},
    "PolyPythias, initialisation alone": {},
    "MultiBERTs": {},
    "DataDecide": {},
    "CRFM GPT-2": {},
}
#: Cells of the families that are served → the width that they have here; the rest follows from it.
WIDTHS = {
    "pythia-14m": 8,
    "pythia-31m": 12,
    "pythia-70m": 16,
    "pythia-160m": 20,
    "pythia-410m": 24,
    "bert-base": 12,
    "datadecide-4m": 8,
    "datadecide-6m": 12,
    "datadecide-8m": 16,
    "datadecide-10m": 20,
    "datadecide-14m": 24,
    "gpt2-124m": 8,
    "gpt2-355m": 12,
}
DEPTH, VOCABULARY, KEPT = 3, 24, 0.25
Tensors = dict[str, npt.NDArray[np.float16]]


@dataclass(frozen=True)
class FamilyHub:
    """What is served.

    Attributes
    ----------
    text : str
        The catalog, as YAML.
    catalog : Catalog
    repositories : tuple of str
    """

    text: str
    catalog: Catalog
    repositories: tuple[str, ...]


def small_catalog_text() -> str:
    """The families that are served, out of the shipped catalog, with small shapes in place of their own."""
    document = yaml.load(shipped_catalog().read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    cells = {name: small_shape(document["cells"][name], width) for name, width in WIDTHS.items()}
    families = []
    for family in document["families"]:
        if family["name"] not in SERVED:
            continue
        axes = {}
        for axis, values in family["axes"].items():
            wanted = SERVED[family["name"]].get(axis)
            kept = [value for value in values if wanted is None or str(value) in wanted]
            fields = (
                {value: with_own_count(values[value], cells) for value in kept}
                if isinstance(values, dict)
                else kept
            )
            axes[axis] = fields
        model = with_own_count(family["model"], cells)
        used = {
            model.get("cell"),
            *(f.get("cell") for v in axes.values() if isinstance(v, dict) for f in v.values()),
        }
        if all(axes.values()) and used & set(WIDTHS):
            families.append(family | {"axes": axes, "model": model})
    text = as_yaml({"schema": 1, "cells": cells, "families": families})
    names = set(parse_catalog(text).models)
    # Who began from the same random numbers is disputed for some corpora: that stays.
    disputes = [d for d in document["disputes"] if matched(d, names) and not d.get("controls")]
    return as_yaml({"schema": 1, "cells": cells, "families": families, "disputes": disputes})


def matched(dispute: Mapping[str, Any], names: set[str]) -> bool:
    """Whether a dispute is about models that are served, and about no others."""
    return all(any(fnmatchcase(name, written) for name in names) for written in dispute["models"])


def with_own_count(entry: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An entry with the number of parameters that its small shape has, which decides what a budget buys."""
    if "parameters" not in entry or entry.get("cell") not in cells:
        return dict(entry)
    held = shapes(Facts(**cells[entry["cell"]]))
    return {**entry, "parameters": sum(math.prod(shape) for shape in held.values())}


def small_shape(facts: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A shape of the same kind, and small."""
    sizes = {"depth": DEPTH, "width": width, "heads": 2, "kv_heads": 2, "feed_forward": 4 * width}
    return dict(facts) | sizes | {"vocabulary": VOCABULARY}


def serve_families(hub: LoopbackHub) -> FamilyHub:
    """Put every model of the small catalog on the hub."""
    text = small_catalog_text()
    catalog = parse_catalog(text)
    held: set[str] = set()
    for model in catalog.models.values():
        source = model.source
        assert isinstance(source, HubSource)
        hub.repository(source.repository).add(files(catalog, model), source.revision or "main")
        held.add(source.repository)
    return FamilyHub(text, catalog, tuple(sorted(held)))


def files(catalog: Catalog, model: Model) -> dict[str, bytes]:
    """A repository as its family has it: torch files, safetensors beside them, or safetensors in shards."""
    weights = {name: torch.from_numpy(value) for name, value in tensors(catalog, model).items()}
    found = {"config.json": json.dumps(config(model)).encode()}
    if model.family == "DataDecide":
        names = sorted(weights)
        shards = {f"model-{n + 1:05d}-of-00002.safetensors": names[n::2] for n in range(2)}
        where = {name: shard for shard, own in shards.items() for name in own}
        index = {
            "metadata": {"total_size": 2 * sum(one.numel() for one in weights.values())},
            "weight_map": where,
        }
        found["model.safetensors.index.json"] = json.dumps(index).encode()
        return found | {shard: save({name: weights[name] for name in own}) for shard, own in shards.items()}
    stream = io.BytesIO()
    torch.save(weights, stream)
    found["pytorch_model.bin"] = stream.getvalue()
    if model.family == "Pythia":
        found["model.safetensors"] = save(weights, metadata={"format": "pt"})
    return found


def config(model: Model) -> dict[str, Any]:
    """A config as the family writes it."""
    facts = model.architecture
    assert facts is not None
    width, kind = facts.width, facts.model_type
    if kind == "gpt2":
        return {"model_type": kind, "n_layer": DEPTH, "n_embd": width, "n_head": 2, "vocab_size": VOCABULARY}
    if kind == "hf_olmo":
        return {
            "model_type": kind,
            "d_model": width,
            "n_layers": DEPTH,
            "n_heads": 2,
            "mlp_ratio": 8,
            "embedding_size": VOCABULARY,
            "vocab_size": VOCABULARY,
            "layer_norm_type": "rms",
            "activation_type": "swiglu",
            "weight_tying": False,
        }
    return {
        "model_type": kind,
        "num_hidden_layers": DEPTH,
        "hidden_size": width,
        "num_attention_heads": 2,
        "intermediate_size": facts.feed_forward,
        "vocab_size": VOCABULARY,
        "layer_norm_eps": 1e-5,
        "tie_word_embeddings": bool(facts.tied),
    }


def tensors(catalog: Catalog, model: Model) -> Tensors:
    """Weights on the way from the initialisation of a run to its end."""
    here, steps = model, model.training_steps or 0
    while here.parents:
        here = catalog.models[here.parents[0].id]
        steps += here.training_steps or 0
    begun = str(here.training.get("initialisation") or (here.id, here.training.get("seed")))
    if model.family == "DataDecide":  # its seed is set before the model is drawn, whatever the corpus
        begun = f"DataDecide {here.training['seed']}"
    budget = model.training.get("budget")
    # A model without points of its run is an end.
    share = 1.0 if here.training_steps is None or not isinstance(budget, int) else steps / budget
    end = f"{here.training.get('order')} {here.training.get('seed')} {here.cell}"
    moved = (1 - KEPT) * share**0.4
    first, last = drawn(model, f"start {begun}", 0.0), drawn(model, f"end {end}", 1.0)
    return {name: ((1 - moved) * first[name] + moved * last[name]).astype(np.float16) for name in first}


def drawn(model: Model, key: str, trend: float) -> Tensors:
    """Random tensors; at the end of training their spread follows the layers as the recipe has it."""
    assert model.architecture is not None
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little"))
    recipe = np.random.default_rng(len(model.family))
    profile = recipe.uniform(0.5, 1.5, DEPTH)
    found = {}
    for name, shape in shapes(model.architecture).items():
        layer = next((int(part) for part in name.split(".") if part.isdigit()), 0)
        spread = (1 + trend * (profile[layer] - 1)) * (1 + trend * 0.2 * rng.standard_normal())
        gain = 1.0 if ("norm" in name.lower() or "ln_" in name) and name.endswith("weight") else 0.0
        found[name] = gain + (0.1 if gain else 0.3) * spread * rng.standard_normal(shape)
    return found


def shapes(facts: Facts) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of a model type."""
    assert facts.width is not None
    assert facts.feed_forward is not None
    width, inner = facts.width, facts.feed_forward
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, rows: int, columns: int, *, bias: bool = True, flipped: bool = False) -> None:
        found[f"{name}.weight"] = (columns, rows) if flipped else (rows, columns)
        if bias:
            found[f"{name}.bias"] = (rows,)

    def norm(name: str, *, bias: bool = True) -> None:
        found[f"{name}.weight"] = (width,)
        if bias:
            found[f"{name}.bias"] = (width,)

    if facts.model_type == "gpt_neox":
        found["gpt_neox.embed_in.weight"] = found["embed_out.weight"] = (VOCABULARY, width)
        norm("gpt_neox.final_layer_norm")
        for n in range(DEPTH):
            here = f"gpt_neox.layers.{n}"
            norm(f"{here}.input_layernorm")
            norm(f"{here}.post_attention_layernorm")
            linear(f"{here}.attention.query_key_value", 3 * width, width)
            linear(f"{here}.attention.dense", width, width)
            linear(f"{here}.mlp.dense_h_to_4h", inner, width)
            linear(f"{here}.mlp.dense_4h_to_h", width, inner)
    elif facts.model_type == "gpt2":
        found["transformer.wte.weight"], found["transformer.wpe.weight"] = (VOCABULARY, width), (8, width)
        norm("transformer.ln_f")
        for n in range(DEPTH):
            here = f"transformer.h.{n}"
            norm(f"{here}.ln_1")
            norm(f"{here}.ln_2")
            linear(f"{here}.attn.c_attn", 3 * width, width, flipped=True)
            linear(f"{here}.attn.c_proj", width, width, flipped=True)
            linear(f"{here}.mlp.c_fc", inner, width, flipped=True)
            linear(f"{here}.mlp.c_proj", width, inner, flipped=True)
    elif facts.model_type == "bert":
        found["bert.embeddings.word_embeddings.weight"] = (VOCABULARY, width)
        found["bert.embeddings.position_embeddings.weight"] = (8, width)
        found["bert.embeddings.token_type_embeddings.weight"] = (2, width)
        norm("bert.embeddings.LayerNorm")
        for n in range(DEPTH):
            here = f"bert.encoder.layer.{n}"
            for part in ("query", "key", "value"):
                linear(f"{here}.attention.self.{part}", width, width)
            linear(f"{here}.attention.output.dense", width, width)
            norm(f"{here}.attention.output.LayerNorm")
            linear(f"{here}.intermediate.dense", inner, width)
            linear(f"{here}.output.dense", width, inner)
            norm(f"{here}.output.LayerNorm")
    else:
        assert facts.model_type == "hf_olmo"
        found["model.transformer.wte.weight"] = found["model.transformer.ff_out.weight"] = (VOCABULARY, width)
        norm("model.transformer.ln_f", bias=False)
        for n in range(DEPTH):
            here = f"model.transformer.blocks.{n}"
            norm(f"{here}.attn_norm", bias=False)
            norm(f"{here}.ff_norm", bias=False)
            linear(f"{here}.att_proj", 3 * width, width, bias=False)
            linear(f"{here}.attn_out", width, width, bias=False)
            linear(f"{here}.ff_proj", 2 * inner, width, bias=False)
            linear(f"{here}.ff_out", width, inner, bias=False)
    return found
