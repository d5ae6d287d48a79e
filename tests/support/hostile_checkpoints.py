"""Checkpoints that lie, are damaged, or ask for endless memory: each made by code from a sound one."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from small_catalog import CONFIG, tensors

__all__ = ["ANY_END", "REFUSED", "sound", "sound_gguf"]

Spoil = Callable[[Path], None]
REFUSED: dict[str, Spoil] = {}
"""What is never taken for a model: one line says why."""
ANY_END: dict[str, Spoil] = {}
"""What may be read in part: a value, or one line."""


def sound(folder: Path, config: dict[str, object] | None = None, **changes: torch.Tensor) -> Path:
    """A small model in hub layout."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config or CONFIG))
    save_file({**tensors(0), **changes}, folder / "model.safetensors")
    return folder


# --- headers of safetensors ------------------------------------------------------------------------------


def header_of(folder: Path) -> tuple[dict[str, Any], bytes]:
    content = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put_header(folder: Path, header: object, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


NAME = "model.layers.0.self_attn.q_proj.weight"
OTHER = "model.layers.0.self_attn.k_proj.weight"


def entry(name: str, **changes: object) -> Spoil:
    def spoil(folder: Path) -> None:
        header, data = header_of(folder)
        header[name] = {**header[name], **changes}
        put_header(folder, header, data)

    return spoil


def moved(by: int) -> Spoil:
    def spoil(folder: Path) -> None:
        header, data = header_of(folder)
        begin, end = header[NAME]["data_offsets"]
        header[NAME]["data_offsets"] = [begin + by, end + by]
        put_header(folder, header, data)

    return spoil


def header_text(make: Callable[[dict[str, Any]], bytes]) -> Spoil:
    def spoil(folder: Path) -> None:
        header, data = header_of(folder)
        put_header(folder, make(header), data)

    return spoil


def raw(content: bytes | Callable[[bytes], bytes], file: str = "model.safetensors") -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / file
        path.write_bytes(content if isinstance(content, bytes) else content(path.read_bytes()))

    return spoil


def all_at_once(folder: Path) -> None:
    """Every tensor is said to be the first one's bytes."""
    header, data = header_of(folder)
    first = [0, header[NAME]["data_offsets"][1] - header[NAME]["data_offsets"][0]]
    header[OTHER]["data_offsets"] = header[NAME]["data_offsets"]
    assert first
    put_header(folder, header, data)


REFUSED |= {
    "header: beyond the file": moved(1 << 40),
    "header: into another tensor": moved(-64),
    "header: two tensors in one place": all_at_once,
    "header: negative offsets": entry(NAME, data_offsets=[-1024, 0]),
    "header: offsets turned": entry(NAME, data_offsets=[1024, 0]),
    "header: one offset": entry(NAME, data_offsets=[0]),
    "header: offsets of 1e999": header_text(
        lambda header: (
            json.dumps({**header, NAME: {**header[NAME], "data_offsets": [0, 7.5]}})
            .replace("7.5", "1e999")
            .encode()
        )
    ),
    "header: fractional offsets": entry(NAME, data_offsets=[0.5, 1024.5]),
    "header: offsets in words": entry(NAME, data_offsets=["0", "1024"]),
    "header: offsets true and false": entry(NAME, data_offsets=[False, True], shape=[1], dtype="U8"),
    "header: a negative shape": entry(NAME, shape=[-16, -16]),
    "header: a fractional shape": entry(NAME, shape=[16.0, 16.0]),
    "header: a shape whose product overflows": entry(NAME, shape=[1 << 33, 1 << 33]),
    "header: a shape of endless numbers": entry(NAME, shape=[10**400]),
    "header: a shape in words": entry(NAME, shape="16"),
    "header: 100,000 axes": entry(NAME, shape=[1] * 100_000),
    "header: an empty shape with endless axes": entry(NAME, shape=[0, 1 << 70], data_offsets=[0, 0]),
    "header: no type": entry(NAME, dtype=None),
    "header: a type that is a list": entry(NAME, dtype=["F32"]),
    "header: a list": header_text(lambda _: b"[1, 2, 3]" * 1),
    "header: a number": header_text(lambda _: b"17"),
    "header: entries that are lists": header_text(lambda h: json.dumps({key: [1] for key in h}).encode()),
    "header: a name given twice": header_text(
        lambda h: json.dumps(h).encode()[:-1] + b", " + json.dumps({NAME: h[OTHER]}).encode()[1:]
    ),
    "header: not UTF-8": header_text(lambda h: json.dumps(h).encode().replace(b"q_proj", b"q\xff\xfeoj", 1)),
    "header: a lone surrogate": header_text(
        lambda h: json.dumps(h).encode().replace(b"layers.0.self_attn.q_proj", b"layers.0.\\ud800", 1)
    ),
    "header: nested 100,000 deep": header_text(lambda _: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "header: objects nested 100,000 deep": header_text(lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "header: a layer of number 10^12": header_text(
        lambda h: json.dumps(h).encode().replace(b"layers.4.", b"layers.1000000000000.")
    ),
    "header: 60 MB of empty lists": header_text(lambda _: b'{"a":[' + b"[]," * 20_000_000 + b"[]]}"),
    "header: longer than the file": raw(lambda content: struct.pack("<Q", 1 << 62) + content[8:]),
    "header: no length": raw(b"\0" * 5),
    "header: an empty file": raw(b""),
    "header: cut short": raw(lambda content: content[: len(content) // 2]),
    "header: one byte more": raw(lambda content: content + b"\0"),
    "header: zeros": raw(b"\0" * 4096),
    "header: a page of HTML": raw(b"<!doctype html><title>Sign in</title>" * 20),
}
ANY_END |= {
    "header: metadata that are numbers": header_text(
        lambda h: json.dumps({"__metadata__": {"a": 1e300}, **h}).encode()
    ),
    "header: an unknown type": entry(NAME, dtype="F17"),
}

# --- config.json -----------------------------------------------------------------------------------------


def config(**changes: object) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))

    return spoil


def config_text(text: str | bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())

    return spoil


def literal(key: str, text: str) -> Spoil:
    """An entry as JSON's writers do not write it."""
    return config_text(json.dumps({**CONFIG, key: "HERE"}).replace('"HERE"', text))


COUNTS = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
    "head_dim",
    "num_local_experts",
)
NO_COUNTS = {
    "1e400": "1e400",
    "NaN": "NaN",
    "minus infinity": "-Infinity",
    "10^18": str(10**18),
    "10^400": "1" + "0" * 400,
    "-1": "-1",
    "2.5": "2.5",
    "a word": '"four"',
    "true": "true",
    "a dictionary": '{"a": 1}',
    "a list of words": '["a"]',
    "a list in a list": "[[4]]",
    "a list with infinity": "[4, 1e400]",
}
for _count in COUNTS:
    for _name, _text in NO_COUNTS.items():
        REFUSED[f"config: {_count} is {_name}"] = literal(_count, _text)
for _count, _value in (
    ("num_hidden_layers", 0),
    ("num_hidden_layers", 1_000_000),
    ("hidden_size", 0),
    ("hidden_size", 1_000_000),
    ("num_attention_heads", 0),
    ("num_attention_heads", 1_000_000),
    ("num_key_value_heads", 0),
    ("intermediate_size", 1_000_000),
    ("vocab_size", 0),
    ("vocab_size", 1_000_000),
    ("head_dim", 0),
    ("num_local_experts", 1_000_000),
):
    REFUSED[f"config: {_count} is {_value}, at odds with the tensors"] = config(**{_count: _value})
REFUSED |= {
    "config: nested 100,000 deep": config_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
    "config: objects nested 100,000 deep": config_text('{"text_config":' * 100_000 + "1" + "}" * 100_000),
    "config: text_config within text_config": config_text(
        '{"text_config":' * 400 + json.dumps(CONFIG) + "}" * 400
    ),
    "config: 64 MB": config_text('{"a": "' + "x" * (64 << 20) + '"}'),
    "config: a list": config_text("[]"),
    "config: a number": config_text("1e400"),
    "config: empty": config_text(""),
    "config: not UTF-8": config_text(b'{"model_type": "\xff\xfe"}'),
    "config: UTF-16": config_text(json.dumps(CONFIG).encode("utf-16")),
    "config: a key twice, two values": config_text(json.dumps(CONFIG)[:-1] + ', "hidden_size": 32}'),
    "config: a lone surrogate": config_text(
        json.dumps({**CONFIG, "model_type": "X"}).replace('"X"', '"\\ud800"')
    ),
    "config: a lone surrogate in a key": config_text(json.dumps(CONFIG)[:-1] + ', "a\\udfff": 1}'),
    "config: no model type": config(model_type=None),
    "config: a model type that is a dictionary": config(model_type={"a": 1}),
    "config: 10^12 layers that draft tokens ahead": config(
        model_type="unheard", num_nextn_predict_layers=10**12, num_hidden_layers=7
    ),
    "config: a model type that is a list": config(model_type=["llama"]),
    "config: a number of 10,000 digits": literal("vocab_size", "1" * 10_000),
}
ANY_END |= {
    "config: code of its own": config(
        model_type="evil", auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}
    ),
    "config: a model type of 1 MB": config(model_type="x" * (1 << 20)),
    "config: a model type with line breaks": config(model_type="llama\nerror: all is well\x1b[2J"),
    "config: a word for a part": config(text_config="none"),
    "config: quantised in words": config(quantization_config="4 bit"),
    "config: quantised by a list": config(quantization_config=["4 bit"]),
    "config: quantised endlessly": literal(
        "quantization_config", '{"quant_method": "gptq", "bits": 1e400, "group_size": -1e400}'
    ),
    "config: quantised in groups of none": config(
        quantization_config={"quant_method": "gptq", "bits": 0, "group_size": 0}
    ),
    "config: positions without end": config(max_position_embeddings=10**15),
    "config: rope without end": literal("rope_theta", "1e400"),
    "config: an epsilon without end": literal("rms_norm_eps", "1e400"),
    "config: an epsilon in words": config(rms_norm_eps="small"),
    "config: an unknown activation": config(hidden_act="os.system"),
    "config: an activation that is a list": config(hidden_act=["silu"]),
    "config: tied in words": config(tie_word_embeddings="no"),
    "config: rope in lists": config(rope_scaling=[1, 2, 3]),
    "config: rope factors without end": literal(
        "rope_scaling", '{"rope_type": "yarn", "factor": 1e400, "original_max_position_embeddings": -1}'
    ),
    "config: 100,000 kinds of layers": config(layer_types=["full_attention"] * 100_000),
    "config: a sliding window in words": config(sliding_window="wide"),
}

# --- index files -----------------------------------------------------------------------------------------


def index(content: object, file: str = "model.safetensors.index.json") -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "a.safetensors")
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / file).write_bytes(text)

    return spoil


