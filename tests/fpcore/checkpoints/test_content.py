"""Configurations and files as content."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from fpcore.checkpoints import content
from fpcore.checkpoints.content import config_digest, file_digests, parse_config, quantised_as, read_config
from fpcore.errors import BadCheckpoint


def test_a_configuration_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        read_config(tmp_path)
    told = "no config.json; give a directory in hub layout (config and weights)"
    assert str(caught.value) == f"{tmp_path}: {told}"
    file = tmp_path / "config.json"
    file.write_text('{"a": 1}')
    assert read_config(tmp_path) == {"a": 1}
    monkeypatch.setattr(content, "LARGEST", 7)
    with pytest.raises(BadCheckpoint, match=r"config\.json: more than 7 bytes"):
        read_config(tmp_path)
    monkeypatch.undo()
    file.write_text("[1]")
    with pytest.raises(BadCheckpoint) as caught:
        read_config(tmp_path)
    assert str(caught.value) == f"{file}: not a JSON object; fetch it again"


def test_where_a_configuration_is_no_json() -> None:
    with pytest.raises(BadCheckpoint, match=r"^x: not JSON "):
        parse_config(b"{", "x")


QUANTISED = {
    '{"quantization": {"quant_algo": "FP8", "group_size": 16}}': {
        "quant_algo": "FP8",
        "group_size": 16,
        "quant_method": "modelopt FP8",
    },
    '{"quantization": {"quant_algo": null}}': {"quant_algo": None, "quant_method": "modelopt"},
    '{"quantization": "FP8"}': {"quant_method": "modelopt"},
    "{}": {"quant_method": "modelopt"},
}


@pytest.mark.parametrize("text", QUANTISED)
def test_what_a_file_beside_the_configuration_says(text: str, tmp_path: Path) -> None:
    beside = tmp_path / "x"
    assert quantised_as({"a": 1}, beside) == {"a": 1}
    beside.write_text(text)
    assert quantised_as({"a": 1}, beside) == {"a": 1, "quantization_config": QUANTISED[text]}
    own = {"quantization_config": {"bits": 4}}
    assert quantised_as(own, beside) is own
    assert quantised_as({"quantization_config": None}, beside)["quantization_config"] == QUANTISED[text]


def test_such_a_file_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "x"
    beside.write_text("[1]")
    with pytest.raises(BadCheckpoint) as caught:
        quantised_as({}, beside)
    assert str(caught.value) == f"{beside}: not a JSON object; fetch it again"
    monkeypatch.setattr(content, "LARGEST", 2)
    with pytest.raises(BadCheckpoint, match="x: more than 2 bytes"):
        quantised_as({}, beside)


def test_a_configuration_has_one_digest() -> None:
    # Worked out from the spelling that is kept: keys in order, no blanks, characters as they are.
    spelling = '{"a":{"x":null,"y":[1,2.5]},"b":"é"}'
    config = json.loads('{"b": "\\u00e9", "a": {"y": [1, 2.5], "x": null}}')
    assert config_digest(config) == hashlib.sha256(spelling.encode()).digest()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_files_have_their_digests_in_order(threads: int, count: int, tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(count)]
    for file in files:
        file.write_bytes(file.name.encode())
    assert file_digests(files, threads) == [hashlib.sha256(file.name.encode()).digest() for file in files]


def test_so_many_files_are_digested_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=60)

    def digest(file: Path) -> bytes:
        together.wait()
        return str(threading.get_ident()).encode()

    monkeypatch.setattr(content, "file_digest", digest)
    for count in (2, 20):
        assert len(set(file_digests([Path()] * count, 2))) == 2


def test_one_file_or_one_thread_takes_no_other_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "file_digest", lambda file: str(threading.get_ident()).encode())
    here = str(threading.get_ident()).encode()
    assert file_digests([Path("a")], 2) == [here]
    assert file_digests([Path("a"), Path("b")], 1) == [here, here]
