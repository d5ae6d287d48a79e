"""Safetensors and torch files on the hub: read as local ones are, once their bytes are here."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest
from fpcore.checkpoints.local_files import LocalCheckpoint
from fpcore.checkpoints.safetensors_header import MAX_HEADER, parse_header
from fpcore.checkpoints.torch_file import read_torch_file, read_torch_stream
from fpcore.checkpoints.weights_files import TORCH_FILES, find_weights
from fpcore.errors import BadCheckpoint
from fpcore.remote import patience
from fpcore.remote.folder import RemoteFolder, at_once
from fpcore.remote.remote_file import FIRST, RangedStream
from fpcore.remote.requests import Refused, Unreachable
from fpcore.remote.spans import Span, total
from fpcore.remote.traffic import Fetched
from fpcore.storage.element_types import Raw
from fpcore.storage.flat_tensor import FlatTensor
from fpcore.storage.tensor_source import TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["OnTheHub", "RemoteCheckpoint", "explained"]

TOKENIZER: Final = "tokenizer.json"
LONGEST_TOKENIZER: Final = 1 << 30  # bytes; the longest that there are have some 30 million
MB: Final = 10**6
AHEAD: Final = 1 << 16  # bytes that a reader of a header buffers


class OnTheHub(Checkpoint):
    """A model on the hub at one commit; tensors are fetched by range when they are read, or before."""

    folder: RemoteFolder
    on_hub = True
    _headers: bool = False

    def spans(self, name: str) -> dict[str, list[Span]]:
        """File → the bytes of it that hold (parts of) one stored tensor."""
        raise NotImplementedError

    def fetch_headers(self) -> None:
        """Bring here what says where tensors lie."""
        raise NotImplementedError

    def prefetch(self, names: Iterable[str]) -> None:  # noqa: D102
        with explained(self.name, self.folder):
            self.folder.fetch(self.all_spans(names), self._tell_bytes if self.told else None)

    def _tell_bytes(self, came: int, size: int) -> None:
        if self.told is not None:
            self.told(round(came / MB), round(size / MB), f"MB of {self.name}")

    def ready(self) -> None:
        """See to it that the headers are here: in another process, or after `let_go`, they may not be."""
        if not self._headers:
            self.fetch_headers()
            self._headers = True

    def all_spans(self, names: Iterable[str]) -> dict[str, list[Span]]:
        """File → the bytes of it that hold some tensors."""
        self.ready()
        wanted: dict[str, list[Span]] = {}
        for name in names:
            for file, spans in self.spans(name).items():
                wanted.setdefault(file, []).extend(spans)
        return wanted

    def bytes_on_hub(self, names: Iterable[str]) -> int:  # noqa: D102
        with explained(self.name, self.folder):
            return sum(total(spans) for spans in self.all_spans(names).values())

    def stretches_on_hub(self, wanted: Mapping[str, Sequence[Span]]) -> tuple[int, int]:  # noqa: D102
        with explained(self.name, self.folder):
            spans = self.stretch_spans(wanted)
            return sum(map(total, spans.values())), self.folder.missing(spans)

    def stretch_spans(self, wanted: Mapping[str, Sequence[Span]]) -> dict[str, list[Span]]:
        """File → the bytes of it that hold stretches of tensors, or all of them."""
        return self.all_spans(wanted)

    def prefetch_stretches(self, wanted: Mapping[str, Sequence[Span]]) -> None:  # noqa: D102
        with explained(self.name, self.folder):
            self.folder.fetch(self.stretch_spans(wanted), self._tell_bytes if self.told else None)

    def fetch_size(self, names: Iterable[str]) -> int:  # noqa: D102
        with explained(self.name, self.folder):
            return self.folder.missing(self.all_spans(names))

    def measure_rate(self, names: Iterable[str]) -> float:  # noqa: D102
        with explained(self.name, self.folder):
            return self.folder.measure_rate(self.all_spans(names))

    @property
    def cache_key(self) -> str:  # noqa: D102
        return hashlib.sha256(f"by the word of the hub: {self.digest}".encode()).hexdigest()

    @property
    def weights(self) -> Sequence[str]:
        """The files that hold tensors."""
        raise NotImplementedError

    @property
    def verified(self) -> bool:  # noqa: D102
        return all(self.folder.confirmed(name) for name in self.weights)

    @property
    def fetched(self) -> Fetched:  # noqa: D102
        return self.folder.traffic.so_far

    def let_go(self) -> None:  # noqa: D102
        if self.folder.fetching.keep:
            self.folder.keep()
        else:
            self.folder.drop()
            self.close_files()
            self._headers = False

    def close_files(self) -> None:
        """Forget open files: those that are made in their place are others."""
        raise NotImplementedError

    def file_of(self, name: str) -> str:  # noqa: D102
        files = list(self.spans(name)) if name in self.tensors else []
        return self.folder.repository.address(files[0]) if files else self.name

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        if TOKENIZER not in self.folder:
            return None
        size = self.folder.repository.files[TOKENIZER].size
        if size > LONGEST_TOKENIZER:
            raise BadCheckpoint(f"{self.name}: {TOKENIZER} has {size} bytes, too large for a vocabulary")
        with explained(self.name, self.folder):
            self.folder.whole(TOKENIZER)
        return self.folder.file(TOKENIZER).path

    def __getstate__(self) -> dict[str, object]:
        # Another process may have another disk: it looks for itself.
        return {**super().__getstate__(), "_headers": False}


class RemoteCheckpoint(OnTheHub):
    """Safetensors or torch files on the hub, single or in shards.

    Parameters
    ----------
    name : str
    folder : RemoteFolder
        With its settings and index files.
    path : pathlib.Path
        The folder's, or that of one file in it.
    """

    def __init__(self, name: str, folder: RemoteFolder, path: Path) -> None:
        self.name, self.folder = name, folder
        self._weights = [file.relative_to(folder.path).as_posix() for file in find_weights(path).files]
        self.fetch_headers()
        self._headers = True
        self._inner = LocalCheckpoint(path, name=name)
        self.config = self._inner.config
        self.unread_files = self._inner.unread_files
        self._spans = {file: self._spans_in(file) for file in self._weights}

    @property
    def weights(self) -> Sequence[str]:  # noqa: D102
        return self._weights

    def close_files(self) -> None:  # noqa: D102
        self._inner.close_files()

    def fetch_headers(self) -> None:  # noqa: D102
        fetch_safetensors_headers(self.folder, [name for name in self._weights if not is_torch(name)])
        fetch_torch_headers(self.folder, [name for name in self._weights if is_torch(name)])

    def _spans_in(self, name: str) -> dict[str, Span]:
        """Where the tensors of one file lie in it."""
        file = self.folder.file(name)
        if is_torch(name):
            opened = read_torch_file(file.path)
            return {key: opened.span(key) for key in opened.tensors}
        text = file.read(8, 8 + header_length(file.read(0, 8)))
        found = parse_header(text, file.size, file.url)
        return {key: (begin, end) for key, (_, begin, end) in found.items()}

    def spans(self, name: str) -> dict[str, list[Span]]:  # noqa: D102
        found = {}
        for path, stored in self._inner.stored_in(name):
            file = path.relative_to(self.folder.path).as_posix()
            found[file] = [self._spans[file][stored]]
        return found

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._inner.tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        self.prefetch([name])
        with explained(self.name, self.folder):
            return self._inner.read(name)

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        plain = self._plain(name)
        if plain is None:
            self.prefetch([name])
            with explained(self.name, self.folder):
                return self._inner.flat(name)
        self.ready()
        return FlatOnHub(self, name, self._inner.flat(name))

    def stretch_spans(self, wanted: Mapping[str, Sequence[Span]]) -> dict[str, list[Span]]:  # noqa: D102
        self.ready()
        found: dict[str, list[Span]] = {}
        for name, stretches in wanted.items():
            plain = self._plain(name)
            if plain is None:
                for file, spans in self.spans(name).items():
                    found.setdefault(file, []).extend(spans)
                continue
            file, begin, width = plain
            bytes_ = [(begin + start * width, begin + stop * width) for start, stop in stretches]
            found.setdefault(file, []).extend(bytes_)
        return found

    def _plain(self, name: str) -> tuple[str, int, int] | None:
        """File, first byte and bytes of a number of a tensor that lies in one file as it is; else None."""
        where, info = self._inner.stored_in(name), self.tensors[name]
        if len(where) != 1 or where[0][1] != name or is_torch(where[0][0].name) or not info.size:
            return None
        ((file, ((begin, end),)),) = self.spans(name).items()
        width, rest = divmod(end - begin, info.size)
        return None if rest or not width else (file, begin, width)

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:  # noqa: D102
        import torch

        info, plain = self.tensors[name], self._plain(name)
        if plain is None or start >= min(stop, info.shape[0]):
            return super().read_rows(name, start, stop)
        file, begin, width = plain
        row = info.size // info.shape[0] * width
        stop = min(stop, info.shape[0])
        part = (begin + start * row, begin + stop * row)
        with explained(self.name, self.folder):
            self.folder.fetch({file: [part]})
            content = bytearray(self.folder.file(file).read(*part))
        dtype = getattr(torch, info.dtype)
        rows: torch.Tensor = torch.frombuffer(content, dtype=dtype).reshape(stop - start, *info.shape[1:])
        return rows

    def read_part(self, name: str, index: int) -> torch.Tensor:  # noqa: D102
        return self.read_rows(name, index, index + 1)[0]

    @cached_property
    def digest(self) -> str:  # noqa: D102
        digest = hashlib.sha256(config_digest(self.config))
        with explained(self.name, self.folder):
            for name in [*self._weights, *([TOKENIZER] if TOKENIZER in self.folder else [])]:
                digest.update(bytes.fromhex(self.folder.sha256(name)))
        return digest.hexdigest()


class FlatOnHub(FlatTensor):
    """A tensor on the hub, of which a stretch is fetched when it is read, unless it is here.

    Parameters
    ----------
    checkpoint : RemoteCheckpoint
    name : str
    inner : FlatTensor
        Of the file with holes.
    """

    def __init__(self, checkpoint: RemoteCheckpoint, name: str, inner: FlatTensor) -> None:
        self._checkpoint, self._name, self._inner = checkpoint, name, inner
        self.dtype, self.size = inner.dtype, inner.size

    def read(self, start: int, stop: int) -> Raw:
        """Fetch and read them."""
        self._checkpoint.prefetch_stretches({self._name: [(start, stop)]})
        return self._inner.read(start, stop)


def is_torch(name: str) -> bool:
    """Whether a file is one of torch's own."""
    return Path(name).suffix in TORCH_FILES


