"""Running checkpoints on the prompts: the same numbers as transformers, one pass for all, clear refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forward_models import characters, stored, tiny
from tiny_models import TINY
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

import fpcore
from fpcore import BadCheckpoint, Checkpoint, Memo, MemoryCheckpoint, NoDevice, NotComparable
from fpcore.forward import forward_pass, one_pass, prompts, prompts_digest
from fpcore.forward.batches import filled_up, of_one_length
from fpcore.forward.capture import capturing
from fpcore.forward.causal_model import load_model
from fpcore.forward.one_pass import positions
from fpcore.forward.prompts import LONGEST, tokenised

RUNS = {"activations", "gradients", "outputs"}
FORWARD = [metric for metric in fpcore.metrics() if metric.evidence & RUNS]
ENCODERS = {"bert", "roberta"}
CAUSAL = [tiny.name for tiny in TINY if tiny.model_type not in ENCODERS]


def changed(base: MemoryCheckpoint, label: str, tensors: dict[str, torch.Tensor | None]) -> MemoryCheckpoint:
    kept = {name: base.read(name) for name in base.tensors} | tensors
    return MemoryCheckpoint(
        label, label, base.config, {n: t for n, t in kept.items() if t is not None}, base.tokenizer_file()
    )


def test_the_prompts_are_those_of_the_versions() -> None:
    """Another text gives other scores: raise the version of every metric that reads them, then this."""
    assert prompts_digest() == "a913a2678a583ce001624487d0d7a36c651f44d4db50a48e93ba0adf5f700d61"
    versions = {metric.name: metric.version for metric in FORWARD}
    reading = dict.fromkeys(set(versions) - {"gradient-moments", "seed-bias"}, 2)
    assert versions == {**dict.fromkeys(versions, 1), **reading, "activation-matching": 3}
    assert (LONGEST, len(prompts())) == (96, 256)


def test_the_prompts_are_varied_and_end_within_a_word_or_before_one() -> None:
    texts = prompts()
    assert len(set(texts)) > 250
    assert all(text and text == text.rstrip() for text in texts)
    assert sum(not text.isascii() for text in texts) >= 20
    assert any("def " in text for text in texts)
    assert max(map(len, texts)) <= 110


@pytest.mark.thorough
@pytest.mark.parametrize("name", CAUSAL)
def test_every_type_runs_as_transformers_runs_it(name: str) -> None:
    """Logits, residual stream and the feed-forward block's input are those of the library's own model."""
    model = stored(name)
    found = forward_pass(model)
    library = tiny(name).build()
    rows = [row[: positions(model)] for row in tokenised(model)]
    heard: dict[str, Any] = {}
    layers = library
    for step in tiny(name).layers.split("."):
        layers = getattr(layers, step)
    layers[1].register_forward_hook(
        lambda module, inputs, output: heard.update(hidden=output[0] if isinstance(output, tuple) else output)
    )
    for place in (0, 57):
        with torch.no_grad():
            expected = library(input_ids=torch.tensor([rows[place]])).logits[0, -1].log_softmax(-1)
        np.testing.assert_allclose(found.log_probabilities[place], expected.numpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(
            found.hidden[1][place], heard["hidden"][0, -1].numpy(), rtol=1e-3, atol=1e-4
        )
    assert len(found.hidden) == len(found.norms) == len(found.keys) == len(found.values) == 2
    assert len(found.inner) == (0 if name == "opt" else 2)  # opt has its two maps in the layer itself
    assert found.log_probabilities.shape[0] == len(prompts())


@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma2", "phi3", "qwen2_moe", "granite", "olmo2"])
def test_activations_are_those_of_the_gate(name: str) -> None:
    """What a block reads, times the role's weights, is what its own gate computes."""
    model = stored(name)
    states = forward_pass(model).inner[1]
    running = load_model(model)
    heard: list[torch.Tensor] = []
    block = running.model.layers[1].mlp
    if name == "qwen2_moe":
        role, part = "layers.1.feed_forward.shared_expert.gate", block.shared_expert.gate_proj
    else:
        role = "layers.1.feed_forward.gate"
        part = block.gate_up_proj if name == "phi3" else block.gate_proj
    part.register_forward_hook(lambda module, inputs, output: heard.append(output))
    row = tokenised(model)[3][: positions(model)]
    with torch.no_grad():
        running(input_ids=torch.tensor([row]))
    from fpcore.metrics.activations import activations

    mine = activations(model, role, states)[:, 3]
    expected = heard[0].reshape(-1, heard[0].shape[-1])[len(row) - 1].numpy()[: len(mine)]
    np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-4)


