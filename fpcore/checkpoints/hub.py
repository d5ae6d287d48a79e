"""Models on the Hugging Face hub, measured without downloading them: headers first, then byte ranges.

The hub's usual settings count: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE. Files that are in its cache
are read from there. Files, layouts and digests are those of the same files on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from fpcore.checkpoints.adapter import adapter_file, open_adapter
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.gguf_reader import gguf_in
from fpcore.checkpoints.remote_files import RemoteCheckpoint, explained
from fpcore.checkpoints.remote_gguf import RemoteGguf
from fpcore.checkpoints.weights_files import OTHER_FORMATS, TORCH_FILES
from fpcore.errors import BadCheckpoint, first_line
from fpcore.remote.folder import Fetching, RemoteFolder
from fpcore.remote.repository import look_up
from fpcore.remote.requests import Unreachable
from fpcore.remote.traffic import Traffic

__all__ = ["open_remote"]

WEIGHTS: Final = frozenset({".safetensors", ".gguf", *TORCH_FILES, *OTHER_FORMATS})
SMALL: Final = ("config.json", "params.json", "adapter_config.json", "hf_quant_config.json")
INDEX: Final = ".index.json"
LONGEST_SMALL: Final = 1 << 28  # bytes; the longest index is a few million


def open_remote(
    repository: str,
    revision: str | None,
    *,
    open_local: Callable[[Path, str], Checkpoint],
    open_base: Callable[[str], Checkpoint],
    file: str | None = None,
    name: str | None = None,
    fetching: Fetching | None = None,
) -> Checkpoint:
    """Open a model on the hub: its config and headers are fetched, no tensor is.

    Parameters
    ----------
    repository : str
        ``org/name``.
    revision : str or None
        Branch, tag or commit; the default branch otherwise. It is resolved to a commit at once.
    open_local : callable
        Opens a path under a name: the copy in the hub's cache, where nobody answers.
    open_base : callable
        Opens the base that an adapter names, by its id.
    file : str, optional
        One file of several models in the repository, such as one of its GGUF files, or an ending of its name.
    name : str, optional
        What people see; ``org/name[@revision]`` otherwise.
    fetching : Fetching, optional
        What becomes of the bytes.

    Raises
    ------
    BadCheckpoint
        There is no such model or revision, it is gated, the hub cannot be reached and its cache does not
        hold the model, or it has no weights that can be read.
    """
    shown = name or "".join([repository, f"@{revision}" if revision else "", f":{file}" if file else ""])
    fetching = fetching or Fetching()
    traffic = Traffic(shown, fetching.log)
    try:
        with explained(shown):
            listing = look_up(repository, revision, traffic)
    except Unreachable as error:
        return from_cache(repository, revision, file, shown, error, open_local)
    folder = RemoteFolder(listing, fetching, traffic)
    with explained(shown, folder):
        one = None if file is None else named_file(list(listing.files), file, shown)
        prepare(folder, shown)
        path = folder.path if one is None else folder.path / one
        if (gguf := gguf_in(path)) is not None:
            return RemoteGguf(shown, folder, gguf)
        if (adapter := adapter_file(path)) is not None:
            folder.whole(adapter.relative_to(folder.path).as_posix())
            opened = open_adapter(adapter, shown, open_base)
            opened.remembered("folder", lambda: folder)  # its files stay as long as it does
            return opened
        if not {"config.json", "params.json"} & set(listing.files):
            raise BadCheckpoint(f"{shown}: no config.json on the hub; is it a model in transformers' layout?")
        return RemoteCheckpoint(shown, folder, path)


def prepare(folder: RemoteFolder, shown: str) -> None:
    """Fetch the small files that say what the others are; those are laid out as holes."""
    files = folder.repository.files
    small = [name for name in files if name in SMALL or ("/" not in name and name.endswith(INDEX))]
    for name in small:
        if files[name].size > LONGEST_SMALL:
            raise BadCheckpoint(
                f"{shown}: {name} has {files[name].size} bytes, too large for a settings file"
            )
    folder.whole(*small)
    for name in files:
        if PurePosixPath(name).suffix in WEIGHTS:
            folder.file(name)


def named_file(files: list[str], wanted: str, shown: str) -> str:
    """The file of a repository that somebody means by its name, or by an ending such as ``Q4_K_M``."""
    if wanted in files:
        return wanted
    weights = [name for name in files if PurePosixPath(name).suffix in WEIGHTS]
    found = [name for name in weights if PurePosixPath(name).stem.lower().endswith(wanted.lower())]
    if len(found) != 1:
        some = ", ".join(sorted(found or weights)[:5]) or "none"
        raise BadCheckpoint(
            f"{shown}: {len(found)} files on the hub are called {wanted}; name one of them ({some})"
        )
    return found[0]


def from_cache(
    repository: str,
    revision: str | None,
    file: str | None,
    shown: str,
    error: Exception,
    open_local: Callable[[Path, str], Checkpoint],
) -> Checkpoint:
    """The model from the hub's cache alone, where the hub cannot be reached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        path = folder if file is None else folder / named_file(names, file, shown)
        return open_local(path, shown)
    except (LocalEntryNotFoundError, BadCheckpoint) as missing:
        raise BadCheckpoint(
            f"{shown}: no such local path; the hub cannot be reached ({first_line(error)}) and its cache "
            "does not hold the whole model"
        ) from missing
