"""How trackers choose, as tracker.conf tells them: PROTOCOL 4.6."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.store_path import Space
from fdfs_storage.fastdfs.protocol import Placement

from .wire import STORE, STORE_ALL, STORE_IN_GROUP, UPDATE, Wire, group

NAME = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000"


def placed(cluster: EmbeddedCluster, times: int, command: int = STORE, body: bytes = b"") -> list[Placement]:
    with Wire(cluster.trackers[0]) as tracker:
        return [Placement.unpack(tracker.ask(command, body).body) for _ in range(times)]


def groups(cluster: EmbeddedCluster, times: int = 4) -> list[str]:
    return [placement.group[-1] for placement in placed(cluster, times)]


def servers(cluster: EmbeddedCluster, times: int = 4) -> list[int]:
    ports = [storage.port for storage in cluster.storages]
    return [ports.index(place.address.port) for place in placed(cluster, times, STORE_IN_GROUP, group())]


def give(cluster: EmbeddedCluster, storage: int, *free_mb: int) -> None:
    """Let a storage have so much free space on each of its store paths."""
    for path, free in zip(cluster.storages[storage].volume.paths, free_mb, strict=True):
        path._space = lambda _path, free=free: Space(total_mb=1000, free_mb=free)  # type: ignore[misc]


# --- the group ----------------------------------------------------------------------------------


def test_groups_take_turns() -> None:
    with EmbeddedCluster(groups=3) as cluster:
        assert groups(cluster, 5) == ["1", "2", "3", "1", "2"]


def test_a_full_group_loses_its_turn() -> None:
    with EmbeddedCluster(groups=3) as cluster:
        cluster.storages[1].full = True

        assert groups(cluster) == ["1", "3", "1", "3"]


@pytest.mark.parametrize("store_server", [0, 1])
def test_one_group_takes_all_where_tracker_conf_names_it(store_server: int) -> None:
    with EmbeddedCluster(
        groups=3, store_lookup=1, store_group="group2", store_server=store_server
    ) as cluster:
        assert groups(cluster) == ["2"] * 4
        cluster.storages[1].full = True
        with Wire(cluster.trackers[0]) as tracker:
            assert tracker.ask(STORE).status == 28
            cluster.storages[1].read_only = True
            assert tracker.ask(STORE).status == 2


def test_the_group_with_the_most_room_takes_all_where_the_load_is_balanced() -> None:
    with EmbeddedCluster(groups=3, store_lookup=2) as cluster:
        for storage, free in enumerate((10, 30, 20)):
            give(cluster, storage, free)
        assert groups(cluster) == ["2"] * 4

        give(cluster, 1, 5)
        assert groups(cluster) == ["3"] * 4
        cluster.storages[2].read_only = True
        assert groups(cluster) == ["1"] * 4


def test_a_group_has_the_room_of_its_fullest_storage() -> None:
    with EmbeddedCluster(groups=2, storages=2, store_lookup=2) as cluster:
        for storage, free in enumerate((10, 99, 20, 30)):
            give(cluster, storage, free)

        assert groups(cluster) == ["2"] * 4


@pytest.mark.parametrize("store_lookup", [0, 2])
@pytest.mark.parametrize(("mood", "status"), [("read_only", 2), ("full", 28)])
def test_where_no_group_takes_files_the_status_tells_why(store_lookup: int, mood: str, status: int) -> None:
    with (
        EmbeddedCluster(groups=2, store_lookup=store_lookup) as cluster,
        Wire(cluster.trackers[0]) as tracker,
    ):
        for storage in cluster.storages:
            setattr(storage, mood, True)

        assert [tracker.ask(command).status for command in (STORE, STORE_ALL)] == [status] * 2


# --- the server ---------------------------------------------------------------------------------


def test_servers_take_turns() -> None:
    with EmbeddedCluster(storages=3) as cluster:
        assert servers(cluster, 5) == [0, 1, 2, 0, 1]
        cluster.storages[1].read_only = True
        assert sorted(servers(cluster)) == [0, 0, 2, 2]


@pytest.mark.parametrize("store_server", [1, 2])
def test_the_first_server_takes_all_where_tracker_conf_says_so(store_server: int) -> None:
    with EmbeddedCluster(storages=3, store_server=store_server) as cluster:
        assert servers(cluster) == [0] * 4
        cluster.storages[0].read_only = True
        assert servers(cluster) == [1] * 4


def test_a_file_of_an_unknown_source_is_changed_by_any_server_in_turn() -> None:
    with EmbeddedCluster(storages=2) as cluster, Wire(cluster.trackers[0]) as tracker:
        named = {tracker.ask(UPDATE, group() + NAME.replace(b"fwAAAW", b"AQIDBG")).body for _ in range(4)}

    assert len(named) == 2


# --- the store path -----------------------------------------------------------------------------


def test_the_path_with_the_most_room_takes_all_where_the_load_is_balanced() -> None:
    with EmbeddedCluster(store_paths=3, store_path=2) as cluster:
        give(cluster, 0, 10, 30, 20)
        assert [place.store_path for place in placed(cluster, 3)] == [1, 1, 1]

        give(cluster, 0, 30, 30, 20)
        assert [place.store_path for place in placed(cluster, 3)] == [1, 1, 1]
        give(cluster, 0, 31, 30, 20)
        assert [place.store_path for place in placed(cluster, 3)] == [0, 0, 0]


def test_each_path_keeps_its_share_of_the_reserve(tmp_path: Path) -> None:
    with EmbeddedCluster(store_paths=2) as cluster:
        give(cluster, 0, 10, 30)
        cluster.volume.reserved_mb = 20

        assert [place.store_path for place in placed(cluster, 3)] == [1, 1, 1]
