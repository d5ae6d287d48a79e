"""Where training starts: shapes, which weights came from where, and equal logits where they must be equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from double_precision import InDouble, logits_in_double
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from zoo_models import RANDOM

from benchmark.session.errors import UsageError
from benchmark.zoo.cells import CELLS, VOCABULARY
from benchmark.zoo.recipes import Narrowing, Upcycling
from benchmark.zoo.reshaping import drop_layers, keep_every, narrow, upscale_depth
from benchmark.zoo.starts import add_lora, merge_lora
from benchmark.zoo.training import balanced_loss, taught_losses
from benchmark.zoo.upcycling import upcycle
from fpcore import Architecture, open_checkpoint

pytestmark = pytest.mark.thorough

IDS = torch.randint(0, 64, (3, 16), generator=torch.Generator().manual_seed(0))


def model(kind: str, depth: int = 6, **options: int) -> PreTrainedModel:
    torch.manual_seed(2)
    size = {"n_layer": depth} if kind == "gpt2" else {"num_hidden_layers": depth}
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**RANDOM[kind], **size, **options}))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter) + (parameter == 1))
    return made.double().eval()  # every number is one of float32: models made of it hold the same


def logits(one: PreTrainedModel) -> torch.Tensor:
    return logits_in_double(one, IDS)


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def silence(one: PreTrainedModel, layers: list[int]) -> None:
    """Let layers write nothing into the residual stream."""
    for name, parameter in one.named_parameters():
        if any(f".{layer}." in name for layer in layers) and any(
            part in name for part in ("o_proj", "down_proj", "attention.dense", "4h_to_h", "c_proj")
        ):
            parameter.zero_()


def layers_of(one: PreTrainedModel) -> list[torch.Tensor]:
    """One weight of each layer, by which to know it again."""
    return [
        parameter.detach()
        for name, parameter in one.named_parameters()
        if name.endswith(("q_proj.weight", "query_key_value.weight", "c_attn.weight"))
    ]


KINDS = ["llama", "qwen2", "qwen3", "gpt_neox", "gpt2"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("reshape", "sources"),
    [
        (lambda parent: upscale_depth(parent, 2), [0, 1, 2, 3, 2, 3, 4, 5]),
        (lambda parent: upscale_depth(parent, 0), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]),
        (lambda parent: drop_layers(parent, (1, 4)), [0, 2, 3, 5]),
        (lambda parent: keep_every(parent, 2), [0, 2, 4]),
    ],
)
def test_layers_come_from_where_they_should(kind, reshape: Callable, sources):
    parent = model(kind)
    child = reshape(parent)
    assert child.config.num_hidden_layers == len(sources)
    known = layers_of(parent)
    for own, source in zip(layers_of(child), sources, strict=True):
        assert torch.equal(own, known[source])
    assert torch.equal(child.get_input_embeddings().weight, parent.get_input_embeddings().weight)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_write_nothing_may_go_or_come_twice(kind):
    parent = model(kind)
    silence(parent, [2, 3])
    before = logits(parent)
    assert_equal(logits(drop_layers(parent, (2, 3))), before)
    assert_equal(logits(upscale_depth(parent, 2)), before)
    silence(parent, [1, 5])
    assert_equal(logits(keep_every(parent, 2)), logits(drop_layers(parent, (1, 3, 5))))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_units_without_weight_are_the_first_to_go(kind):
    parent = model(kind)
    gone = [1, 4, 5, 17]
    for name, parameter in parent.named_parameters():
        if name.endswith(("up_proj.weight", "4h.weight", "4h.bias")):
            parameter[gone] = 1e-12
        elif name.endswith(("c_fc.weight", "c_fc.bias")):
            parameter[..., gone] = 1e-12
    inner = 96 if kind == "gpt2" else 20
    child = narrow(parent, Narrowing(feed_forward=inner - len(gone)))
    assert_equal(logits(child), logits(parent))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
@torch.no_grad()
def test_a_narrower_stream_keeps_heads_and_the_heaviest_units(kind, tmp_path):
    parent = model(kind)
    parent.get_input_embeddings().weight[:, 7] += 100.0
    child = narrow(parent, Narrowing(width=12, feed_forward=12))
    child.save_pretrained(tmp_path)
    shape = open_checkpoint(tmp_path).architecture
    assert (shape.width, shape.feed_forward, shape.heads, shape.head_dim, shape.depth) == (12, 12, 6, 4, 6)
    rows = child.get_input_embeddings().weight
    assert int((rows.mean(dim=0) > 50).sum()) == 1
    assert torch.isfinite(logits(child)).all()


@pytest.mark.parametrize("kind", ["gpt_neox", "gpt2"])
def test_a_stream_that_heads_share_out_is_not_narrowed(kind):
    with pytest.raises(UsageError, match="divide up") as caught:
        narrow(model(kind, depth=1), Narrowing(width=12))
    assert "\n" not in str(caught.value)


def test_what_leaves_nothing_or_is_not_there_is_refused():
    parent = model("llama", depth=2)
    for refused in (
        lambda: upscale_depth(parent, 2),
        lambda: drop_layers(parent, (0, 1)),
        lambda: drop_layers(parent, (2,)),
        lambda: narrow(parent, Narrowing(feed_forward=21)),
        lambda: narrow(parent, Narrowing(width=30)),
        lambda: narrow(parent, Narrowing(width=10)),
        lambda: upcycle(model("gpt2", depth=1), Upcycling(2, 1)),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_mixture_of_plain_copies_computes_what_the_dense_model_does(kind):
    dense = model(kind)
    before = logits(dense)
    mixture = upcycle(dense.float(), Upcycling(experts=4, top=2))
    assert mixture.config.model_type == "mixtral"
    # The weights of the chosen experts sum to one, and all experts are alike.
    assert_equal(logits(mixture), before)
    noisy = upcycle(dense, Upcycling(experts=4, top=2, noise=0.1, reinitialise=0.25))
    assert float((logits(noisy) - before).abs().max()) > 0.1


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_becomes_a_model_of_its_shape(name):
    cell = CELLS[name]
    config = AutoConfig.for_model(cell.model_type, **cell.config())
    made = AutoModelForCausalLM.from_config(config)
    shape = Architecture.from_config(config.to_dict())
    stated = (cell.depth, cell.width, cell.heads, cell.kv_heads, cell.feed_forward, cell.experts)
    found = (shape.depth, shape.width, shape.heads, shape.kv_heads, shape.feed_forward, shape.experts)
    assert found == stated
    assert shape.head_dim == cell.width // cell.heads
    assert shape.vocabulary == VOCABULARY
    assert bool(shape.tied) is cell.tied
    with torch.no_grad():
        assert torch.isfinite(made(input_ids=IDS).logits).all()


def test_a_student_learns_its_teachers_predictions_and_nothing_else():
    teacher, student = model("llama", depth=1), model("llama", depth=1)
    tokens = IDS.numpy().astype(np.uint16)
    learned = np.ones((3, 15), dtype=bool)

    def losses(given: np.ndarray) -> torch.Tensor:
        with InDouble():
            return taught_losses(student, teacher, given, learned)

    own = losses(tokens)
    predicted = logits(teacher)[:, :-1].softmax(dim=-1)
    entropy = -(predicted * predicted.log()).sum(dim=-1).flatten()
    assert_equal(own, entropy)  # the least there is, at equal weights
    assert own.requires_grad
    with torch.no_grad():
        student.get_output_embeddings().weight.mul_(0.5)
    assert float(losses(tokens).detach().mean()) > float(entropy.mean())
    other = tokens.copy()
    other[:, -1] = 0  # a target that is never an input
    assert_equal(losses(other), losses(tokens))
    learned[:, :5] = False
    assert len(losses(tokens)) == 30


@pytest.mark.parametrize("kind", KINDS)
def test_low_rank_updates_train_the_linear_maps_of_every_layer_and_merge(kind):
    changed = model(kind, depth=2)
    before, names = logits(changed), set(changed.state_dict())
    weights = {name: tensor.clone() for name, tensor in changed.state_dict().items()}
    add_lora(changed, 2, seed=0)
    assert_equal(logits(changed), before)  # updates start at zero
    updates = [one for name, one in changed.named_parameters() if one.requires_grad and name.endswith(".b")]
    assert all(
        ".0." in name or ".1." in name for name, one in changed.named_parameters() if one.requires_grad
    )
    with torch.no_grad():
        for update in updates:
            update.normal_()
    adapted = logits(changed)
    merge_lora(changed)
    assert_equal(logits(changed), adapted)
    assert set(changed.state_dict()) == names
    moved = [weights[name] - tensor for name, tensor in changed.state_dict().items()]
    moved = [one for one in moved if one.any()]
    assert len(moved) == len(updates) >= 2 * 4
    assert all(torch.linalg.matrix_rank(one, rtol=1e-4) == 2 for one in moved)


def test_balance_is_the_loss_that_even_routing_has_least_of():
    mixture = model("mixtral", depth=2)
    mixture.set_experts_implementation("eager")
    tokens, learned = IDS.numpy().astype(np.uint16), np.ones((3, 15), dtype=bool)

    def spread() -> float:
        with torch.no_grad(), InDouble():
            both = [balanced_loss(mixture, tokens, learned, weight=weight) for weight in (1.0, 0.0)]
        return float(both[0] - both[1])

    assert spread() > 2.0
    routers = [one for name, one in mixture.named_parameters() if name.endswith("mlp.gate.weight")]
    assert len(routers) == 2
    with torch.no_grad():
        for router in routers:
            router.zero_()
    # Equal probabilities: the sum of shares, which is the number of experts a token takes.
    assert spread() == pytest.approx(2.0, abs=1e-9)
