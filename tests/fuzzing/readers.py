"""The readers of files that strangers made: sound seeds, how they are changed, and what is done with them."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import yaml
from hostile_checkpoints import sound, sound_gguf
from hostile_tables import text
from hypothesis import strategies as st
from mutations import bytes_of, cells_of, json_of, parts_of
from small_catalog import CONFIG, tensors, write_catalog

import analysis
import fpcore
from benchmark.session.errors import UsageError
from fpcore.printable import printable

__all__ = ["DECLARED", "READERS", "Reader", "TooLong", "outcome"]

DECLARED = (fpcore.BadCheckpoint, fpcore.NotComparable, UsageError, analysis.BadTable)
"""How a reader may refuse."""


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes
    ----------
    file : str
        What the changed file is called.
    seeds : callable
        Gives sound files.
    changed : callable
        Seeds → almost sound files.
    read : callable
        Reads a file, and all that it leads to.
    beside : callable
        Puts into a folder what must stand beside the file.
    """

    file: str
    seeds: Callable[[], list[bytes]]
    changed: Callable[[Sequence[bytes]], st.SearchStrategy[bytes]]
    read: Callable[[Path], object]
    beside: Callable[[Path], object] = lambda folder: None


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp())


def small() -> dict[str, torch.Tensor]:
    """Few and small tensors: most of a file is then what describes it."""
    return {
        name: tensor for name, tensor in tensors(0).items() if ".layers.0." in name or "layers" not in name
    }


# --- checkpoints -------------------------------------------------------------------------------------------


