"""Opening a model by its path or its id on the hub, whatever files it has."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fpcore.checkpoints.adapter import adapter_file, open_adapter
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.gguf_file import gguf_in, open_gguf
from fpcore.checkpoints.hub import open_remote
from fpcore.checkpoints.local_files import LocalCheckpoint
from fpcore.device import check_device, usable_threads
from fpcore.errors import BadCheckpoint, NotComparable, first_line
from fpcore.memo import Memo
from fpcore.remote.folder import Fetching
from fpcore.sampling import Sample

__all__ = ["open_checkpoint"]

HUB_ID: Final = re.compile(
    r"^(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?(?::(?P<file>[\w./-]+))?$"
)


def open_checkpoint(
    path_or_id: str | Path,
    *,
    revision: str | None = None,
    name: str | None = None,
    tokenizer: str | Path | None = None,
    device: str = "cpu",
    memo: Memo | None = None,
    threads: int | None = None,
    sample: Sample | None = None,
    fetching: Fetching | None = None,
) -> Checkpoint:
    """Open a model: its headers are read and checked, no tensor is.

    Parameters
    ----------
    path_or_id : str or path
        A directory with ``config.json`` and weights (``*.safetensors``, ``pytorch_model*.bin`` or
        ``*.gguf``), one such file (its ``config.json`` beside it), an adapter (its ``adapter_config.json``
        names the base), or ``org/name[@revision][:file]`` on the hub, where `file` names one of several
        GGUF files or the ending of its name, such as ``Q4_K_M``. What exists on disk is taken first.
    revision : str, optional
        Branch, tag or commit on the hub.
    name : str, optional
        What people see; the directory's name or the hub id otherwise.
    tokenizer : path, optional
        A ``tokenizer.json`` kept elsewhere than beside the weights; a model on the hub has its own.
    device : str
        Where metrics that run models run it: ``cpu``, ``cuda``, or one card such as ``cuda:1``.
    memo : Memo, optional
        Where large results such as forward passes are kept; give several models one to bound what they
        keep together. By default each model has one of its own.
    threads : int, optional
        Tensors or layers that are worked on at a time; no result depends on it. By default as many as
        ``OMP_NUM_THREADS`` says, else one a core.
    sample : Sample, optional
        Have metrics of whole matrices read a part of its layers; their scores are then an `Estimate`.
    fetching : Fetching, optional
        What becomes of bytes that come from the hub; by default they go with the checkpoint.

    Returns
    -------
    Checkpoint

    Raises
    ------
    NoDevice
        There is no such device on this machine.
    BadCheckpoint
        One line: what is wrong, where, and what to do.

    Examples
    --------
    >>> import fpcore
    >>> model = fpcore.open_checkpoint("models/child", name="my model")
    >>> model
    LocalCheckpoint('my model')
    >>> model.device, len(model.tensors)
    ('cpu', 39)
    >>> fpcore.open_checkpoint("nowhere")
    Traceback (most recent call last):
        ...
    fpcore.errors.BadCheckpoint: nowhere: no such file or directory, and not of the form org/name[@revision]
    """
    check_device(device)
    try:
        checkpoint = _find(path_or_id, revision, name, tokenizer, fetching)
    except (BadCheckpoint, NotComparable):
        raise
    except Exception as error:  # what readers of foreign files raise has no end; a user gets one line
        raise BadCheckpoint(
            f"{path_or_id}: cannot be opened ({first_line(error)}); fetch it again or convert it"
        ) from error
    checkpoint.device, checkpoint.sample = device, sample
    checkpoint.threads = usable_threads() if threads is None else threads
    if memo is not None:
        checkpoint.memo = memo
    return checkpoint


def _find(
    path_or_id: str | Path,
    revision: str | None,
    name: str | None,
    tokenizer: str | Path | None,
    fetching: Fetching | None,
) -> Checkpoint:
    text = str(path_or_id)
    if not text.strip():
        raise BadCheckpoint("no model given; give a directory, a weights file or org/name[@revision]")
    path = Path(path_or_id).expanduser()
    if path.exists():
        if revision is not None:
            raise BadCheckpoint(f"{text}: a revision ({revision}) was requested, but this is a local path")
        return _open_local(path, name, lambda base: _find(base, None, None, tokenizer, fetching), tokenizer)
    if isinstance(path_or_id, Path) or HUB_ID.match(text) is None:
        raise BadCheckpoint(f"{text}: no such file or directory, and not of the form org/name[@revision]")
    if tokenizer is not None:
        raise BadCheckpoint(
            f"{text}: a tokenizer ({tokenizer}) was given, but a model on the hub is read with its own; "
            "download the model to read it with another"
        )
    return _open_remote(text, revision, name, fetching)


def _open_local(
    path: Path,
    name: str | None,
    open_base: Callable[[str], Checkpoint],
    tokenizer: str | Path | None = None,
) -> Checkpoint:
    gguf = gguf_in(path)
    if gguf is not None:
        return open_gguf(gguf, name=name, tokenizer=tokenizer)
    adapter = adapter_file(path)
    if adapter is not None:
        return open_adapter(adapter, name, open_base)
    return LocalCheckpoint(path, name=name, tokenizer=tokenizer)


def _open_remote(text: str, revision: str | None, name: str | None, fetching: Fetching | None) -> Checkpoint:
    matched = HUB_ID.match(text)
    if matched is None:
        raise BadCheckpoint(f"{text}: not of the form org/name[@revision]")

    def open_base(base: str) -> Checkpoint:
        # What a stranger's file names is never taken for a path on this machine.
        return _open_remote(base, None, None, fetching)

    return open_remote(
        matched["id"],
        revision or matched["revision"],
        open_local=lambda path, shown: _open_local(path, shown, open_base),
        open_base=open_base,
        file=matched["file"],
        name=name,
        fetching=fetching,
    )