def test_one_pass_serves_all_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    built, passes = [], []
    original, forward = one_pass.load_model, one_pass.next_tokens
    monkeypatch.setattr(one_pass, "load_model", lambda model: (built.append(model.name), original(model))[1])
    monkeypatch.setattr(one_pass, "next_tokens", lambda *args: (passes.append(1), forward(*args))[1])
    model, other = stored("qwen2"), stored("qwen2", 1)
    model.memo = other.memo = Memo(limit=1)
    for metric in FORWARD:
        metric.fingerprint(model)
        metric.fingerprint(other)
    prompted = len(list(filled_up([row[: positions(model)] for row in tokenised(model)])))
    assert built == [model.name, other.name]
    assert len(passes) == 2 * (prompted + 2)  # one prompt alone, and random tokens
    assert len(model.memo) == 2, "both of a pair are kept, however large"
    model.device = "meta"
    with pytest.raises(RuntimeError, match="meta tensor"):  # another device is another pass
        forward_pass(model)


def test_special_tokens_stand_in_front_only(tmp_path: Path) -> None:
    """A tokenizer that ends every text would have each prompt read as finished."""
    base = stored("qwen2")
    plain = tokenised(base)
    tokenizer = Tokenizer.from_file(str(base.tokenizer_file()))
    tokenizer.add_special_tokens(["?"])
    tokenizer.post_processor = TemplateProcessing(single="? $A ? ?", special_tokens=[("?", 0)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    tensors = {name: base.read(name) for name in base.tensors}
    model = MemoryCheckpoint("ends", "ends", base.config, tensors, tmp_path / "tokenizer.json")
    assert [row[:5] for row in tokenised(model)] == [[0, *row[:4]] for row in plain]
    assert [len(row) for row in tokenised(model)] == [min(LONGEST, len(row) + 1) for row in plain]


def by_length(model: Checkpoint) -> one_pass.Collected:
    """A pass that reads prompts of one length together: nothing is filled up."""
    rows = [row[: positions(model)] for row in tokenised(model)]
    running = load_model(model)
    with capturing(running, model.roles.depth) as captured:
        return one_pass.read(running, captured, of_one_length(rows), len(rows))


def test_prompts_that_are_filled_up_give_what_they_give_alone() -> None:
    """In double precision, so that a token that is looked at by mistake cannot pass for rounding."""
    base = stored("qwen2", 1)
    tensors = {name: base.read(name).double() for name in base.tensors}
    model = MemoryCheckpoint("exact", "exact", base.config, tensors, base.tokenizer_file())
    found, alone = forward_pass(model), by_length(model)
    expected = alone.together(found.random_logits)
    for part in ("hidden", "inner", "keys", "values"):
        for mine, theirs in zip(getattr(found, part), getattr(expected, part), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.norms, expected.norms, rtol=1e-6)
    np.testing.assert_allclose(found.log_probabilities, expected.log_probabilities, rtol=1e-5)
    assert alone.tokens == sum(len(row[: positions(model)]) for row in tokenised(model))


@pytest.mark.parametrize(
    ("name", "changes"),
    [("gemma3_text", {"use_bidirectional_attention": True}), ("mistral", {"sliding_window": 9})],
    ids=["sees what stands behind", "keeps the last states only"],
)
def test_models_that_cannot_be_filled_up_read_prompts_of_one_length(
    name: str, changes: dict[str, Any]
) -> None:
    model = stored(name, **changes)
    found = forward_pass(model)
    expected = by_length(model).together(found.random_logits)
    for part in ("hidden", "inner", "keys", "values"):
        for mine, theirs in zip(getattr(found, part), getattr(expected, part), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(found.norms, expected.norms)
    np.testing.assert_array_equal(found.log_probabilities, expected.log_probabilities)


@pytest.fixture(scope="module")
def llamas() -> list[MemoryCheckpoint]:
    """One model twice, and another: each is run once for all tests."""
    return [stored("llama", seed, num_hidden_layers=4) for seed in (0, 0, 1)]


@pytest.mark.parametrize("metric", FORWARD, ids=lambda metric: metric.name)
def test_two_runs_give_the_same_bytes(
    metric: fpcore.Metric, llamas: list[MemoryCheckpoint], tmp_path: Path
) -> None:
    content = []
    for run, model in enumerate(llamas[:2]):
        metric.fingerprint(model).save(tmp_path / str(run))
        content.append((tmp_path / str(run)).read_bytes())
    assert content[0] == content[1]


@pytest.mark.parametrize("metric", FORWARD, ids=lambda metric: metric.name)
def test_fingerprints_survive_the_disk_and_scores_are_symmetric(
    metric: fpcore.Metric, llamas: list[MemoryCheckpoint], tmp_path: Path
) -> None:
    a, b = (metric.fingerprint(model) for model in llamas[1:])
    a.save(tmp_path / "a")
    loaded = fpcore.Fingerprint.load(tmp_path / "a")
    assert metric.similarity(loaded, b) == metric.similarity(a, b)
    assert metric.similarity(a, b) == pytest.approx(metric.similarity(b, a), abs=1e-9)
    assert metric.similarity(a, a) > metric.similarity(a, b)
    assert metric.cost == "costly"


def test_missing_left_over_and_wrong_tensors_are_refused_in_one_line() -> None:
    model = stored("qwen2")
    gone = changed(model, "gone", {"model.layers.1.mlp.up_proj.weight": None})
    with pytest.raises(
        BadCheckpoint, match=r"^gone: cannot be run: .*does not have.*layers\.1\.mlp\.up_proj"
    ):
        load_model(gone)
    more = changed(model, "more", {"model.layers.7.mlp.up_proj.weight": torch.zeros(24, 16)})
    with pytest.raises(BadCheckpoint, match=r"^more: .*layers\.7\.mlp\.up_proj\.weight.*correct its config$"):
        load_model(more)
    wrong = changed(model, "wrong", {"model.norm.weight": torch.ones(15)})
    with pytest.raises(BadCheckpoint, match=r"^wrong: .*in a shape other.*model\.norm\.weight"):
        load_model(wrong)


def test_parts_of_a_larger_model_are_left_aside() -> None:
    model = stored("qwen2")
    forward_pass(changed(model, "value head", {"v_head.weight": torch.zeros(1, 16)}))


def with_config(base: Checkpoint, **changes: Any) -> MemoryCheckpoint:
    tensors = {name: base.read(name) for name in base.tensors}
    label = f"changed {changes}"
    return MemoryCheckpoint(label, label, {**base.config, **changes}, tensors, base.tokenizer_file())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "chatglm"}, "cannot run the model type 'chatglm' without foreign code"),
        ({"is_encoder_decoder": True}, "not a causal language model"),
    ],
)
def test_what_cannot_be_run_abstains(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotComparable, match=reason):
        load_model(with_config(stored("qwen2"), **changes))


