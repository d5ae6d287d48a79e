"""Running a model on fixed prompts: the part of fpcore that needs `transformers` and a device."""

from fpcore.forward.one_pass import ForwardPass, forget_pass, forward_pass
from fpcore.forward.prompts import prompts, prompts_digest

__all__ = ["ForwardPass", "forget_pass", "forward_pass", "prompts", "prompts_digest"]