def header_length(start: bytes) -> int:
    """What the first eight bytes of a safetensors file say."""
    return int(struct.unpack("<Q", start)[0])


def fetch_safetensors_headers(folder: RemoteFolder, names: list[str]) -> None:
    """Bring the headers of safetensors files here; what is no such file is left for its reader to say."""
    sizes = {name: folder.repository.files[name].size for name in names}
    folder.fetch({name: [(0, min(FIRST, size))] for name, size in sizes.items()})
    rest: dict[str, list[Span]] = {}
    for name, size in sizes.items():
        length = header_length(folder.file(name).read(0, 8)) if size >= 8 else 0
        if FIRST < 8 + length <= size and length <= MAX_HEADER:
            rest[name] = [(0, 8 + length)]
    folder.fetch(rest)


def fetch_torch_headers(folder: RemoteFolder, names: list[str]) -> None:
    """Bring what describes the tensors of torch files here: zip files say it at both ends."""
    sizes = {name: folder.repository.files[name].size for name in names}
    ends = {name: [(0, min(FIRST, size)), (max(0, size - FIRST), size)] for name, size in sizes.items()}
    folder.fetch(ends)
    at_once([partial(walk_torch, folder, name) for name in names])


def walk_torch(folder: RemoteFolder, name: str) -> None:
    """Read the description of a torch file through."""
    file = folder.file(name)
    read_torch_stream(stream_of(folder, name), file.path)