def map_of(shard: object) -> Spoil:
    return index({"weight_map": dict.fromkeys(tensors(0), shard)})


REFUSED |= {
    "index: out of the folder": map_of("../a.safetensors"),
    "index: an absolute path": map_of("/etc/passwd"),
    "index: a device": map_of("/dev/zero"),
    "index: missing shards": map_of("b.safetensors"),
    "index: a shard that is a number": map_of(3),
    "index: a shard that is a list": map_of(["a.safetensors"]),
    "index: a NUL in a name": map_of("a\0.safetensors"),
    "index: a name of 100,000 letters": map_of("a" * 100_000),
    "index: tensors that are not there": index({"weight_map": {"nothing": "a.safetensors"}}),
    "index: 50,000 shards": index({"weight_map": {str(n): f"{n}.safetensors" for n in range(50_000)}}),
    "index: a list": index([]),
    "index: no map": index({}),
    "index: a map that is a list": index({"weight_map": []}),
    "index: an empty map": index({"weight_map": {}}),
    "index: nested 100,000 deep": index(b'{"weight_map":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "index: not UTF-8": index(b'{"weight_map": {"\xff": "a.safetensors"}}'),
    "index: a lone surrogate": index(b'{"weight_map": {"\\ud800": "a.safetensors"}}'),
}


@(lambda make: REFUSED.__setitem__("shards: of 1,000,000,000", make))
def _(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-1000000000.safetensors")


@(lambda make: REFUSED.__setitem__("shards: a number of 5,000 digits", make))
def _(folder: Path) -> None:
    name = "model-00001-of-" + "9" * 200 + ".safetensors"
    (folder / "model.safetensors").rename(folder / name)


# --- what is no file -------------------------------------------------------------------------------------


def replaced(file: str, make: Callable[[Path], None]) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        make(folder / file)

    return spoil


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
}
for _odd, _make in ODD.items():
    for _file in ("model.safetensors", "config.json"):
        REFUSED[f"no file: {_file} is {_odd}"] = replaced(_file, _make)
    ANY_END[f"no file: tokenizer.json is {_odd}"] = replaced("tokenizer.json", _make)

# --- torch files -----------------------------------------------------------------------------------------


def as_torch(make: Callable[[dict[str, torch.Tensor]], object], *, zipped: bool = True) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save(make(tensors(0)), folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)

    return spoil


def pickled(program: bytes, *, zipped: bool = True) -> Spoil:
    """A pickle written by hand."""

    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        file = folder / "pytorch_model.bin"
        if not zipped:
            parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({}, 2)]
            file.write_bytes(b"".join(parts) + program)
            return
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", program)
            archive.writestr("archive/data/0", b"\0" * 4096)

    return spoil


