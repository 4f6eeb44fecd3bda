from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs import Client

from .site import Files, stored


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of nginx as Debian packs it (nginx-light)."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not binary:
        if os.environ.get("FDFS_REQUIRE_NGINX"):
            pytest.fail("FDFS_REQUIRE_NGINX is set, but there is no nginx")
        pytest.skip("no nginx here: install nginx-light to run this test")
    return binary


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def files(cluster: EmbeddedCluster) -> Files:
    """The URLs of some files of the cluster."""
    with Client(cluster.trackers) as client:
        return stored(client)


@pytest.fixture
def embedded_address(cluster: EmbeddedCluster) -> str:
    return cluster.http_server.address
