"""Opening a model by its path or its id on the hub, whatever files it has."""

from __future__ import annotations

import re
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

__all__ = ["open_checkpoint"]

HUB_ID: Final = re.compile(r"^(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?$")


def open_checkpoint(
    path_or_id: str | Path,
    *,
    revision: str | None = None,
    name: str | None = None,
    tokenizer: str | Path | None = None,
    device: str = "cpu",
    memo: Memo | None = None,
    threads: int | None = None,
) -> Checkpoint:
    """Open a model: its headers are read and checked, no tensor is.

    Parameters
    ----------
    path_or_id : str or path
        A directory with ``config.json`` and weights (``*.safetensors``, ``pytorch_model*.bin`` or
        ``*.gguf``), one such file (its ``config.json`` beside it), an adapter (its ``adapter_config.json``
        names the base), or ``org/name[@revision]`` on the hub. What exists on disk is taken first.
    revision : str, optional
        Branch, tag or commit on the hub.
    name : str, optional
        What people see; the directory's name or the hub id otherwise.
    tokenizer : path, optional
        A ``tokenizer.json`` kept elsewhere than beside the weights.
    device : str
        Where metrics that run models run it: ``cpu``, ``cuda``, or one card such as ``cuda:1``.
    memo : Memo, optional
        Where large results such as forward passes are kept; give several models one to bound what they
        keep together. By default each model has one of its own.
    threads : int, optional
        Tensors that are read and measured at a time; no result depends on it. By default as many as
        ``OMP_NUM_THREADS`` says, else one a core.

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
        checkpoint = _find(path_or_id, revision, name, tokenizer)
    except (BadCheckpoint, NotComparable):
        raise
    except Exception as error:  # what readers of foreign files raise has no end; a user gets one line
        raise BadCheckpoint(
            f"{path_or_id}: cannot be opened ({first_line(error)}); fetch it again or convert it"
        ) from error
    checkpoint.device = device
    checkpoint.threads = usable_threads() if threads is None else threads
    if memo is not None:
        checkpoint.memo = memo
    return checkpoint


def _find(
    path_or_id: str | Path, revision: str | None, name: str | None, tokenizer: str | Path | None
) -> Checkpoint:
    text = str(path_or_id)
    if not text.strip():
        raise BadCheckpoint("no model is named; give a directory, a weights file or org/name[@revision]")
    path = Path(path_or_id).expanduser()
    if path.exists():
        if revision is not None:
            raise BadCheckpoint(f"{text}: a revision ({revision}) was asked for, but this is a local path")
        gguf = gguf_in(path)
        if gguf is not None:
            return open_gguf(gguf, name=name)
        adapter = adapter_file(path)
        if adapter is not None:
            return open_adapter(adapter, name, lambda base: _find(base, None, None, tokenizer))
        return LocalCheckpoint(path, name=name, tokenizer=tokenizer)
    matched = HUB_ID.match(text)
    if matched is None or isinstance(path_or_id, Path):
        raise BadCheckpoint(f"{text}: no such file or directory, and not of the form org/name[@revision]")
    return open_remote(matched["id"], revision or matched["revision"], name=name)
