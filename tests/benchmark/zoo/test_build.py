"""Building the zoo: it goes on where it stopped, and what it makes is the same again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmark.zoo import corpora
from benchmark.zoo.build import build
from benchmark.zoo.corpora import load_corpus
from benchmark.zoo.library import open_zoo
from benchmark.zoo.manifest import WEIGHTS, read_manifest, write_manifest
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.texts import prepare_text
from benchmark.zoo.tokens import Windows, train_tokenizer
from benchmark.zoo.verify import verify

HANGS_AFTER_SECONDS = 600.0

# Only the language reference: it is read at once, where the other corpora parse the standard library.
TEXT = {"corpus": "reference", "tokenizer": "reference"}
TINY = {
    "base": {"train": {"cell": "qwen2-narrow", "seed": 1, **TEXT, "steps": 3}},
    "tuned": {"train": {"from": "zoo/base", "corpus": "reference", "steps": 2, "order": 5}},
    "adapted": {
        "train": {"from": "zoo/tuned", "corpus": "reference", "steps": 2, "order": 6, "rate": 0.05, "lora": 2}
    },
    "experts": {
        "train": {
            "from": "zoo/base",
            "corpus": "reference",
            "steps": 2,
            "upcycle": {"experts": 2, "top": 1, "noise": 0.1, "reinitialise": 0.5},
        }
    },
    "half": {
        "train": {
            "from": "zoo/base",
            "corpus": "reference",
            "steps": 1,
            "keep_every": 2,
            "teacher": "zoo/tuned",
        }
    },
    "student": {"train": {"cell": "qwen2-narrow", "seed": 2, **TEXT, "steps": 1, "teacher": "zoo/base"}},
    "cast": {"transform": "fp8", "of": "zoo/tuned"},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int, str]]]:
    out = tmp_path_factory.mktemp("zoo")
    told: list[tuple[int, int, str]] = []
    build(TINY, out, workers=1, progress=lambda *said: told.append(said))
    return out, told


def modified(out: Path) -> dict[str, int]:
    return {file.parent.name: file.stat().st_mtime_ns for file in out.glob(f"{WEIGHTS}/*/model.safetensors")}


@pytest.mark.slow
def test_parents_first_and_progress_by_steps(built):
    out, told = built
    assert list(read_manifest(out).models) == ["base", "tuned", "experts", "student", "adapted", "half"]
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (11, 11)
    assert len({done for done, _, _ in told}) >= 5  # it moves while models are trained
    assert not [path for path in (out / WEIGHTS).iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_models_lie_as_on_the_hub(built):
    folder = built[0] / WEIGHTS / "base"
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {file.stat().st_mode & 0o444 for file in folder.iterdir()} == {0o444}
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        assert "model.layers.0.self_attn.q_proj.bias" in tensors.keys()  # noqa: SIM118
        assert tensors.get_slice("model.embed_tokens.weight").get_dtype() == "BF16"
    assert AutoModelForCausalLM.from_pretrained(folder).config.model_type == "qwen2"
    assert AutoTokenizer.from_pretrained(folder).decode([0]) == "<|endoftext|>"


@pytest.mark.slow
def test_children_start_from_their_parents(built):
    models = read_manifest(built[0]).models
    # The child's loss before its first step is that of the parent's saved weights on the same held-out text.
    assert models["tuned"].start_loss == pytest.approx(models["base"].loss, abs=1e-4)
    assert models["adapted"].start_loss == pytest.approx(models["tuned"].loss, abs=1e-4)
    assert models["tuned"].loss < models["tuned"].start_loss < models["base"].start_loss
    assert models["tuned"].share_of_founder_budget == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.slow
def test_a_low_rank_child_differs_from_its_parent_by_low_rank(built):
    parent, child = (open_zoo(name, TINY, folder=built[0]) for name in ("tuned", "adapted"))
    for name in ("self_attn.q_proj", "mlp.down_proj"):
        weight = f"model.layers.2.{name}.weight"
        change = (child.read(weight).float() - parent.read(weight).float()).numpy()
        values = np.linalg.svd(change, compute_uv=False)
        assert values[1] > 0
        assert np.sum(values[2:] ** 2) < 0.05 * np.sum(values**2)  # what rounding to bfloat16 adds
    assert np.array_equal(
        child.read("model.embed_tokens.weight").float(), parent.read("model.embed_tokens.weight").float()
    )


@pytest.mark.slow
def test_a_distilled_model_has_its_own_shape_and_text_of_its_teacher(built):
    half, base = (open_zoo(name, TINY, folder=built[0]) for name in ("half", "base"))
    assert half.architecture.depth == 3
    assert half.architecture.width == base.architecture.width
    kept, source = (
        one.read(f"model.layers.{layer}.mlp.up_proj.weight").float().numpy().ravel()
        for one, layer in ((half, 2), (base, 4))
    )
    assert np.corrcoef(kept, source)[0, 1] > 0.98
    models = read_manifest(built[0]).models
    assert models["student"].text == models["base"].text
    assert models["student"].recipe != models["base"].recipe


@pytest.mark.slow
def test_experts_come_from_the_dense_block(built):
    dense, experts = (open_zoo(name, TINY, folder=built[0]) for name in ("base", "experts"))
    up = dense.read("model.layers.0.mlp.up_proj.weight").float()
    shared = experts.read("model.layers.0.mlp.shared_expert.up_proj.weight").float()
    assert np.corrcoef(up.ravel(), shared.ravel())[0, 1] > 0.98
    rows = np.array(
        [
            np.corrcoef(a, b)[0, 1]
            for a, b in zip(
                up.numpy(),
                experts.read("model.layers.0.mlp.experts.1.up_proj.weight").float().numpy(),
                strict=True,
            )
        ]
    )
    assert 0.4 <= np.mean(rows > 0.9) <= 0.6  # half of the units are drawn anew


@pytest.mark.slow
def test_a_second_build_trains_nothing_and_a_changed_recipe_only_what_it_must(built, tmp_path):
    out = tmp_path / "zoo"
    shutil.copytree(built[0], out)
    before, manifest = modified(out), read_manifest(out)
    build(TINY, out, workers=1)
    assert modified(out) == before
    assert read_manifest(out) == manifest

    shutil.rmtree(out / WEIGHTS / "adapted")  # as if killed before it was done
    (out / WEIGHTS / ".adapted.left").mkdir()
    changed = {**TINY, "experts": {"train": {**TINY["experts"]["train"], "steps": 1}}}
    build(changed, out, workers=1)
    after = modified(out)
    assert {name for name in after if after[name] != before.get(name)} == {"adapted", "experts"}
    assert read_manifest(out).models["adapted"].files == manifest.models["adapted"].files  # to the last bit
    assert read_manifest(out).models["experts"].files != manifest.models["experts"].files
    assert not (out / WEIGHTS / ".adapted.left").exists()


@pytest.mark.slow
def test_a_zoo_that_grows_remembers_every_version_it_was_made_with(built, tmp_path):
    out = tmp_path / "zoo"
    shutil.copytree(built[0], out)
    manifest = read_manifest(out)
    now = manifest.made_with["torch"]
    write_manifest(out, replace(manifest, made_with={**manifest.made_with, "torch": "1.0, 1.1"}))
    build(TINY, out, workers=1)
    assert read_manifest(out).made_with["torch"] == "1.0, 1.1"
    more = {**TINY, "more": {"train": {**TINY["base"]["train"], "seed": 7, "steps": 1}}}
    build(more, out, workers=1)
    assert read_manifest(out).made_with["torch"] == f"1.0, 1.1, {now}"
    assert read_manifest(out).made_with["machine"] == manifest.made_with["machine"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process group")
def test_a_killed_build_leaves_whole_models_and_no_process(tmp_path):
    endless = {**TINY, "tuned": {"train": {**TINY["tuned"]["train"], "steps": 10**9}}}
    program = (
        "import json, sys, pathlib\nfrom benchmark.zoo.build import build\n"
        "if __name__ == '__main__':\n"
        "    build(json.loads(sys.argv[1]), pathlib.Path(sys.argv[2]), workers=2)\n"
    )
    script = tmp_path / "go.py"
    script.write_text(program)
    out = tmp_path / "zoo"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen([sys.executable, script, json.dumps(endless), out], env=environment)
    wait_for(lambda: (out / "manifest.json").exists() or process.poll() is not None)  # "base" is trained
    wait_for(lambda: "tuned" in training(out) or process.poll() is not None)
    trainers = children(process.pid)
    assert process.poll() is None
    assert len(trainers) >= 2 or not Path("/proc").is_dir()
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(running(pid) for pid in trainers))
    manifest = read_manifest(out)
    assert "base" in manifest.models
    assert "tuned" not in manifest.models
    before = modified(out)["base"]
    build(TINY, out, workers=1)
    assert modified(out)["base"] == before
    assert set(read_manifest(out).models) == TINY.keys() - {"cast"}


def wait_for(event: Callable[[], bool]) -> None:
    """However long it takes; only what hangs for good fails here."""
    given_up = time.monotonic() + HANGS_AFTER_SECONDS
    while not event():
        assert time.monotonic() < given_up, "the event never came"
        time.sleep(0.05)


def training(out: Path) -> set[str]:
    """Models that some worker is training: each in a hidden folder of its own."""
    return {folder.name.split(".")[1] for folder in (out / WEIGHTS).glob(".*")}


def status(pid: str) -> dict[str, str]:
    try:
        lines = (Path("/proc") / pid / "status").read_text().splitlines()
    except OSError:  # ended meanwhile
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def children(parent: int) -> list[str]:
    pids = [entry.name for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if status(pid).get("PPid") == str(parent)]


def running(pid: str) -> bool:
    return status(pid).get("State", "Z")[0] != "Z"


@pytest.mark.slow
def test_verify_finds_what_was_built_and_what_was_not(built, tmp_path):
    checks = verify(TINY, 2, folder=built[0])
    assert [check.passed for check in checks] == [True] * 5, [str(check) for check in checks]
    assert {check.what for check in checks} == {"files", "held-out loss", "weights"}

    out = tmp_path / "zoo"
    shutil.copytree(built[0], out)
    content = json.loads((out / "manifest.json").read_text())
    for entry in content["models"].values():
        entry["loss"] += 0.1
    (out / "manifest.json").write_text(json.dumps(content))
    failed = [check for check in verify(TINY, 1, folder=out) if not check.passed]
    assert [check.what for check in failed] == ["held-out loss"]

    (out / WEIGHTS / "tuned" / "config.json").write_text("{}")
    (check,) = verify(TINY, 1, folder=out)
    assert not check.passed
    assert "tuned" in check.detail


@pytest.mark.slow
def test_verify_does_not_compare_weights_over_other_text(built, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.zoo.verify.text_digest", lambda recipes, name: "of another Python")
    checks = verify(TINY, 1, folder=built[0])
    assert [check.passed for check in checks] == [True] * 3
    assert "not compared" in checks[-1].detail


def test_text_is_prepared_for_each_tokenizer(tmp_path):
    other = {"train": {**TINY["base"]["train"], "tokenizer": "tables"}}
    recipes = parse_recipes({"a": TINY["base"], "b": other})
    first, second = (prepare_text(recipes, name, tmp_path) for name in "ab")
    assert first.training != second.training
    for text in (first, second):
        tokenizer = Tokenizer.from_file(str(text.tokenizer / "tokenizer.json"))
        document = load_corpus("reference").training[0].text
        ids = tokenizer.encode(document).ids[:65]
        assert Windows.load(text.training).tokens[0].tolist() == ids
        assert tokenizer.decode(tokenizer.encode(document).ids) == document


def test_held_out_text_is_not_trained_on():
    corpus = load_corpus("reference")
    assert len(corpus.training) > 5 * len(corpus.held_out) > 0
    assert not {document.text for document in corpus.training} & {
        document.text for document in corpus.held_out
    }
    tokenizer = train_tokenizer("reference")
    assert tokenizer.get_vocab_size() == 512


def test_a_python_without_its_texts_is_one_line(monkeypatch):
    monkeypatch.setattr(corpora.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(corpora.UsageError, match="pydoc_data") as caught:
        list(corpora._reference())
    assert "\n" not in str(caught.value)


def test_a_python_without_library_sources_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(corpora, "_standard_library", lambda: tmp_path)
    corpora._modules.cache_clear()
    with pytest.raises(corpora.UsageError, match=r"only 0 standard modules") as caught:
        corpora._modules()
    assert "\n" not in str(caught.value)
