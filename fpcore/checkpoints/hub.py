"""Models on the Hugging Face hub, measured without downloading them: headers first, then byte ranges.

The hub's usual settings count: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE. Files that are in its cache
are read from there. The digest is that of the same files on disk.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest, file_digest, parse_config, quantised_as
from fpcore.checkpoints.local_files import LocalCheckpoint
from fpcore.checkpoints.safetensors_header import MAX_HEADER, parse_header
from fpcore.checkpoints.weights_files import SHARD, parse_index
from fpcore.errors import BadCheckpoint, first_line
from fpcore.storage.tensor_source import Config, TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["RemoteCheckpoint", "open_remote"]

FIRST_READ: Final = 1 << 16  # most headers fit in the first request
TIMEOUT: Final = 60.0  # seconds without an answer before a request is repeated

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """One file of one revision of a repository.

    Attributes
    ----------
    name, url : str
    size : int
        In bytes.
    sha256 : str or None
        Of the content, known for files in large-file storage.
    local : pathlib.Path or None
        Its copy in the hub's cache.
    """

    name: str
    url: str
    size: int
    sha256: str | None
    local: Path | None = None

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""
        if self.local is not None:
            with self.local.open("rb") as stream:
                stream.seek(start)
                content = stream.read(stop - start)
        else:
            content = fetch_range(self.url, start, stop)
        if len(content) != stop - start:
            raise BadCheckpoint(f"{self.url}: {len(content)} bytes came where {stop - start} were asked for")
        return content

    def digest(self) -> bytes:
        """The sha256 of the content."""
        if self.sha256 is not None:
            return bytes.fromhex(self.sha256)
        if self.local is None:
            raise BadCheckpoint(f"{self.url}: the hub gives no sha256 of this file; download the model first")
        return file_digest(self.local)

    def header(self) -> dict[str, tuple[TensorInfo, int, int]]:
        """What its safetensors header says: each tensor with its first and last byte."""
        first = self.read(0, min(FIRST_READ, self.size))
        length = struct.unpack("<Q", first[:8])[0] if len(first) >= 8 else 0
        if not 2 <= length <= min(self.size - 8, MAX_HEADER):
            raise BadCheckpoint(f"{self.url}: not a safetensors file ({self.size} bytes)")
        text = first[8 : 8 + length]
        if len(text) < length:
            text += self.read(8 + len(text), 8 + length)
        return parse_header(text, self.size, self.url)


class RemoteCheckpoint(Checkpoint):
    """A model on the hub at one commit; tensors are fetched by range when they are read."""

    def __init__(
        self,
        name: str,
        config: Config,
        files: list[RemoteFile],
        listed: Mapping[str, list[str]] | None,
        tokenizer: RemoteFile | None,
    ) -> None:
        self.name = name
        self.config = config
        self._files = files
        self._tokenizer = tokenizer
        self._where: dict[str, tuple[RemoteFile, int, int]] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._last: tuple[str, torch.Tensor] | None = None
        known = {key for keys in (listed or {}).values() for key in keys}
        for file in files:
            header = file.header()
            # What a shard holds beyond its index is read, too.
            for key in [*(listed or {}).get(file.name, ()), *(key for key in header if key not in known)]:
                if key not in header:
                    raise BadCheckpoint(
                        f"{file.url}: the index says that tensor {key} is in this shard, but it is not"
                    )
                info, begin, end = header[key]
                self._where[key] = (file, begin, end)
                self._tensors[key] = info
        if not self._tensors:
            raise BadCheckpoint(f"{name}: the weights files hold no tensor")

    @cached_property
    def digest(self) -> str:  # noqa: D102
        total = hashlib.sha256(config_digest(self.config))
        for file in [*self._files, *([] if self._tokenizer is None else [self._tokenizer])]:
            total.update(file.digest())
        return total.hexdigest()

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        import torch

        # The parts of a fused tensor are read one after another: it is fetched once.
        if self._last is not None and self._last[0] == name:
            return self._last[1]
        file, begin, end = self._where[name]
        info = self._tensors[name]
        content = bytearray(file.read(begin, end))
        dtype = getattr(torch, info.dtype)
        flat = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        tensor = flat.reshape(info.shape)
        self._last = (name, tensor)
        return tensor

    def file_of(self, name: str) -> str:  # noqa: D102
        return self._where[name][0].url if name in self._where else self.name

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return None if self._tokenizer is None else self._tokenizer.local

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "_last": None}


def open_remote(repository: str, revision: str | None = None, *, name: str | None = None) -> Checkpoint:
    """Open a model on the hub: its config and headers are fetched, no tensor is.

    Parameters
    ----------
    repository : str
        ``org/name``.
    revision : str, optional
        Branch, tag or commit; the default branch otherwise. It is resolved to a commit at once.
    name : str, optional
        What people see; ``org/name[@revision]`` otherwise.

    Raises
    ------
    BadCheckpoint
        There is no such model or revision, it is gated, the hub cannot be reached and its cache does not
        hold the model, or it has no weights that can be read by range.
    """
    from huggingface_hub import HfApi

    shown = name or (repository if revision is None else f"{repository}@{revision}")
    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # its classes are those of the HTTP library that the hub's client uses
        if not unreachable(error):
            raise BadCheckpoint(refusal(shown, error)) from error
        return from_cache(repository, revision, shown, error)
    commit = str(info.sha)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}

    def small(file: str) -> Path:
        return asked(shown, lambda: download(repository, file, commit))

    def remote(file: str) -> RemoteFile:
        sibling = siblings[file]
        sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
        # Without large-file storage a file is small: it is downloaded, as there is no sha256 of it either.
        local = cached(repository, file, commit) if sha256 else small(file)
        size = local.stat().st_size if local is not None else int(sibling.size or 0)
        return RemoteFile(file, address(repository, file, commit), size, sha256, local)

    if "config.json" not in siblings:
        raise BadCheckpoint(f"{shown}: no config.json on the hub; is it a model in transformers' layout?")
    config = parse_config(small("config.json").read_bytes(), f"{shown}: config.json")
    if "hf_quant_config.json" in siblings:
        config = quantised_as(config, small("hf_quant_config.json"))
    names, listed = choose_weights(shown, set(siblings), small)
    tokenizer = None
    if "tokenizer.json" in siblings:
        tokenizer = remote("tokenizer.json")
        if tokenizer.local is None:
            tokenizer = replace(tokenizer, local=small("tokenizer.json"))
    files = [remote(file) for file in names]
    return RemoteCheckpoint(shown, config, files, listed, tokenizer)


def choose_weights(
    shown: str, names: set[str], small: Callable[[str], Path]
) -> tuple[list[str], dict[str, list[str]] | None]:
    """The safetensors files of a repository and, where an index lists them, the tensors in each."""
    if "model.safetensors" in names:
        return ["model.safetensors"], None
    index = "model.safetensors.index.json"
    if index in names:
        listed = parse_index(small(index).read_bytes(), f"{shown}: {index}")
        for shard in sorted(listed):
            if shard not in names:
                raise BadCheckpoint(f"{shown}: {shard} is not on the hub, though {index} lists it")
        return sorted(listed), listed
    shards = sorted(file for file in names if file.endswith(".safetensors") and "/" not in file)
    shards = [file for file in shards if not file.startswith("adapter_")]
    numbered = [SHARD.search(file) for file in shards]
    if len(shards) == 1 and not numbered[0]:
        return shards, None
    if shards and all(match and int(match[2]) == len(shards) for match in numbered):
        return shards, None
    if shards:
        raise BadCheckpoint(f"{shown}: {len(shards)} safetensors files that are not one set of shards")
    kinds = {suffix for file in names if (suffix := Path(file).suffix) in {".bin", ".gguf", ".pt", ".pth"}}
    if any(file.startswith("adapter_model.") for file in names):
        raise BadCheckpoint(f"{shown}: an adapter without its model; download it and give the directory")
    if kinds:
        raise BadCheckpoint(
            f"{shown}: no safetensors on the hub, only {', '.join(sorted(kinds))}, which cannot be read by "
            "range; download it (`hf download`) and give the directory or file"
        )
    raise BadCheckpoint(f"{shown}: no weights on the hub")


def from_cache(repository: str, revision: str | None, shown: str, error: Exception) -> Checkpoint:
    """The model from the hub's cache alone, where the hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(repository, revision=revision, local_files_only=True)
        return LocalCheckpoint(folder, name=shown)
    except (LocalEntryNotFoundError, BadCheckpoint) as missing:
        raise BadCheckpoint(
            f"{shown}: no such local path; the hub cannot be reached ({first_line(error)}) and its cache "
            "does not hold the whole model"
        ) from missing


