"""The optimisers that zoo founders are trained with."""

from __future__ import annotations

import torch
from torch.optim.optimizer import ParamsT

from benchmark.session.errors import UsageError

__all__ = ["Lion", "make_optimiser"]

MOMENTUM = 0.9


def make_optimiser(name: str, groups: ParamsT, rate: float) -> torch.optim.Optimizer:
    """An optimiser over parameter groups, each with its ``weight_decay``.

    Parameters
    ----------
    name : str
        adamw (0.9, 0.95; arXiv:1711.05101), lion (0.9, 0.99; arXiv:2302.06675), or sgd with momentum 0.9.
    groups : iterable of dict
    rate : float
        Learning rate to begin with.
    """
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), fused=True)
    if name == "lion":
        return Lion(groups, rate)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM)
    raise UsageError(f"unknown optimiser {name!r}; there are adamw, lion and sgd")


class Lion(torch.optim.Optimizer):
    """Sign of interpolated momentum, with decoupled weight decay (arXiv:2302.06675, algorithm 2)."""

    def __init__(self, groups: ParamsT, rate: float) -> None:
        super().__init__(groups, {"lr": rate, "weight_decay": 0.0, "betas": (0.9, 0.99)})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step; a closure is not supported."""
        assert closure is None, "the gradients are there when a step is taken"
        for group in self.param_groups:
            now, later = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"]
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * momentum.lerp(weight.grad, 1.0 - now).sign_())
                momentum.lerp_(weight.grad, 1.0 - later)
