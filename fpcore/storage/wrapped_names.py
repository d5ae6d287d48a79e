"""Names of tensors as tools that wrap a model save them, and which belong to the language model at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from fpcore.storage.tensor_source import TensorInfo

__all__ = ["apart", "unwrapped"]


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Modules that training tools put around others, anywhere in a name.
WRAPPERS: Final = words("_orig_mod _fsdp_wrapped_module _checkpoint_wrapped_module _forward_module")
OUTERMOST: Final = ("module.", "_forward_module.", "base_model.model.")

# Words between the outermost part and the layers that say what a tensor is for.
TOWERS: Final = words(
    "vision_tower vision_model visual vision_encoder vision_backbone vision_embed_tokens vision_embedding "
    "vision_resampler vision vit image_encoder image_newline img_processor siglip clip vpm sam_model "
    "vqmodel gen_vision_model gen_head gen_embed gen_aligner audio_tower audio_model audio_encoder "
    "speech_encoder speech_model apm tts talker token2wav code2wav codec_model embed_vision embed_audio "
    "vision_transformer visual_model image_tower video_tower"
)
PROJECTORS: Final = words(
    "multi_modal_projector multimodal_projector mm_projector vision_projector visual_projection projector "
    "connector mlp1 mlp_AR merger perceiver perceiver_resampler resampler qformer aligner "
    "language_projection vision_adapter audio_projector audio_projection_layer vision_proj "
    "modality_projection vision_embed patch_merger pre_mm_projector_norm adapter_proj "
    "view_seperator view_separator"
)
DRAFTS: Final = words(
    "mtp mtps mtp_layers mtp_block mtp_blocks mtp_head mtp_module medusa_head medusa_heads medusa eagle "
    "eagle_module draft_model nextn hydra"
)
TASKS: Final = words("score v_head classifier value_head reward_head regression_head qa_outputs summary")
KINDS: Final = {
    "towers of other modalities": TOWERS,
    "projectors": PROJECTORS,
    "draft heads": DRAFTS,
    "heads for other tasks": TASKS,
}

# What runtimes keep of activations and caches; one number, or one a channel. Whole names only: the
# `correct_output_scale` of Gemma 3n is a weight.
EXTRA: Final = re.compile(
    r"(^|\.)((input|activation|output|act|k|v|q|kv|k_cache|v_cache|prob_output|softmax|k_proj_output|v_proj_output)"
    r"_(global_)?(scale|zero_point|amax|scale_inv|scale_ub)|amax|_amax|num_batches_tracked)$"
)
NOT_TENSORS: Final = re.compile(r"(^|\.)_extra_state(\.|$)")
NEXT_TOKENS: Final = re.compile(r"^(?P<layer>(?:.*\.)?layers\.\d+)\.(?:eh_proj|enorm|hnorm)\.")


def unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Names without what tools wrapped around them → the stored names.

    Where two stored names become one (a model and its wrapped copy), the plain one counts.
    """
    stored = list(names)
    found: dict[str, str] = {}
    for name in sorted(stored, key=lambda one: (bare(one) != one, one)):
        found.setdefault(bare(name), name)
    order = {name: place for place, name in enumerate(stored)}
    return dict(sorted(found.items(), key=lambda entry: order[entry[1]]))


def bare(name: str) -> str:
    """One name without wrappers."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    short = ".".join(parts)
    while prefix := next((prefix for prefix in OUTERMOST if short.startswith(prefix)), ""):
        short = short.removeprefix(prefix)
    return (
        short.replace(".base_layer.", ".")
        .replace(".modules_to_save.default.", ".")
        .replace(".original_module.", ".__original_module__.")
    )


def apart(tensors: Mapping[str, TensorInfo]) -> dict[str, str]:
    """Tensors that are not the language model's → what they are."""
    further = {match["layer"] for name in tensors if (match := NEXT_TOKENS.match(name))}
    found: dict[str, str] = {}
    for name, info in tensors.items():
        kind = kind_of(name)
        if kind is None and any(name.startswith(f"{layer}.") for layer in further):
            kind = "draft heads"
        if kind is None and NOT_TENSORS.search(name):
            kind = "states of training tools"
        if kind is None and EXTRA.search(name) and len(info.shape) <= 2:
            kind = "scales of activations"
        if kind is None and ".__original_module__." in name:
            kind = "replaced by an adapter's own copy"
        if kind is not None:
            found[name] = kind
    return found


def kind_of(name: str) -> str | None:
    """What a name says before its first number (or its last word) of where it belongs."""
    for part in name.split(".")[:-1]:
        if part.isdigit():
            return None
        for kind, words in KINDS.items():
            if part in words:
                return kind
    return "towers of other modalities" if name.rpartition(".")[2] in TOWERS else None
