"""Where a cluster's files lie.

One storage with one store path has `<data>/data/HH/HH/<name>`, like a FastDFS whose base_path is its store
path. Any more have folders of their own: `<data>/<group>/<id>/store_path<N>/data/HH/HH/<name>`, where `<id>`
is the server id or the address, with `<data>/<group>/<id>` as base_path. What such a folder was made for
is noted in `<data>/cluster.json`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .folder_lock import FolderLock
from .shape import Shape, StoragePlan
from .state_file import StateFile

_NOTE = "cluster.json"


class Layout:
    """The folders of one cluster, which are its own from `open()` to `close()`."""

    def __init__(self, data: Path, shape: Shape) -> None:
        self._data = data
        self._shape = shape
        self._lock = FolderLock(data)

    def open(self) -> None:
        """Take the folder; raise ValueError where it holds another cluster's files than these would be."""
        self._data.mkdir(parents=True, exist_ok=True)
        note = self._data / _NOTE
        if self._shape.is_plain:  # its one storage locks the same folder
            if note.exists():
                raise ValueError(
                    f"{self._data} holds the files of {_described(StateFile(note).load())}: {_REMEDY}"
                )
            return
        self._lock.take()
        try:
            self._check(StateFile(note))
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        self._lock.release()

    def abandon(self) -> None:
        """As FolderLock.abandon."""
        self._lock.abandon()

    def base(self, storage: StoragePlan) -> Path:
        """Return what FastDFS calls base_path."""
        return self._data if self._shape.is_plain else self._data / storage.group / storage.id

    def store_paths(self, storage: StoragePlan) -> list[Path]:
        base = self.base(storage)
        if self._shape.is_plain:
            return [base]
        return [base / f"store_path{index}" for index in range(self._shape.store_paths)]

    def _check(self, note: StateFile) -> None:
        wanted, known = _noted(self._shape), note.load()
        if not known and (self._data / "data").exists():
            raise ValueError(f"{self._data} holds the files of one storage with one store path: {_REMEDY}")
        if known and not _covers(wanted, known):
            raise ValueError(f"{self._data} holds the files of {_described(known)}: {_REMEDY}")
        if wanted != known:
            note.save(wanted)


_REMEDY = "start the cluster in that shape, or choose another folder"


def _noted(shape: Shape) -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    for storage in shape.storages:
        groups.setdefault(storage.group, []).append(storage.id)
    return {"groups": groups, "store_paths": shape.store_paths}


def _covers(wanted: dict[str, Any], known: dict[str, Any]) -> bool:
    """Say whether nothing is missing: a cluster may get more groups, storages and store paths."""
    groups = wanted["groups"]
    return wanted["store_paths"] >= known.get("store_paths", 1) and all(
        set(storages) <= set(groups.get(group, ())) for group, storages in known.get("groups", {}).items()
    )


def _described(known: dict[str, Any]) -> str:
    groups = "; ".join(
        f"{group}: {', '.join(storages)}" for group, storages in known.get("groups", {}).items()
    )
    return f"storages with {known.get('store_paths', 1)} store path(s) each ({groups})"
