"""Models that can be run on the prompts: tiny ones of every type, with a tokenizer that they can read."""

from __future__ import annotations

import string
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tiny_models import TINY, Tiny
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from fpcore import MemoryCheckpoint


@cache
def characters(size: int, first: str = "") -> Path:
    """A tokenizer of one token a character; what it does not know is one of its tokens."""
    texts = [*first, *(c for c in f"?{string.ascii_lowercase} .,()=;:-123" if c not in first)]
    texts += [f"word{i}" for i in range(size)]
    tokenizer = Tokenizer(WordLevel({text: i for i, text in enumerate(texts[:size])}, unk_token="?"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    file = Path(tempfile.mkdtemp(prefix="lookalike-test-")) / "tokenizer.json"
    tokenizer.save(str(file))
    return file


def tiny(name: str) -> Tiny:
    return next(tiny for tiny in TINY if tiny.name == name)


def stored(name: str, seed: int = 0, **changes: Any) -> MemoryCheckpoint:
    """A tiny model of a type as the checkpoint that `transformers` would save."""
    from fpcore import open_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        model = tiny(name).build(**changes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.add_(0.2 * seed * torch.randn(tensor.shape, generator=generator))
        model.save_pretrained(folder)
        saved = open_checkpoint(folder)
        tensors = {key: saved.read(key).clone() for key in saved.tensors}
    label = f"{name} {seed} {sorted(changes.items())}"
    size = int(saved.config.get("vocab_size", 40))
    return MemoryCheckpoint(label, label, saved.config, tensors, characters(size))
