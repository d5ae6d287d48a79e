"""Running a model on fixed prompts: the part of fpcore that needs `transformers` and a device."""

from fpcore.forward.prompts import prompts, prompts_digest
from fpcore.forward.tensors import Reading, reading_of

__all__ = [
    "Reading",
    "prompts",
    "prompts_digest",
    "reading_of",
]
