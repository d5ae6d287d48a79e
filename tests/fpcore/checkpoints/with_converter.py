"""Holds GGUF files of llama.cpp's own converter against the models they were made of, type by type.

`python tests/fpcore/checkpoints/with_converter.py LLAMA_CPP [TYPE …]`, LLAMA_CPP being a checkout, or the
`vendor/llama.cpp` of llama-cpp-python's source distribution. A tiny random model of each type that
transformers can build and the converter takes is converted as it is; what both files have must have equal
values. Results go to `converted_types.json`.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
RESULTS = HERE / "converted_types.json"
FACTS = ("depth", "width", "heads", "kv_heads", "feed_forward", "experts", "qkv_bias", "norm")

# Entries that the converter asks of a config, and transformers no longer writes.
MORE: dict[str, dict[str, Any]] = {
    "cohere2": {"rotary_pct": 1.0},
    "falcon": {"num_kv_heads": 1},
    "falcon_h1": {"head_dim": 8},
    "gpt2": {"n_ctx": 64},
    "gpt_neox": {"rotary_pct": 0.25},
    "hunyuan_v1_moe": {"moe_intermediate_size": [48] * 4, "moe_topk": [2] * 4, "num_shared_expert": [1] * 4},
    "minimax_m2": {"rotary_dim": 4},
}
# Tensors of tiny models that real files of the type do not have.
WITHOUT: dict[str, tuple[str, ...]] = {
    "bitnet": ("lm_head.weight",),
    "modernbert": ("decoder.bias", "head.dense.weight", "head.norm.weight"),
}


def converted(folder: Path, out: Path) -> str:
    """Run the converter on a saved model; the architecture that it writes."""
    import gguf
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class
    from conversion.base import TextModel
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text())
    source = out.parent / "source"
    shutil.copytree(folder, source)
    (source / "config.json").write_text(json.dumps(config | MORE.get(config["model_type"], {})))
    (source / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}, "added_tokens": []}')
    if names := WITHOUT.get(config["model_type"]):
        tensors = load_file(source / "model.safetensors")
        save_file({n: t for n, t in tensors.items() if n not in names}, source / "model.safetensors")
    TextModel._create_vocab_sentencepiece = lambda self: ([], [], [])
    facts = ModelBase.load_hparams(source, False)
    cls = get_model_class(get_model_architecture(facts, ModelType.TEXT))
    for each in cls.__mro__:  # tiny models have no vocabulary
        if "set_vocab" in vars(each):
            each.set_vocab = lambda self: None
    if hasattr(cls, "no_mtp"):
        cls.no_mtp = True
    with torch.inference_mode():
        model = cls(source, gguf.LlamaFileType.ALL_F32, out)
        model.write()
    return str(gguf.MODEL_ARCH_NAMES[model.model_arch])


def differences(hub: Any, file: Any) -> list[str]:
    """What is not the same; names that only one of the files has stand apart (``other.``)."""
    found = [
        f"{fact} {getattr(hub.architecture, fact)} on the hub, {getattr(file.architecture, fact)} in the file"
        for fact in FACTS
        if getattr(hub.architecture, fact) != getattr(file.architecture, fact)
    ]
    for role, view in hub.roles.items():
        if "other." in role or role == "embedding.weight":  # cut to the (missing) vocabulary by some
            continue
        if role not in file.roles:
            if role.startswith("layers.") and "shared_expert" not in role:
                found.append(f"{role} is not in the file")
            continue
        ours, theirs = view.read().float(), file.roles[role].read().float()
        if ours.shape != theirs.shape or not torch.equal(ours, theirs):
            found.append(f"{role} has other values")
    return found


def attempt(kind: str, model_type: str) -> tuple[str, str]:
    """The architecture and what is wrong with it; nothing if it is proven."""
    import conversion
    from proof import build

    import fpcore

    try:
        model = build(kind, model_type)
    except Exception as error:
        return "", f"the tiny model cannot be built: {type(error).__name__}"
    if type(model).__name__ not in conversion.TEXT_MODEL_MAP:
        return "", "the converter does not take it"
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "hub", Path(name) / "model.gguf"
        model.save_pretrained(folder)
        try:
            architecture = converted(folder, out)
        except Exception as error:
            return "", f"the converter stops: {type(error).__name__}: {error}"[:160]
        try:
            found = differences(fpcore.open_checkpoint(folder), fpcore.open_checkpoint(out))
        except fpcore.BadCheckpoint as error:
            return architecture, f"refused: {str(error).partition(': ')[2]}"
        return architecture, "; ".join(found)[:200]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("types", nargs="*")
    asked = parser.parse_args()
    llama_cpp = (asked.llama_cpp, asked.llama_cpp / "gguf-py")
    sys.path[:0] = map(str, (*llama_cpp, HERE.parent / "anatomy", HERE.parents[2]))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from proof import KINDS, types_of

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"proven": {}, "not proven": {}}
    for kind in KINDS:
        for model_type in types_of(kind):
            key = f"{kind} {model_type}"
            if asked.types and model_type not in asked.types:
                continue
            architecture, wrong = attempt(kind, model_type)
            results["proven"].pop(key, None)
            results["not proven"].pop(key, None)
            if architecture and not wrong:
                results["proven"][key] = architecture
            elif wrong != "the converter does not take it":
                results["not proven"][key] = f"{architecture}: {wrong}".removeprefix(": ")
            print(key, architecture, wrong or "proven", flush=True)
            ordered = {name: dict(sorted(found.items())) for name, found in results.items()}
            RESULTS.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")
            gc.collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
