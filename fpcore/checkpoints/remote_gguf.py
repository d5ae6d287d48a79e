"""GGUF files on the hub: read as local ones are, once the header and then a tensor's bytes are here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.gguf_file import GgufCheckpoint, Place
from fpcore.checkpoints.gguf_header import read_gguf_header
from fpcore.checkpoints.gguf_reader import parts_of
from fpcore.checkpoints.remote_files import OnTheHub, explained, stream_of
from fpcore.errors import BadCheckpoint
from fpcore.remote.folder import RemoteFolder
from fpcore.remote.spans import Span
from fpcore.storage.flat_tensor import FlatTensor

__all__ = ["RemoteGguf"]


class RemoteGguf(OnTheHub, GgufCheckpoint):
    """One GGUF file on the hub, or all parts of a split one.

    Parameters
    ----------
    name : str
    folder : RemoteFolder
    path : pathlib.Path
        Of the file, or of one of its parts, in the folder.
    """

    side_by_side = False

    def __init__(self, name: str, folder: RemoteFolder, path: Path) -> None:
        self.folder = folder
        self._parts = [part.relative_to(folder.path).as_posix() for part in parts_of(path)]
        self.fetch_headers()
        self._headers = True
        GgufCheckpoint.__init__(self, path, name=name)
        self.path = None  # its file has holes: nobody opens it by its path

    def fetch_headers(self) -> None:  # noqa: D102
        for part in self._parts:
            try:
                read_gguf_header(stream_of(self.folder, part))
            except ValueError as error:
                raise BadCheckpoint(
                    f"{self.folder.path / part}: not a readable GGUF file ({error}); fetch it again"
                ) from error

    def close_files(self) -> None:  # noqa: D102
        self.__dict__.pop("files", None)

    def spans(self, name: str) -> dict[str, list[Span]]:  # noqa: D102
        place = self._places[name]
        return self._bytes_of(place, place.expert)

    def _bytes_of(self, place: Place, index: int | None) -> dict[str, list[Span]]:
        """The bytes of a tensor, or of one of its parts along the first axis, with the scale beside it."""
        found: dict[str, list[Span]] = {}
        scale = f"{place.name.removesuffix('.weight')}.scale"
        for stored in {place.name, scale} & set(self.files.tensors):
            tensor = self.files.tensors[stored]
            begin, length = int(tensor.data_offset), int(tensor.n_bytes)
            if index is not None and stored == place.name:
                length //= int(tensor.shape[-1])
                begin += index * length
            file = self.files.files[stored].relative_to(self.folder.path).as_posix()
            found.setdefault(file, []).append((begin, begin + length))
        return found

    @property
    def weights(self) -> Sequence[str]:  # noqa: D102
        return self._parts

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        self.prefetch([name])
        return super().flat(name)

    def _array(self, place: Place, index: int | None) -> NDArray[np.generic]:
        with explained(self.name, self.folder):
            self.ready()
            self.folder.fetch(self._bytes_of(place, index))
        return super()._array(place, index)

    @cached_property
    def digest(self) -> str:  # noqa: D102
        with explained(self.name, self.folder):
            digests = [bytes.fromhex(self.folder.sha256(part)) for part in self._parts]
        return hashlib.sha256(b"gguf" + b"".join(digests)).hexdigest()
