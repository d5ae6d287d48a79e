"""Which tensors of a file are not the language model, by their names, and what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

from fpcore.storage.tensor_source import TensorInfo

__all__ = ["DRAFT_HEADS", "TOWERS", "apart", "beside"]

PROJECTORS: Final = "projectors"
TOWERS: Final = "towers of other modalities"
DRAFT_HEADS: Final = "draft heads"
TASKS: Final = "heads for other tasks"

# What a part of a name is if one of these is among its words (`vision_tower` has two).
# The first kind that fits counts.
WORDS: Final = {
    PROJECTORS: "mm multimodal multi_modal modal modality projector connector merger aligner resampler "
    "perceiver qformer query_tokens latent_query expert_projector language_projection visual_projection "
    "vision_projection vision_proj vision_adapter audio_projection mlp1 mlp_AR adapter_proj "
    "view_seperator view_separator",
    TOWERS: "vision visual image img pixel patch video audio speech vit clip siglip sam vq vqmodel "
    "vqgan codec tower vpm apm tts talker token2wav code2wav dit generation gen_head gen_embed action "
    "action_time gemma_expert state_proj protein",
    DRAFT_HEADS: "mtp nextn draft eagle medusa hydra",
    TASKS: "score classifier v_head value_head reward_head regression_head qa_outputs summary pooler "
    "seq_relationship discriminator",
}
MADE_OF: Final = {
    kind: re.compile(rf"(?<!vocab_)(?:^|(?<=_))(?:{'|'.join(words.split())})s?(?:_|\d*$)")
    for kind, words in WORDS.items()
}

# Types whose language model itself is called so: one works on patches of bytes, one is called after its part.
WHOLE_TYPES: Final = frozenset({"blt", "perceiver"})

# What runtimes keep of activations and caches; one number, or one a channel. Whole names only: the
# `correct_output_scale` of Gemma 3n is a weight.
EXTRA: Final = re.compile(
    r"(^|\.)((input|activation|output|act|k|v|q|kv|k_cache|v_cache|prob_output|softmax|k_proj_output|v_proj_output)"
    r"_(global_)?(scale|zero_point|amax|scale_inv|scale_ub)|amax|_amax|num_batches_tracked)$"
)
NOT_TENSORS: Final = re.compile(r"(^|\.)_extra_state(\.|$)")
NEXT_TOKENS: Final = re.compile(r"^(?P<layer>(?:.*\.)?layers\.\d+)\.(?:eh_proj|enorm|hnorm)\.")


def apart(tensors: Mapping[str, TensorInfo], model_type: str = "") -> dict[str, str]:
    """Tensors that are not the language model's → what they are.

    Parameters
    ----------
    tensors : mapping of str to TensorInfo
    model_type : str
        As the config has it: some types call parts of the language model as others call a tower.
    """
    further = {match["layer"] for name in tensors if (match := NEXT_TOKENS.match(name))}
    found: dict[str, str] = {}
    for name, info in tensors.items():
        kind = beside(name) if model_type not in WHOLE_TYPES else None
        if kind is None and any(name.startswith(f"{layer}.") for layer in further):
            kind = DRAFT_HEADS
        if kind is None and NOT_TENSORS.search(name):
            kind = "states of training tools"
        if kind is None and EXTRA.search(name) and len(info.shape) <= 2:
            kind = "scales of activations"
        if kind is None and ".__original_module__." in name:
            kind = "replaced by an adapter's own copy"
        if kind is not None:
            found[name] = kind
    return found


def beside(name: str) -> str | None:
    """What a tensor is that belongs to no language model, by its name; None for all others.

    Only what stands before the number of a layer counts: within a layer the same words mean other things.

    Examples
    --------
    >>> from fpcore.storage.beside import beside
    >>> beside("model.vision_tower.layers.0.mlp.fc1.weight"), beside("multi_modal_projector.linear_1.bias")
    ('towers of other modalities', 'projectors')
    >>> beside("model.layers.0.patch_norm.weight") is None
    True
    """
    for part in takewhile(lambda word: not word.isdigit(), name.split(".")):
        for kind, pattern in MADE_OF.items():
            if pattern.search(part):
                return kind
    return None
