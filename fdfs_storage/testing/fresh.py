"""A cluster that is the same after a test as before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fdfs_storage.devserver import EmbeddedCluster


@contextmanager
def fresh(cluster: EmbeddedCluster) -> Iterator[None]:
    """Remove the files that were stored meanwhile, start what was stopped, forget faults and moods.

    FastDFS cannot list files and has no folders to keep tests apart, so this looks at the cluster's own
    disk: files that were there before stay, whoever stored them.
    """
    before, moods, lag = _files(cluster), _moods(cluster), cluster.lag
    try:
        yield
    finally:
        _mend(cluster, moods)
        cluster.lag = lag
        cluster.replicate()  # what is still on its way would arrive in the next test
        for path in _files(cluster) - before:
            path.unlink(missing_ok=True)


def _mend(cluster: EmbeddedCluster, moods: list[tuple[bool, bool]]) -> None:
    cluster.start()
    for tracker in cluster.tracker_servers:
        tracker.start()
        tracker.forget_faults()
    for storage, (read_only, full) in zip(cluster.storages, moods, strict=True):
        storage.start()
        storage.http_server.start()
        storage.forget_faults()
        storage.read_only, storage.full = read_only, full


def _moods(cluster: EmbeddedCluster) -> list[tuple[bool, bool]]:
    return [(storage.read_only, storage.full) for storage in cluster.storages]


def _files(cluster: EmbeddedCluster) -> set[Path]:
    return {path for storage in cluster.storages for path in storage.volume.files()}
