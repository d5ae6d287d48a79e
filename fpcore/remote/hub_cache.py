"""The hub's own cache on this machine: files that are in it are used, files that are kept go into it.

Its layout is that of huggingface_hub: ``models--org--name/blobs/DIGEST``, links to them in
``snapshots/COMMIT/``, and ``refs/REVISION`` with the commit.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fpcore.remote.repository import COMMIT, Repository, RepositoryFile

__all__ = ["cached_file", "keep_file", "keep_revision"]


def repository_folder(repository: Repository) -> Path:
    """Where the cache keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository.id, repo_type="model")


def cached_file(repository: Repository, file: RepositoryFile) -> Path | None:
    """The file in the cache, if it is there with all its length."""
    path = repository_folder(repository) / "snapshots" / repository.commit / file.name
    return path if path.is_file() and path.stat().st_size == file.size else None


def keep_file(repository: Repository, file: RepositoryFile, path: Path) -> Path:
    """Move a complete file whose digest was verified into the cache.

    Returns
    -------
    pathlib.Path
        Where the snapshot has it.
    """
    folder = repository_folder(repository)
    shown = folder / "snapshots" / repository.commit / file.name
    blob = folder / "blobs" / str(file.key)
    for parent in (shown.parent, blob.parent):
        parent.mkdir(parents=True, exist_ok=True)
    if blob.is_file():
        path.unlink()
    else:
        # By another name first: a copy to another disk that breaks off is no blob.
        beside = blob.with_name(f"{blob.name}.{os.getpid()}.moving")
        shutil.move(path, beside)
        os.replace(beside, blob)
    if not shown.is_file():
        shown.unlink(missing_ok=True)
        try:
            shown.symlink_to(os.path.relpath(blob, shown.parent))
        except OSError:  # a system without links: the cache then has files in their place
            shutil.move(blob, shown)
    return shown


def keep_revision(repository: Repository) -> None:
    """Note which commit the revision is, as the cache does for those that are not commits."""
    revision = repository.revision or "main"
    if COMMIT.fullmatch(revision):
        return
    refs = repository_folder(repository) / "refs"
    place = refs.joinpath(*revision.split("/"))
    if ".." in place.parts[len(refs.parts) :]:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(repository.commit, encoding="ascii")
