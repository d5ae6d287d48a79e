"""The tokens that a ``tokenizer.json`` lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpcore import foreign_json
from fpcore.checkpoints import vocabulary
from fpcore.checkpoints.vocabulary import read_vocabulary
from fpcore.errors import BadCheckpoint


def tokens(folder: Path, content: object) -> dict[str, int]:
    (folder / "x").write_text(json.dumps(content))
    return read_vocabulary(folder / "x")


def test_tokens_and_their_ids(tmp_path: Path) -> None:
    by_id = {"model": {"vocab": {"b": 1, "a": 0, "c": 2147483647}}}
    assert tokens(tmp_path, by_id) == {"a": 0, "b": 1, "c": 2147483647}
    by_place = {"model": {"vocab": [["a", -1.5], ["b"]]}}
    assert tokens(tmp_path, by_place) == {"a": 0, "b": 1}
    added = {"added_tokens": [{"id": 7, "content": "<s>"}, {"id": 5, "content": "a"}]}
    assert tokens(tmp_path, by_place | added) == {"a": 5, "b": 1, "<s>": 7}
    assert tokens(tmp_path, by_place | {"added_tokens": None}) == {"a": 0, "b": 1}


NONE = "not a tokenizer.json with a vocabulary; fetch it again"
NO_CONTENT = "an added token has no content; fetch it again"
NO_TOKEN = "in its vocabulary is not a token with a score; fetch it again"
BAD = {
    "[]": NONE,
    '{"model": []}': NONE,
    '{"model": {"vocab": "a"}}': NONE,
    '{"model": {"vocab": {}}, "added_tokens": "<s>"}': NONE,
    '{"model": {"vocab": {}}, "added_tokens": [["<s>"]]}': NO_CONTENT,
    '{"model": {"vocab": {}}, "added_tokens": [{"id": 1}]}': NO_CONTENT,
    '{"model": {"vocab": {}}, "added_tokens": [{"content": "a"}]}': "the id of token 'a' is None; it must be "
    "a whole number from 0 to 2,147,483,647: correct it",
    '{"model": {"vocab": {"a": 1.0}}}': "the id of token 'a' is 1.0; it must be a whole number from 0 to "
    "2,147,483,647: correct it",
    '{"model": {"vocab": {"a": 2147483648}}}': "the id of token 'a' is 2147483648; it must be a whole number "
    "from 0 to 2,147,483,647: correct it",
    '{"model": {"vocab": [["a", 0], "bc"]}}': f"'bc' {NO_TOKEN}",
    '{"model": {"vocab": [[]]}}': f"a list {NO_TOKEN}",
    '{"model": {"vocab": [[1]]}}': f"a list {NO_TOKEN}",
}


@pytest.mark.parametrize("text", BAD)
def test_no_tokens(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        tokens(tmp_path, json.loads(text))
    assert str(caught.value) == f"{tmp_path / 'x'}: {BAD[text]}"


def test_a_vocabulary_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"model": {"vocab": {"a": 0}}}
    # More than any other JSON may have.
    (tmp_path / "long").write_text(json.dumps(content) + " " * foreign_json.LARGEST)
    assert read_vocabulary(tmp_path / "long") == {"a": 0}
    size = len(json.dumps(content))
    monkeypatch.setattr(vocabulary, "LARGEST", size)
    assert tokens(tmp_path, content) == {"a": 0}
    monkeypatch.setattr(vocabulary, "MOST_VALUES", 2)
    with pytest.raises(BadCheckpoint, match=r"x: too many values for a tokenizer\.json \(2 at most\)$"):
        tokens(tmp_path, content)
    monkeypatch.setattr(vocabulary, "LARGEST", size - 1)
    with pytest.raises(BadCheckpoint, match=rf"x: more than {size - 1} bytes, too large"):
        tokens(tmp_path, content)