def test_encoders_abstain() -> None:
    with pytest.raises(NotComparable, match="bert is not a causal language model"):
        load_model(stored("bert"))


def test_models_that_cannot_read_the_prompts_abstain() -> None:
    base = stored("qwen2")
    tensors = {name: base.read(name) for name in base.tensors}
    mute = MemoryCheckpoint("mute", "mute", base.config, tensors)
    small = MemoryCheckpoint("small", "small", base.config, tensors, characters(80, "éüàñПК今"))
    for metric in FORWARD:
        if metric.name != "gradient-moments":
            with pytest.raises(NotComparable, match=r"no tokenizer\.json"):
                metric.fingerprint(mute)
    with pytest.raises(
        NotComparable, match=r"its tokenizer produces token \d+, but its embedding has 40 rows"
    ):
        forward_pass(small)


def test_values_that_are_not_finite_abstain() -> None:
    base = stored("qwen2")
    weight = base.read("model.layers.0.mlp.down_proj.weight").clone()
    weight[0, 0] = float("inf")
    broken = changed(base, "huge", {"model.layers.0.mlp.down_proj.weight": weight})
    with pytest.raises(NotComparable, match="not finite"):
        forward_pass(broken)


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "phi3", "mixtral", "qwen2moe", "qwen3moe"])
def test_gguf_files_run_where_all_is_known(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="the gguf extra is not installed")
    from test_gguf import MODELS, write

    long = replace(MODELS[name], config=MODELS[name].config | {"max_position_embeddings": 128})
    long.save(tmp_path / "hub")
    for folder in (tmp_path, tmp_path / "hub"):
        (folder / "tokenizer.json").write_bytes(characters(40).read_bytes())
    model = fpcore.open_checkpoint(tmp_path / "hub")
    write(tmp_path / "model.gguf", model, name)
    converted = fpcore.open_checkpoint(tmp_path / "model.gguf")
    if name in {"llama", "qwen2", "qwen3"}:
        expected, found = (forward_pass(each).log_probabilities for each in (model, converted))
        np.testing.assert_allclose(found, expected, atol=1e-4)
    else:
        with pytest.raises(
            NotComparable, match=r"a GGUF file that cannot be run: it does not say how a .* is run"
        ):
            forward_pass(converted)


