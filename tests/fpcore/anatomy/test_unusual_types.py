"""Types that differ from others in one respect, proven on every run; `test_every_type.py` has all."""

from __future__ import annotations

import pytest
from proof import prove

pytestmark = pytest.mark.thorough

# Model type → what only it has, or few have.
UNUSUAL = {
    "dots3_note_text": "heads and latents of another size in some layers",
    "dory": "a config that counts attention and feed-forward blocks apart",
    "blt": "four stacks of layers, of which one is the language model",
    "mobilebert": "several feed-forward blocks a layer, within a bottleneck",
    "mistral_large4": "latent attention under the first Mistral's names, without positions in some layers",
    "step3p7": "experts in three stacks, gains stored less one",
    "t5gemma2": "an encoder that reads text and images",
    "diffusion_gemma": "an encoder that shares the decoder's layers, keys that are values",
    "udop": "layers whose parts are numbered",
}
KINDS = {"mobilebert": "masked"} | dict.fromkeys(("dots3_note_text", "dory", "blt"), "causal")


@pytest.mark.parametrize("model_type", UNUSUAL)
def test_it_is_read(model_type: str) -> None:
    proof = prove(KINDS.get(model_type, "image-text"), model_type)
    assert proof.attention