def stream_of(folder: RemoteFolder, name: str) -> BinaryIO:
    """A remote file as a stream that fetches what is read of it."""
    return cast(BinaryIO, io.BufferedReader(RangedStream(folder.file(name)), AHEAD))


@contextmanager
def explained(shown: str, folder: RemoteFolder | None = None) -> Iterator[None]:
    """What goes wrong with a model on the hub, in one line that names the model as people know it."""
    try:
        yield
    except Unreachable:
        raise
    except Refused as error:
        raise BadCheckpoint(refusal(shown, error, listed=folder is not None)) from error
    except BadCheckpoint as error:
        if folder is None or str(folder.path) not in str(error):
            raise
        address = f"{folder.repository.id}@{folder.repository.commit[:12]}"
        said = str(error).replace(f"{folder.path}/", f"{address}/").replace(str(folder.path), shown)
        raise BadCheckpoint(said) from error


def refusal(shown: str, error: Refused, *, listed: bool) -> str:
    """One line for what the hub refused: a model, or a file of one that it has listed."""
    if error.code == "DisabledRepo":
        return f"{shown}: withdrawn: the hub no longer serves it; choose another model"
    if error.code == "GatedRepo":
        return f"{shown}: gated on the hub; accept its terms there and set HF_TOKEN"
    if error.code == "RevisionNotFound":
        return f"{shown}: no such revision on the hub"
    if error.code == "RepoNotFound" or (not listed and not error.code and error.status in {401, 404}):
        return f"{shown}: no such local path, and no such model on the hub (private ones need HF_TOKEN)"
    answered = f"{shown}: the hub answered with an error ({error})"
    if error.status in {401, 403}:
        return f"{answered}; this HF_TOKEN has no access: ask the owner for it, or use another token"
    if error.status in {404, 410}:
        return f"{answered}; what was listed is gone: rerun, or give another revision"
    if 400 <= error.status < 500 and not patience.passing(error.status):
        return f"{answered}; the hub refused the request: check the name, the revision and HF_ENDPOINT"
    return f"{answered}; try again later"