def tensor_program(size: bytes, stride: bytes, offset: bytes = b"K\0", elements: bytes = b"M\0\4") -> bytes:
    """A state dict of one tensor, described as given."""
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\00X\3\0\0\0cpu" + elements + b"tQ"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + stride + b"\x89Nt" + b"R"
    return b"\x80\2}X\1\0\0\0w" + made + b"s."


def deep_pickle(depth: int) -> bytes:
    return b"\x80\2" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int = 9, each: int = 60) -> bytes:
    """Mappings within mappings, each held many times over: small, and endless to walk."""
    held: dict[str, object] = {"end": 1}
    for _ in range(levels):
        held = dict.fromkeys((f"k{n}" for n in range(each)), held)
    return pickle.dumps({"state_dict": held}, 2)


class Runs:
    """Writes a file when it is unpickled by a reader that runs code."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def loop() -> bytes:
    held: dict[str, object] = {}
    held |= dict.fromkeys(("state_dict", "model", "module", "net", "weights", "params"), held)
    return pickle.dumps(held, 2)


HUGE = b"\x8a\x09" + (1 << 63).to_bytes(9, "little")
REFUSED |= {
    "torch: empty": replaced("model.safetensors", lambda p: (p.parent / "pytorch_model.bin").touch()),
    "torch: a list": as_torch(list),
    "torch: nothing": as_torch(lambda _: {}),
    "torch: a word": as_torch(lambda _: "weights"),
    "torch: mappings held many times over": pickled(laughs()),
    "torch: a mapping that holds itself": pickled(loop()),
    "torch: lists nested 100,000 deep": pickled(deep_pickle(100_000)),
    "torch: a memo of 4,000,000,000 places": pickled(b"\x80\2Nr\xff\xff\xff\xff."),
    "torch: the same, older": pickled(b"\x80\2Nr\xff\xff\xff\xff.", zipped=False),
    "torch: a string of 2^62 bytes": pickled(b"\x80\4\x8d" + struct.pack("<Q", 1 << 62) + b"."),
    "torch: bytes of 2^62": pickled(b"\x80\4\x8e" + struct.pack("<Q", 1 << 62) + b".", zipped=False),
    "torch: a byte array of 20 GB": pickled(
        b"\x80\5\x96" + struct.pack("<Q", 20_000_000_000) + b".", zipped=False
    ),
    "torch: a frame of 2^62 bytes": pickled(b"\x80\4\x95" + struct.pack("<Q", 1 << 62) + b"N."),
    "torch: no end": pickled(b"\x80\2}"),
    "torch: an empty stack": pickled(b"\x80\2."),
    "torch: a number of 1,000,000 digits": pickled(b"\x80\2L" + b"9" * 1_000_000 + b"L\n."),
    "torch: a size in words": pickled(tensor_program(b"X\1\0\0\0a\x85", b"K\1\x85")),
    "torch: a size of floats": pickled(
        tensor_program(b"G" + struct.pack(">d", float("inf")) + b"\x85", b"K\1\x85")
    ),
}
ANY_END |= {
    "torch: code": as_torch(lambda t: {**t, "more": Runs("ran")}),
    "torch: a stride that makes 2^63 elements": pickled(tensor_program(HUGE + b"\x85", b"K\0\x85")),
    "torch: 2^40 elements of one": pickled(
        tensor_program(b"\x8a\x06" + (1 << 40).to_bytes(6, "little") + b"\x85", b"K\0\x85")
    ),
    "torch: a negative stride": pickled(tensor_program(b"K\4\x85", b"J\xff\xff\xff\xff\x85", b"K\3")),
    "torch: a negative size": pickled(tensor_program(b"J\xff\xff\xff\xff\x85", b"K\1\x85")),
    "torch: an offset beyond": pickled(tensor_program(b"K\4\x85", b"K\1\x85", HUGE)),
    "torch: more strides than axes": pickled(tensor_program(b"K\4\x85", b"K\1K\1\x86")),
    "torch: endless elements": pickled(tensor_program(b"K\4\x85", b"K\1\x85", elements=HUGE), zipped=True),
    "torch: negative elements": pickled(
        tensor_program(b"K\4\x85", b"K\1\x85", elements=b"J\xff\xff\xff\xff"), zipped=False
    ),
    "torch: sparse": as_torch(lambda t: {**t, NAME: t[NAME].to_sparse()}),
    "torch: sparse rows": as_torch(lambda t: {**t, NAME: t[NAME].to_sparse_csr()}),
    "torch: meta": as_torch(lambda t: {**t, NAME: t[NAME].to("meta")}),
    "torch: all meta": as_torch(lambda t: {k: v.to("meta") for k, v in t.items()}),
    "torch: with gradients": as_torch(lambda t: {k: v.requires_grad_() for k, v in t.items()}),
    "torch: parameters": as_torch(lambda t: {k: torch.nn.Parameter(v) for k, v in t.items()}),
    "torch: quantised": as_torch(
        lambda t: {**t, NAME: torch.quantize_per_tensor(t[NAME], 0.1, 0, torch.qint8)}
    ),
    "torch: quantised by channel": as_torch(
        lambda t: {
            **t,
            NAME: torch.quantize_per_channel(
                t[NAME], torch.ones(len(t[NAME])), torch.zeros(len(t[NAME])), 0, torch.qint8
            ),
        }
    ),
    "torch: keys that are numbers": as_torch(lambda t: dict(enumerate(t.values()))),
    "torch: keys that are bytes": as_torch(lambda t: {k.encode(): v for k, v in t.items()}),
    "torch: keys that are tuples": as_torch(lambda t: {(k, 1): v for k, v in t.items()}),
    "torch: a key more that is a number": as_torch(lambda t: {**t, 7: t[NAME]}),
    "torch: a key with a lone surrogate": as_torch(lambda t: {**t, "x\ud800": t[NAME]}),
    "torch: a key of 1 MB": as_torch(lambda t: {**t, "x" * (1 << 20): t[NAME]}),
    "torch: complex": as_torch(lambda t: {**t, NAME: t[NAME].to(torch.complex64)}),
    "torch: conjugate": as_torch(lambda t: {**t, NAME: t[NAME].to(torch.complex64).conj()}),
    "torch: numpy": as_torch(lambda t: {**t, NAME: t[NAME].numpy()}),
    "torch: no axes": as_torch(lambda t: {**t, NAME: torch.tensor(1.0)}),
    "torch: 30 axes": as_torch(lambda t: {**t, NAME: torch.zeros([1] * 30)}),
}

# --- values ----------------------------------------------------------------------------------------------


def values(make: Callable[[torch.Tensor], torch.Tensor], *names: str) -> Spoil:
    def spoil(folder: Path) -> None:
        sound(folder, None, **{name: make(tensors(0)[name]).contiguous() for name in names or tensors(0)})

    return spoil


ANY_END |= {
    "values: NaN": values(lambda t: t * float("nan")),
    "values: infinite": values(lambda t: t * float("inf")),
    "values: constant": values(torch.ones_like),
    "values: zero": values(torch.zeros_like),
    "values: NaN in one tensor": values(lambda t: t * float("nan"), NAME),
    "values: one NaN": values(
        lambda t: t.clone().index_put_((torch.tensor([0]),) * t.ndim, t.new_tensor(float("nan"))), NAME
    ),
    "values: empty": values(lambda t: t[:0]),
    "values: one empty": values(lambda t: t[:0], NAME),
    "values: without axes": values(lambda t: t.flatten()[0]),
    "values: 10^38": values(lambda t: t * 1e38),
    "values: 10^-45": values(lambda t: t * 1e-45),
    "values: as integers": values(lambda t: (t * 100).to(torch.int64)),
    "values: as booleans": values(lambda t: t > 0),
    "values: as float8": values(lambda t: t.to(torch.float8_e5m2)),
    "values: flat": values(lambda t: t.flatten()),
    "values: turned": values(lambda t: t.T if t.ndim == 2 else t),
}

# --- tokenizers ------------------------------------------------------------------------------------------


def tokenizer(content: object) -> Spoil:
    def spoil(folder: Path) -> None:
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / "tokenizer.json").write_bytes(text)

    return spoil


def vocabulary(ids: str) -> Spoil:
    return tokenizer(
        b'{"model": {"vocab": {"a": 0, "b": ' + ids.encode() + b', "c": 2, "d": 3}, "merges": []}}'
    )


ANY_END |= {f"tokenizer: an id is {name}": vocabulary(text) for name, text in NO_COUNTS.items()}
ANY_END |= {
    "tokenizer: nested 100,000 deep": tokenizer(b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "tokenizer: not UTF-8": tokenizer(b'{"model": {"vocab": {"\xff": 1}}}'),
    "tokenizer: a lone surrogate": tokenizer(b'{"model": {"vocab": {"\\ud800": 1, "a": 2, "b": 3}}}'),
    "tokenizer: a token twice": tokenizer(b'{"model": {"vocab": {"a": 1, "a": 2}}}'),
    "tokenizer: an id twice": tokenizer({"model": {"vocab": {"a": 1, "b": 1}}}),
    "tokenizer: a list": tokenizer([]),
    "tokenizer: a vocabulary of numbers": tokenizer({"model": {"vocab": [1, 2, 3]}}),
    "tokenizer: a vocabulary in words": tokenizer({"model": {"vocab": "abc"}}),
    "tokenizer: a vocabulary of nothing": tokenizer({"model": {"vocab": {}}}),
    "tokenizer: added in words": tokenizer({"model": {"vocab": {"a": 0}}, "added_tokens": "b"}),
    "tokenizer: empty": tokenizer(b""),
}

# --- GGUF ------------------------------------------------------------------------------------------------


def sound_gguf(path: Path, **more: object) -> Path:
    """A small GGUF file."""
    from gguf import GGUFWriter

    weights = tensors(0)
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(5)
    writer.add_embedding_length(16)
    writer.add_feed_forward_length(24)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    for key, value in more.items():
        writer.add_array(key, value) if isinstance(value, list) else writer.add_uint32(key, int(str(value)))
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for name, tensor in weights.items():
        if name.startswith("model.layers."):
            layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
            stored = f"blk.{layer}.{names[part]}.weight"
        else:
            stored = {"model.embed_tokens.weight": "token_embd.weight"}.get(name, "output_norm.weight")
        writer.add_tensor(stored, np.ascontiguousarray(tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_file(make: Callable[[bytes], bytes]) -> Spoil:
    def spoil(folder: Path) -> None:
        for file in folder.iterdir():
            file.unlink()
        path = sound_gguf(folder / "model.gguf")
        path.write_bytes(make(path.read_bytes()))

    return spoil


def text_of(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def gguf_start(tensors_: int, entries: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors_, entries)


def gguf_entry(key: bytes, kind: int, value: bytes) -> bytes:
    return text_of(key) + struct.pack("<I", kind) + value


def with_field(key: bytes, kind: int, value: bytes) -> Spoil:
    """An entry put before the others; the tensors move by as much, which padding takes up."""

    def make(content: bytes) -> bytes:
        n_tensors, n_entries = struct.unpack("<QQ", content[8:24])
        added = gguf_entry(key, kind, value)
        padding = -len(added) % 32
        if padding:
            if padding < 25:
                padding += 32
            added += gguf_entry(b"padding." + b"x" * (padding - 21), 7, b"\0")
            n_entries += 1
        return gguf_start(n_tensors, n_entries + 1) + added + content[24:]

    return gguf_file(make)


def changed(key: bytes, form: str, *numbers: float) -> Spoil:
    """The value of an entry, in place."""

    def make(content: bytes) -> bytes:
        at = content.index(text_of(key)) + 8 + len(key) + 4
        value = struct.pack(form, *numbers)
        return content[:at] + value + content[at + len(value) :]

    return gguf_file(make)


def tensor_field(name: bytes, at: int, form: str, *numbers: int) -> Spoil:
    """A number in the description of a tensor: axes at 0, lengths at 4, then encoding and offset."""

    def make(content: bytes) -> bytes:
        first = content.index(text_of(name)) + 8 + len(name) + at
        value = struct.pack(form, *numbers)
        return content[:first] + value + content[first + len(value) :]

    return gguf_file(make)


QUERY = b"blk.0.attn_q.weight"
NESTED = b"".join(struct.pack("<IQ", 9, 1) for _ in range(100_000)) + struct.pack("<IQ", 4, 0)
REFUSED |= {
    "gguf: empty": gguf_file(lambda _: b""),
    "gguf: only its name": gguf_file(lambda _: b"GGUF"),
    "gguf: cut short": gguf_file(lambda content: content[: len(content) // 2]),
    "gguf: cut within its header": gguf_file(lambda content: content[:100]),
    "gguf: 2^60 tensors": gguf_file(lambda c: gguf_start(1 << 60, 5) + c[24:]),
    "gguf: 2^60 entries": gguf_file(lambda c: gguf_start(5, 1 << 60) + c[24:]),
    "gguf: 2^63 entries": gguf_file(lambda c: gguf_start(5, 1 << 63) + c[24:]),
    "gguf: of version 99": gguf_file(lambda c: gguf_start(*struct.unpack("<QQ", c[8:24]), 99) + c[24:]),
    "gguf: arrays nested 100,000 deep": with_field(b"a.b", 9, NESTED),
    "gguf: an array of 2^60 numbers": with_field(b"a.b", 9, struct.pack("<IQ", 4, 1 << 60)),
    "gguf: an array of 2^60 arrays": with_field(b"a.b", 9, struct.pack("<IQ", 9, 1 << 60)),
    "gguf: 2^60 empty arrays of arrays": with_field(b"a.b", 9, struct.pack("<IQIQ", 9, 1 << 60, 4, 0)),
    "gguf: an array of 20,000,000 numbers": with_field(
        b"a.b", 9, struct.pack("<IQ", 0, 20_000_000) + bytes(20_000_000)
    ),
    "gguf: a text of 2^60 bytes": with_field(b"a.b", 8, struct.pack("<Q", 1 << 60)),
    "gguf: a value of an unknown kind": with_field(b"a.b", 77, b"\0" * 8),
    "gguf: an entry twice": with_field(b"llama.block_count", 4, struct.pack("<I", 6)),
    "gguf: an architecture that is no UTF-8": gguf_file(
        lambda c: c.replace(text_of(b"llama"), text_of(b"\xff\xfe\xfd\xfc\xfb"), 1)
    ),
    "gguf: an architecture with escapes": gguf_file(
        lambda c: c.replace(text_of(b"llama"), text_of(b"\x1b[2J\n"), 1)
    ),
    "gguf: no heads": changed(b"llama.attention.head_count", "<I", 0),
    "gguf: endless heads": changed(b"llama.attention.head_count", "<I", 0xFFFFFFFF),
    "gguf: heads that do not divide": changed(b"llama.attention.head_count", "<I", 7),
    "gguf: endless key-value heads": changed(b"llama.attention.head_count_kv", "<I", 0xFFFFFFFF),
    "gguf: another width": changed(b"llama.embedding_length", "<I", 1_000_000),
    "gguf: a layer of number 10^8": gguf_file(
        lambda c: c.replace(b"blk.4.attn_norm.weight", b"blk.100000000.x.weight").replace(
            b"llama.block_count", b"llama.other_count"
        )
    ),
    "gguf: 2^32 layers": changed(b"llama.block_count", "<I", 0xFFFFFFFF),
    "gguf: a tensor of 2^30 axes": tensor_field(QUERY, 0, "<I", 1 << 30),
    "gguf: a tensor whose product overflows": tensor_field(QUERY, 4, "<QQ", 1 << 33, 1 << 33),
    "gguf: a tensor of 2^63 rows": tensor_field(QUERY, 4, "<QQ", 16, 1 << 63),
    "gguf: a tensor of negative rows": tensor_field(QUERY, 4, "<qq", -16, -16),
    "gguf: a tensor beyond the file": tensor_field(QUERY, 24, "<Q", 1 << 40),
    "gguf: a tensor in another's place": tensor_field(QUERY, 24, "<Q", 0),
    "gguf: a tensor at 2^64 - 1": tensor_field(QUERY, 24, "<Q", (1 << 64) - 1),
    "gguf: an unknown encoding": tensor_field(QUERY, 20, "<I", 999),
    "gguf: an alignment of none": with_field(b"general.alignment", 4, struct.pack("<I", 0)),
    "gguf: an alignment of 2^31": with_field(b"general.alignment", 4, struct.pack("<I", 1 << 31)),
    "gguf: an alignment in words": with_field(b"general.alignment", 8, text_of(b"32")),
    "gguf: one of 2^31 parts": with_field(b"split.count", 4, struct.pack("<I", 1 << 31)),
    "gguf: heads without number": with_field(
        b"llama.attention.head_count", 6, struct.pack("<f", float("inf"))
    ),
}
ANY_END |= {
    "gguf: a key that is no UTF-8": with_field(b"a\xff.b", 4, b"\0" * 4),
    "gguf: a text that is no UTF-8": with_field(b"general.name", 8, text_of(b"\xff\xfe")),
    "gguf: an epsilon that is no number": changed(
        b"llama.attention.layer_norm_rms_epsilon", "<f", float("nan")
    ),
    "gguf: an encoding of other size": tensor_field(QUERY, 20, "<I", 1),
}


@(lambda make: REFUSED.__setitem__("gguf: 99,999 parts", make))
def _(folder: Path) -> None:
    gguf_file(lambda content: content)(folder)
    (folder / "model.gguf").rename(folder / "model-00001-of-99999.gguf")


# --- adapters --------------------------------------------------------------------------------------------


def adapter(settings: object, *, weights: bool = True) -> Spoil:
    def spoil(folder: Path) -> None:
        sound(folder / "base")
        for file in ("model.safetensors", "config.json"):
            (folder / file).unlink()
        text = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
        (folder / "adapter_config.json").write_bytes(text)
        save_file(
            {
                "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2, 16),
                "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": torch.ones(16, 2),
            },
            folder / "adapter_model.safetensors",
        )

    return spoil


def rank(text: str) -> Spoil:
    return adapter(
        b'{"peft_type": "LORA", "base_model_name_or_path": "base", "lora_alpha": '
        + text.encode()
        + b', "r": 2}'
    )


REFUSED |= {
    "adapter: of itself": adapter({"peft_type": "LORA", "base_model_name_or_path": "."}),
    "adapter: of a device": adapter({"peft_type": "LORA", "base_model_name_or_path": "/dev/zero"}),
    "adapter: of a list": adapter({"peft_type": "LORA", "base_model_name_or_path": ["base"]}),
    "adapter: of a name with a NUL": adapter({"peft_type": "LORA", "base_model_name_or_path": "a\0b"}),
    "adapter: nested 100,000 deep": adapter(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "adapter: a list": adapter([]),
}
ANY_END |= {f"adapter: a scale of {name}": rank(text) for name, text in NO_COUNTS.items()}