def asked(shown: str, request: Callable[[], T]) -> T:
    """What a request to the hub answers; every way it can fail is one line."""
    try:
        return request()
    except BadCheckpoint:
        raise
    except Exception as error:  # as above: the classes depend on the HTTP library
        raise BadCheckpoint(refusal(shown, error)) from error


def download(repository: str, file: str, commit: str) -> Path:
    """A small file, into the hub's cache."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, file, revision=commit))


def cached(repository: str, file: str, commit: str) -> Path | None:
    """The file in the hub's cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, revision=commit)
    return Path(found) if isinstance(found, str) else None


def address(repository: str, file: str, commit: str) -> str:
    """Where the hub serves a file."""
    from huggingface_hub import hf_hub_url

    return str(hf_hub_url(repository, file, revision=commit))


def fetch_range(url: str, start: int, stop: int) -> bytes:
    """Bytes `start` to before `stop` of a file on the hub; what fails for a moment is tried again."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # loaded on demand there
        build_hf_headers,
        hf_raise_for_status,
        http_backoff,
    )

    if stop <= start:
        return b""
    headers = build_hf_headers() | {"Range": f"bytes={start}-{stop - 1}"}

    def get() -> bytes:
        response = http_backoff("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True)
        hf_raise_for_status(response)
        if response.status_code != 206:
            raise BadCheckpoint(f"{url}: the server does not serve byte ranges; download the model first")
        return bytes(response.content)

    return asked(url, get)


def unreachable(error: Exception) -> bool:
    """Whether the hub gave no answer at all (as opposed to a refusal)."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    return not isinstance(error, HfHubHTTPError | HFValidationError)


def refusal(shown: str, error: Exception) -> str:
    """One line for what the hub refused."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return f"{shown}: gated on the hub; accept its terms there and set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return f"{shown}: no such revision on the hub"
    if isinstance(error, RepositoryNotFoundError):
        return f"{shown}: no such local path, and no such model on the hub (private ones need HF_TOKEN)"
    return f"{shown}: the hub answered with an error ({first_line(error)}); try again later"
