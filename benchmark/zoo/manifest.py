"""What the weights on disk are: digests of files, of recipes and of text, and how well each model learned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmark.session.errors import UsageError
from benchmark.session.files import write_json

__all__ = [
    "MANIFEST",
    "SHIPPED",
    "WEIGHTS",
    "CorpusFacts",
    "Entry",
    "Manifest",
    "file_digests",
    "read_manifest",
    "write_manifest",
]

MANIFEST = "manifest.json"
WEIGHTS = "weights"
SHIPPED = Path(__file__).parent
SCHEMA = 1

# The files that a model is; others beside them do not matter.
FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Entry:
    """One trained model.

    Attributes
    ----------
    recipe : str
        Digest of its recipe and its ancestors'.
    text : str
        Digest of every text that it and its ancestors were trained on.
    files : dict of str to str
        sha256 (hex) of each file.
    steps, tokens : int
        How long it was trained.
    share_of_founder_budget : float
        Its steps over its founder's; 1 for a founder.
    loss, start_loss : float
        Held-out loss after and before training, nats a token.
    bigram_loss : float or None
        Of the smoothed bigram baseline; None where prompts are not learned.
    seconds : float
        Wall time of the training.
    """

    recipe: str
    text: str
    files: dict[str, str]
    steps: int
    tokens: int
    share_of_founder_budget: float
    loss: float
    start_loss: float
    bigram_loss: float | None
    seconds: float


@dataclass(frozen=True)
class CorpusFacts:
    """What a corpus was when models were trained on it.

    Attributes
    ----------
    digest : str
        sha256 (hex) over names and text.
    documents, held_out_documents : int
        For training, and kept from it.
    characters : int
        Length of all text.
    """

    digest: str
    documents: int
    held_out_documents: int
    characters: int


@dataclass(frozen=True)
class Manifest:
    """All trained models of a zoo, and what they were made with.

    Attributes
    ----------
    made_with : dict of str to str
        Versions of Python and of the libraries; several, first to last, where models were added with others.
    corpora : dict of str to CorpusFacts
    models : dict of str to Entry
    """

    made_with: dict[str, str] = field(default_factory=dict)
    corpora: dict[str, CorpusFacts] = field(default_factory=dict)
    models: dict[str, Entry] = field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a zoo folder; an empty one where there is none.

    Raises
    ------
    UsageError
        If the file is not a manifest of this schema.
    """
    file = folder / MANIFEST
    if not file.is_file():
        return Manifest()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise UsageError(
                f"{file}: schema {content['schema']}, this version reads {SCHEMA}; "
                "rebuild the zoo in another folder"
            )
        models = {name: Entry(**entry) for name, entry in content["models"].items()}
        corpora = {name: CorpusFacts(**facts) for name, facts in content["corpora"].items()}
        return Manifest(content["made_with"], corpora, models)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file}: not a zoo manifest ({error!r}); restore or delete it") from error


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write ``manifest.json`` whole or not at all."""
    file = folder / MANIFEST
    write_json(file, {"schema": SCHEMA, **asdict(manifest)})
    return file


def file_digests(folder: Path) -> dict[str, str]:
    """The sha256 (hex) of each file of a saved model that is there."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in FILES
        if (folder / name).is_file()
    }
