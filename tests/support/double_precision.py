"""Models of `transformers` run in float64 throughout, so that equality holds on any processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel


class InDouble(TorchDispatchMode):
    """Nothing is computed in float32: `transformers` does so in norms, softmax and positions of any model."""

    def __torch_dispatch__(  # type: ignore[override]
        self,
        operation: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        options = {
            name: torch.float64 if value is torch.float32 else value for name, value in (kwargs or {}).items()
        }
        return operation(*args, **options)


def logits_in_double(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """What a model computes, to 1e-13 or so: whatever differs by more differs in its weights."""
    model.set_experts_implementation("eager")  # the fast ones take no float64
    with torch.no_grad(), InDouble():
        found: torch.Tensor = model.double().eval()(input_ids=ids).logits
    assert found.dtype == torch.float64
    return found