def safetensors_seeds() -> list[bytes]:
    from safetensors.torch import save

    parts = {"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.bfloat16), "c": torch.zeros(0, 2)}
    return [save(parts), save(parts, {"format": "pt"}), save({"x": torch.tensor(1.0)})]


def header_of(content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return content[8 : 8 + length]


def with_header(content: bytes, header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + content[8 + len(header_of(content)) :]


def read_safetensors(path: Path) -> object:
    from fpcore.checkpoints.safetensors_header import read_places

    return read_places(path)


def torch_seeds() -> list[bytes]:
    found = []
    held = {
        "a": torch.ones(2, 3),
        "b": torch.ones(4, 4).T,
        "more": {"step": 3, "c": torch.nn.Parameter(torch.ones(2))},
    }
    for zipped in (True, False):
        for value in (held, {"state_dict": held}, torch.nn.Linear(2, 2)):
            stream = io.BytesIO()
            torch.save(value, stream, _use_new_zipfile_serialization=zipped)
            found.append(stream.getvalue())
    return found


def pickle_of(content: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def with_pickle(content: bytes, pickled: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return pickled
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return stream.getvalue()


def read_torch(path: Path) -> object:
    from fpcore.checkpoints.torch_file import read_torch_file

    opened = read_torch_file(path)
    for name, lying in opened.tensors.items():
        try:
            opened.plain_begin(name)
            if lying.info.size <= 1 << 16:
                opened.get_tensor(name).double().sum()
        except (ValueError, fpcore.NotComparable):  # what read_dequantised turns into a reason
            continue
    return len(opened.tensors)


def gguf_seeds() -> list[bytes]:
    path = sound_gguf(folder() / "seed.gguf", tokens=[1, 2, 3])
    return [path.read_bytes()]


def read_model(path: Path) -> object:
    model = fpcore.open_checkpoint(path if path.suffix == ".gguf" else path.parent, threads=1)
    assert model.architecture.cell.isprintable()
    return len(model.roles), model.digest


def config_seeds() -> list[bytes]:
    more = {
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128},
        "text_config": CONFIG,
    }
    changes = ({}, more, {"num_local_experts": 0, "layer_types": ["full_attention"] * 5, "n_inner": None})
    return [json.dumps({**CONFIG, **change}).encode() for change in changes]


def read_index(path: Path) -> object:
    from fpcore.checkpoints.weights_files import parse_index

    return parse_index(path.read_bytes(), str(path))


def index_seeds() -> list[bytes]:
    shards = {f"layer.{n}": f"model-0000{n % 2 + 1}-of-00002.safetensors" for n in range(4)}
    return [json.dumps({"metadata": {"total_size": 12}, "weight_map": shards}).encode()]


def read_tokenizer(path: Path) -> object:
    from fpcore.checkpoints.vocabulary import read_vocabulary

    return read_vocabulary(path)


def tokenizer_seeds() -> list[bytes]:
    added = [{"id": 2, "content": "<pad>", "special": True}]
    return [
        json.dumps(
            {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}, "added_tokens": added}
        ).encode(),
        json.dumps({"model": {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2.0]]}}).encode(),
    ]


# --- text --------------------------------------------------------------------------------------------------


def catalog_seeds() -> list[bytes]:
    models = folder() / "models"
    if not models.exists():
        models.mkdir()
        write_catalog(models, founders=2, children=1)
    return [(models / "catalog.yaml").read_bytes()]


def as_json(seeds: Sequence[bytes]) -> list[bytes]:
    """YAML written as JSON, which is YAML as well."""
    return [json.dumps(yaml.safe_load(content), default=str).encode() for content in seeds]


def read_catalog(path: Path) -> object:
    from benchmark.catalog import load_catalog

    catalog = load_catalog(path)
    return catalog.counts(), len(catalog.pairs())


def read_table(path: Path) -> object:
    from benchmark.pipeline.analyse import read_scores

    frame, notes = read_scores(path)
    return [analysis.ScoreTable(part) for _, part in frame.groupby("metric", sort=False)], notes


def table_seeds() -> list[bytes]:
    few = text().splitlines()[:12]
    return [
        "\n".join(few).encode(),
        "\n".join(line.replace(",", "\t") for line in few).encode(),
        b"\xef\xbb\xbf" + "\n".join(few).encode(),
    ]


@cache
def run_folder() -> Path:
    from benchmark.pipeline.analyse import analyse

    file = folder() / "scores.csv"
    file.write_text(text())
    analyse(file, out=folder() / "run", cache=folder() / "cache")
    return folder() / "run"


def beside_run(path: Path) -> None:
    for file in ("run.json", "scores.parquet"):
        (path / file).write_bytes((run_folder() / file).read_bytes())


def read_run(path: Path) -> object:
    import benchmark

    run = benchmark.read_run(path.parent)
    return run.metrics, str(run)


READERS: dict[str, Reader] = {
    "safetensors": Reader(
        "model.safetensors",
        safetensors_seeds,
        lambda seeds: st.one_of(bytes_of(seeds), parts_of(seeds, json_of, header_of, with_header)),
        read_safetensors,
    ),
    "bin": Reader(
        "pytorch_model.bin",
        torch_seeds,
        lambda seeds: st.one_of(bytes_of(seeds), parts_of(seeds, bytes_of, pickle_of, with_pickle)),
        read_torch,
    ),
    "gguf": Reader("model.gguf", gguf_seeds, bytes_of, read_model),
    "index": Reader(
        "model.safetensors.index.json", index_seeds, lambda s: st.one_of(bytes_of(s), json_of(s)), read_index
    ),
    "config": Reader(
        "config.json", config_seeds, lambda s: st.one_of(json_of(s), bytes_of(s)), read_model, sound
    ),
    "tokenizer": Reader(
        "tokenizer.json", tokenizer_seeds, lambda s: st.one_of(bytes_of(s), json_of(s)), read_tokenizer
    ),
    "catalog": Reader(
        "catalog.yaml", catalog_seeds, lambda s: st.one_of(bytes_of(s), json_of(as_json(s))), read_catalog
    ),
    "table": Reader("scores.csv", table_seeds, lambda s: st.one_of(bytes_of(s), cells_of(s)), read_table),
    "run": Reader(
        "results.json",
        lambda: [(run_folder() / "results.json").read_bytes()],
        lambda s: st.one_of(json_of(s), bytes_of(s)),
        read_run,
        beside_run,
    ),
}


class TooLong(BaseException):
    """A reader had no answer in time; no handler of exceptions takes it for one of its own."""


def outcome(reader: Reader, path: Path) -> str:
    """What is wrong with how a reader takes a file; empty if nothing."""
    try:
        reader.read(path)
    except DECLARED as error:
        told = str(error)
        if "MemoryError" in told:
            return "it ran out of memory"
        return (
            ""
            if told == printable(told) and len(told) < 2_000
            else f"a refusal of several lines: {told[:80]!r}"
        )
    except TooLong:
        return "no answer in time"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]!r}"
    return ""
