from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster

from .wire import Wire


@pytest.fixture
def storage(embedded: EmbeddedCluster) -> Iterator[Wire]:
    """A connection to the storage."""
    with Wire(embedded.storage_server.address) as wire:
        yield wire


@pytest.fixture
def tracker(embedded: EmbeddedCluster) -> Iterator[Wire]:
    """A connection to the tracker."""
    with Wire(embedded.trackers[0]) as wire:
        yield wire


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """Two storages; nothing is passed on unless the test says so."""
    with EmbeddedCluster(tmp_path, storages=2, store_paths=2, lag=3600) as pair:
        yield pair


@pytest.fixture
def first(pair: EmbeddedCluster) -> Iterator[Wire]:
    """A connection to one of the pair."""
    with Wire(pair.storages[0].address) as wire:
        yield wire


@pytest.fixture
def second(pair: EmbeddedCluster) -> Iterator[Wire]:
    """A connection to the other."""
    with Wire(pair.storages[1].address) as wire:
        yield wire


@pytest.fixture(autouse=True)
def _nothing_half_received(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the storage, no part of an upload is left when that has stopped."""
    if "embedded" not in request.fixturenames:
        yield
        return
    embedded: EmbeddedCluster = request.getfixturevalue("embedded")
    yield
    embedded.storage_server.stop()
    incoming = embedded.data / "data" / ".incoming"
    assert not incoming.exists() or not list(incoming.iterdir())
