"""A cluster that is killed at any moment: what a client was told is there when it comes up again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.errors import FastDFSError
from fdfs_storage.fastdfs.file_id import FileId

from .scripts import ROOT

UPLOADS, THREADS = 1000, 8
PATIENCE_SECONDS = 60

_CLUSTER = """
import ast, sys
from fdfs_storage.devserver import EmbeddedCluster
with EmbeddedCluster(sys.argv[1], **ast.literal_eval(sys.argv[2])) as cluster:
    print(*cluster.trackers, flush=True)
    sys.stdin.read()
"""
Shape = dict[str, Any]


@contextlib.contextmanager
def running(folder: Path, shape: Shape) -> Iterator[tuple[int, list[str]]]:
    """Run a cluster in a process of its own; gives its number, and the addresses of the trackers."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _CLUSTER, str(folder), repr(shape)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield process.pid, process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


def content_of(number: int) -> bytes:
    """Return the same content for each two uploads; some come in many pieces."""
    return f"{number // 2:08}".encode() * (65_000 if number % 10 < 2 else 100)


class Uploads:
    """Threads that upload until the cluster is gone; it goes when so many uploads were answered."""

    def __init__(self, client: Client, victim: int, deadly: int) -> None:
        self.answered: dict[FileId, bytes] = {}
        self._client = client
        self._victim = victim
        self._deadly = deadly
        self._numbers = iter(range(UPLOADS))
        self._lock = threading.Lock()

    def run(self) -> None:
        threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)

    def _work(self) -> None:
        with contextlib.suppress(FastDFSError):
            while True:
                with self._lock:
                    number = next(self._numbers, None)
                if number is None:
                    return
                content = content_of(number)
                self._note(self._client.upload(content, "bin"), content)

    def _note(self, file_id: FileId, content: bytes) -> None:
        with self._lock:
            self.answered[file_id] = content
            if len(self.answered) == self._deadly:
                os.kill(self._victim, signal.SIGKILL)


SHAPES: list[Shape] = [
    {},
    {"storages": 2, "lag": 0.02},
    {"storages": 2, "lag": 0},
    {"groups": 2, "storages": 2, "store_paths": 2, "lag": 3600},
    {"dedupe": True},
]


@pytest.mark.parametrize("shape", SHAPES, ids=["one", "lag", "no-lag", "wide", "dedupe"])
def test_every_id_that_was_answered_is_there_after_a_kill(tmp_path: Path, shape: Shape) -> None:
    with running(tmp_path, shape) as (pid, trackers), Client(trackers) as client:
        uploads = Uploads(client, pid, UPLOADS // 2)
        uploads.run()

    with EmbeddedCluster(tmp_path, **shape) as cluster, Client(cluster.trackers) as client:
        assert UPLOADS // 2 <= len(uploads.answered) < UPLOADS
        for file_id, content in uploads.answered.items():
            assert client.download(file_id, verify="dedupe" not in shape) == content
        assert not leftovers(cluster)


@pytest.mark.parametrize("shape", SHAPES[1:4], ids=["lag", "no-lag", "wide"])
def test_replicas_have_every_id_that_was_answered_after_a_kill(tmp_path: Path, shape: Shape) -> None:
    with running(tmp_path, shape) as (pid, trackers), Client(trackers) as client:
        uploads = Uploads(client, pid, UPLOADS // 2)
        uploads.run()

    with EmbeddedCluster(tmp_path, **shape) as cluster:
        cluster.replicate()
        for file_id, content in uploads.answered.items():
            holders = [each.volume.path_of(str(file_id)) for each in cluster.storages]
            assert [path.read_bytes() for path in holders if path] == [content] * 2
        groups = {storage.group: names(storage.volume.files()) for storage in cluster.storages}
        assert all(names(each.volume.files()) == groups[each.group] for each in cluster.storages)


def names(files: Iterator[Path]) -> set[str]:
    return {path.name for path in files}


def leftovers(cluster: EmbeddedCluster) -> list[Path]:
    paths = [path for storage in cluster.storages for path in storage.volume.paths]
    return [left for path in paths for left in path.incoming.iterdir()]


def test_a_cluster_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    shape = {"storages": 2, "lag": 0.01}
    answered: dict[FileId, bytes] = {}
    for _ in range(4):
        with running(tmp_path, shape) as (pid, trackers), Client(trackers) as client:
            uploads = Uploads(client, pid, 60)
            uploads.run()
            answered |= uploads.answered

    with EmbeddedCluster(tmp_path, **shape | {"lag": 0}) as cluster:
        for file_id, content in answered.items():
            holders = [each.volume.path_of(str(file_id)) for each in cluster.storages]
            assert [path.read_bytes() for path in holders if path] == [content] * 2