def test_gguf_files_with_a_scaled_rotary_embedding_abstain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf", reason="the gguf extra is not installed")
    from test_gguf import MODELS, np as theirs, write

    MODELS["llama"].save(tmp_path / "hub")
    (tmp_path / "tokenizer.json").write_bytes(characters(40).read_bytes())
    monkeypatch.setattr(theirs, "ones", lambda *args, **named: np.full(*args, 0.5, **named))
    write(tmp_path / "model.gguf", fpcore.open_checkpoint(tmp_path / "hub"), "llama")
    with pytest.raises(NotComparable, match="how its rotary embedding is scaled"):
        forward_pass(fpcore.open_checkpoint(tmp_path / "model.gguf"))


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    base = stored("qwen2")
    file = tmp_path / "tokenizer.json"
    file.write_text("{}")
    tensors = {name: base.read(name) for name in base.tensors}
    model = MemoryCheckpoint("m", "damaged tokenizer", base.config, tensors, file)
    with pytest.raises(BadCheckpoint, match=r"tokenizer\.json: not a readable tokenizer\.json"):
        forward_pass(model)


def test_devices_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny("qwen2").save(tmp_path)
    assert fpcore.open_checkpoint(tmp_path).device == "cpu"
    for name in ("gpu", "cpu:1", "cuda:x", ""):
        with pytest.raises(NoDevice, match="is not a device"):
            fpcore.open_checkpoint(tmp_path, device=name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NoDevice, match="finds no CUDA device here"):
        fpcore.open_checkpoint(tmp_path, device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(NoDevice, match="there are 2 CUDA devices"):
        fpcore.open_checkpoint(tmp_path, device="cuda:2")
    assert fpcore.open_checkpoint(tmp_path, device="cuda:1").device == "cuda:1"


def test_a_model_runs_on_its_checkpoints_device() -> None:
    """On `meta`, where tensors have shapes and no values, nothing that was computed could be read."""
    model = stored("qwen2")
    assert load_model(model).device.type == "cpu"
    model.device = "meta"
    assert load_model(model).device.type == "meta"
    with pytest.raises(RuntimeError, match="meta tensor"):
        forward_pass(model)


def test_what_needs_a_forward_pass_is_known() -> None:
    assert {metric.name for metric in fpcore.metrics() if metric.needs_forward_pass} == {
        metric.name for metric in FORWARD
    }
    assert not fpcore.metric("weight-cosine").needs_forward_pass
    assert fpcore.metric("seed-bias").needs_forward_pass
