import gc
import io

import pytest
from PIL import Image

from fdfs_storage.storage import FastDFSStorage
from fdfs_storage.transactions import settle


@pytest.fixture(autouse=True)
def fdfs_settings(settings, cluster):
    """Point the project at the cluster under test."""
    settings.FDFS_TRACKERS = cluster.trackers
    settings.FDFS_BASE_URL = cluster.base_url or "http://127.0.0.1:8888"
    return settings


@pytest.fixture
def storage():
    return FastDFSStorage()


@pytest.fixture
def broken(embedded, settings):
    """The project on a cluster of the test's own, to be broken; short timeouts."""
    settings.FDFS_TRACKERS = embedded.trackers
    settings.FDFS_BASE_URL = embedded.base_url
    settings.FDFS_CONNECT_TIMEOUT = 2
    settings.FDFS_NETWORK_TIMEOUT = 5
    return embedded


@pytest.fixture
def picture():
    """A real JPEG of 320 x 200."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((320, 200)).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def files(broken):
    """Say which files the cluster has, and begin with a clean slate."""
    gc.collect()
    settle()

    def files():
        return {f"{broken.group}/M00{str(path).rpartition('/data')[2]}" for path in broken.volume.files()}

    return files
