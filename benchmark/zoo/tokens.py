"""Byte-level BPE tokenizers of the zoo, and text as windows of tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmark.zoo.cells import CONTEXT, VOCABULARY
from benchmark.zoo.corpora import Corpus, Document, load_corpus

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["END_OF_TEXT", "Windows", "encode_windows", "train_tokenizer", "write_tokenizer"]

END_OF_TEXT = "<|endoftext|>"
HELD_OUT_WINDOWS = 512


@dataclass(frozen=True)
class Windows:
    """Token windows of one part of a corpus.

    Attributes
    ----------
    tokens : ndarray of uint16, shape (n, 65)
        Inputs are the first 64 columns, targets the last 64.
    learned : ndarray of bool, shape (n, 64)
        Which targets count; prompts do not.
    """

    tokens: npt.NDArray[np.uint16]
    learned: npt.NDArray[np.bool_]

    def save(self, file: Path) -> None:
        """Write as ``.npz``."""
        np.savez(file, tokens=self.tokens, learned=self.learned)

    @classmethod
    def load(cls, file: Path) -> Windows:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(arrays["tokens"], arrays["learned"])


# One of five, decided by its name: trained once a process.
@cache
def train_tokenizer(corpus: str) -> Tokenizer:
    """Train the tokenizer named after a corpus, on the part that is not held out."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (document.prompt + document.text for document in load_corpus(corpus).training)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` as the hub has them."""
    content = json.loads(tokenizer.to_str())
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
    (folder / "tokenizer.json").write_text(text, encoding="utf-8", newline="\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "bos_token": END_OF_TEXT,
        "model_max_length": 2 * CONTEXT,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8", newline="\n")


def encode_windows(corpus: Corpus, tokenizer: Tokenizer) -> tuple[Windows, Windows]:
    """Training and held-out windows; of the held-out text, an evenly spread part.

    Returns
    -------
    training, held_out : Windows
    """
    held_out = _windows(corpus.held_out, tokenizer)
    if len(held_out.tokens) > HELD_OUT_WINDOWS:
        chosen = np.linspace(0, len(held_out.tokens) - 1, HELD_OUT_WINDOWS).round().astype(int)
        held_out = Windows(held_out.tokens[chosen], held_out.learned[chosen])
    return _windows(corpus.training, tokenizer), held_out


def _windows(documents: Iterable[Document], tokenizer: Tokenizer) -> Windows:
    end = tokenizer.token_to_id(END_OF_TEXT)
    stream: list[npt.NDArray[np.uint16]] = []
    learned: list[npt.NDArray[np.bool_]] = []
    for document in documents:
        prompt = tokenizer.encode(document.prompt).ids
        text = [*tokenizer.encode(document.text).ids, end]
        stream.append(np.array(prompt + text, dtype=np.uint16))
        learned.append(np.arange(len(prompt) + len(text)) >= len(prompt))
    tokens, counts = np.concatenate(stream), np.concatenate(learned)
    n = (len(tokens) - 1) // CONTEXT
    starts = CONTEXT * np.arange(n)[:, np.newaxis]
    places = starts + np.arange(CONTEXT + 1)
    return Windows(tokens[places], counts[places[:, 1:]])
