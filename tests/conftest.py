"""What all tests share: a cluster, embedded by default, a real one where FDFS_TEST_TRACKERS names it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client
from fdfs_storage.fastdfs.protocol import Address, Command, Placement, Width

# A real cluster replicates after sync_binlog_buff_interval, 60 s where it is not set.
REPLICATION_SECONDS = 90
UNREADABLE = "fdfs-client-py3 cannot read these trackers, which is what it says"


@dataclass(frozen=True)
class ClusterUnderTest:
    """Where a cluster is, whatever it is made of."""

    trackers: list[str]
    base_url: str | None
    real: bool


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterUnderTest]:
    """The cluster that contract tests judge: it may be real, so a test may only ask what a client can."""
    named = [where for where in os.environ.get("FDFS_TEST_TRACKERS", "").split(",") if where.strip()]
    if named:
        yield ClusterUnderTest(named, os.environ.get("FDFS_TEST_BASE_URL"), real=True)
    else:
        # A larger one, for instance FDFS_TEST_SHAPE='{"groups": 2, "storages": 2, "lag": 1}'.
        shape = json.loads(os.environ.get("FDFS_TEST_SHAPE", "{}"))
        with EmbeddedCluster(**shape) as embedded:
            yield ClusterUnderTest(embedded.trackers, embedded.base_url, real=False)


@pytest.fixture(scope="session")
def narrow(cluster: ClusterUnderTest) -> bool:
    """Whether trackers answer with addresses of 16 bytes: fdfs-client-py3 reads no others."""
    with Client(cluster.trackers) as client:
        answer = client._cluster.trackers.ask(len, Command.QUERY_STORE_WITHOUT_GROUP_ONE)
    return answer == len(Placement("group1", Address("127.0.0.1", 1), 0).pack(Width.NARROW))


@pytest.fixture
def client(cluster: ClusterUnderTest) -> Iterator[Client]:
    with Client(cluster.trackers) as client:
        yield client


@pytest.fixture
def embedded() -> Iterator[EmbeddedCluster]:
    """A cluster of the test's own, to be broken."""
    with EmbeddedCluster() as embedded:
        yield embedded


def eventually(condition: Callable[[], bool], seconds: float = REPLICATION_SECONDS) -> bool:
    """Ask again until it holds; only for what a cluster does in its own time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.1)
    return True
