"""A cluster of several storages comes up, goes down and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster, PortError

from . import scripts
from .test_cluster import descriptors
from .wire import UPLOAD, Wire, packet, upload

SHAPE = {"groups": 2, "storages": 2, "store_paths": 2, "trackers": 2, "dedupe": True}


def test_nothing_is_left_of_a_stopped_cluster() -> None:
    before = descriptors(), threading.active_count()

    with EmbeddedCluster(**SHAPE, lag=3600) as cluster, Wire(cluster.storages[2].address) as busy:
        with Wire(cluster.storages[0].address) as storage:
            storage.store(b"meow")
        busy.sendall(packet(UPLOAD, upload(b"x", size=99), length=114))
        cluster.stop()
        assert busy.ends()

    assert not cluster.data.exists()
    assert descriptors() <= before[0]
    assert threading.active_count() <= before[1]


def test_a_taken_port_leaves_nothing_running_and_the_folder_free(tmp_path: Path) -> None:
    before = descriptors(), threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"the tracker cannot listen on 127.0.0.1:{port}"):
            EmbeddedCluster(tmp_path, storages=2, tracker_port=port).start()

    assert descriptors() <= before[0]
    assert threading.active_count() <= before[1]
    with EmbeddedCluster(tmp_path, storages=2):
        pass


def test_a_cluster_that_is_stopped_in_the_middle_of_a_copy_leaves_no_part_of_it(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path, storages=2, lag=3600) as cluster:
        with Wire(cluster.storages[0].address) as storage:
            storage.store(bytes(64 << 20))
        cluster.lag = 1e-3  # the copy begins, and the cluster does not wait for it

    left = list(tmp_path.glob("**/.incoming/*"))
    replicas = list(cluster.storages[1].volume.files())
    assert not left
    assert [path.stat().st_size for path in replicas] in ([], [64 << 20])


@pytest.mark.parametrize("what", ["storage", "peer"])
def test_a_storage_that_is_stopped_in_the_middle_of_a_copy_gets_it_later(what: str) -> None:
    with EmbeddedCluster(storages=2, lag=3600) as cluster, Wire(cluster.storages[0].address) as storage:
        name = storage.store(bytes(64 << 20)).decode()
        cluster.lag = 1e-3
        stopped = cluster.storages[what == "peer"]
        stopped.stop()
        stopped.start()

        cluster.replicate()

        copy = cluster.storages[1].volume.path_of(f"group1/{name}")
        assert copy is not None
        assert copy.stat().st_size == 64 << 20


def test_a_forked_child_disturbs_nothing() -> None:
    assert scripts.run(FORKING) == ["child done", "replica: 2", "equal: 1"]


FORKING = """
import os, sys
from fdfs_storage.devserver import EmbeddedCluster
from tests.devserver.wire import Wire

cluster = EmbeddedCluster(storages=2, dedupe=True).start()
with Wire(cluster.storages[0].address) as storage:
    storage.store(b"meow")
if not os.fork():
    cluster.stop()
    print("child done", flush=True)
    sys.exit()
os.wait()
with Wire(cluster.storages[0].address) as storage:
    storage.store(b"meow")
files = list(cluster.storages[1].volume.files())
print("replica:", len([path for path in files if path.is_symlink()]))
print("equal:", len([path for path in files if not path.is_symlink()]))
cluster.stop()
"""
