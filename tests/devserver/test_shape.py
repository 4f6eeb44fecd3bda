"""What a cluster consists of: the arguments of EmbeddedCluster, and folders of another shape."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from fdfs_storage.devserver import EmbeddedCluster, PortError

from .wire import Wire


def members(cluster: EmbeddedCluster) -> list[tuple[str, str, str]]:
    return [(storage.group, storage.id, storage.host) for storage in cluster.storages]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({}, [("group1", "127.0.0.1", "127.0.0.1")]),
        ({"group": "photos"}, [("photos", "127.0.0.1", "127.0.0.1")]),
        ({"host": "127.0.0.9"}, [("group1", "127.0.0.9", "127.0.0.9")]),
        ({"groups": 2}, [("group1", "100001", "127.0.0.1"), ("group2", "110001", "127.0.0.1")]),
        ({"storages": 2}, [("group1", "100001", "127.0.0.1"), ("group1", "100002", "127.0.0.1")]),
        ({"groups": ["b", "a"]}, [("b", "100001", "127.0.0.1"), ("a", "110001", "127.0.0.1")]),
        ({"groups": {"a": 2, "b": 1}}, [("a", "100001"), ("a", "100002"), ("b", "110001")]),
        (
            {"groups": 2, "storage_hosts": ["127.0.0.21", "127.0.0.31"]},
            [("group1", "127.0.0.21", "127.0.0.21"), ("group2", "127.0.0.31", "127.0.0.31")],
        ),
        (
            {"storages": 3, "storage_hosts": ["127.0.0.21", "127.0.0.22", "127.0.0.21"]},
            [("group1", "100001", "127.0.0.21"), ("group1", "100002", "127.0.0.22"), ("group1", "100003")],
        ),
    ],
)
def test_the_storages_are_those_that_were_asked_for(
    shape: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    with EmbeddedCluster(**shape) as cluster:
        found = members(cluster)

        for storage in cluster.storages:
            for server in (storage, storage.http_server):
                with Wire(server.address):
                    pass

    assert [each[: len(wanted)] for each, wanted in zip(found, expected, strict=True)] == expected


def test_the_first_storage_is_also_the_clusters_own() -> None:
    with EmbeddedCluster(groups=["photos", "films"], storages=2) as cluster:
        first = cluster.storages[0]

        assert cluster.storage_server is first
        assert (cluster.volume, cluster.http_server) == (first.volume, first.http_server)
        assert (cluster.group, cluster.storage_port) == ("photos", first.port)
        assert (cluster.base_url, cluster.http_port) == (first.base_url, first.http_server.port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 0}, "groups is a number from 1 to 512"),
        ({"groups": 513}, "groups is a number from 1 to 512"),
        ({"groups": True}, "groups is a number, a list of names"),
        ({"groups": "group1"}, "groups is a number, a list of names"),
        ({"groups": None}, "groups is a number, a list of names"),
        ({"groups": []}, "a cluster has 1 to 512 groups, not 0"),
        ({"groups": {}}, "a cluster has 1 to 512 groups, not 0"),
        ({"groups": ["a", "a"]}, "a group is named twice: a, a"),
        ({"groups": ["a", "b c"]}, "not a group name"),
        ({"groups": [1]}, "not a group name"),
        ({"group": "no/group"}, "not a group name"),
        ({"group": "a", "groups": 2}, "name several with groups="),
        ({"group": "a", "groups": ["b"]}, "name several with groups="),
        ({"groups": {"a": 0}}, "the number of storages of a is a number from 1 to 32"),
        ({"groups": {"a": 1}, "storages": 2}, "leave storages out"),
        ({"storages": 0}, "storages is a number from 1 to 32"),
        ({"storages": 33}, "storages is a number from 1 to 32"),
        ({"storages": 1.5}, "storages is a number from 1 to 32"),
        ({"store_paths": 0}, "store_paths is a number from 1 to 256"),
        ({"store_paths": 257}, "store_paths is a number from 1 to 256"),
        ({"trackers": 0}, "trackers is a number from 1 to 16"),
        ({"trackers": 17}, "trackers is a number from 1 to 16"),
        ({"storage_hosts": "127.0.0.1"}, "an address for each of the 1 storages"),
        ({"storages": 2, "storage_hosts": ["127.0.0.1"]}, "an address for each of the 2 storages"),
        ({"storage_hosts": ["10.0.0.1"]}, "not a loopback address"),
        ({"storage_hosts": ["localhost"]}, "must be an IPv4 address"),
        ({"trackers": 2, "wide": [True]}, "a value for each of the 2 trackers"),
        ({"tracker_port": -1}, "tracker_port is a port"),
        ({"storage_port": 65536}, "storage_port is a port"),
        ({"http_port": "8888"}, "http_port is a port"),
        ({"storage_port": 65535, "storages": 2}, "choose a lower one"),
        ({"lag": -1}, "lag is a number of seconds"),
        ({"lag": float("nan")}, "lag is a number of seconds"),
        ({"lag": "1"}, "lag is a number of seconds"),
        ({"timeout": 0}, "timeout is more than 0 seconds"),
        ({"check_active_interval": 0}, "check_active_interval is more than 0 seconds"),
        ({"store_lookup": 3}, r"store_lookup is one of 0 \(round robin\), 1"),
        ({"store_lookup": True}, "store_lookup is one of"),
        ({"store_lookup": 1}, "store_lookup=1 with a store_group"),
        ({"store_group": "group1"}, "store_group goes with store_lookup=1"),
        ({"store_lookup": 1, "store_group": "group9"}, "store_group is one of the groups, group1"),
        ({"store_server": 3}, "store_server is one of"),
        ({"store_path": 1}, "store_path is one of"),
        ({"download_server": 2}, "download_server is one of"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddedCluster(**arguments)


def test_each_tracker_has_the_width_that_it_was_given() -> None:
    with EmbeddedCluster(trackers=3, wide=[False, True, False]) as cluster:
        lengths = []
        for address in cluster.trackers:
            with Wire(address) as tracker:
                lengths.append(len(tracker.ask(101).body))

    assert lengths == [40, 70, 40]


def test_further_servers_take_the_ports_that_follow() -> None:
    with EmbeddedCluster(storages=2) as cluster:
        port = max(storage.port for storage in cluster.storages)

    cluster = EmbeddedCluster(storages=2, storage_port=port)
    with contextlib.suppress(PortError):  # another program may have the next one
        cluster.start()
        assert [storage.port for storage in cluster.storages] == [port, port + 1]
    cluster.stop()


def test_all_servers_start_again_on_the_same_ports() -> None:
    cluster = EmbeddedCluster(groups=2, storages=2, trackers=2)
    places = []
    for _ in range(2):
        with cluster:
            https = [storage.http_server.address for storage in cluster.storages]
            places.append((cluster.trackers, [storage.address for storage in cluster.storages], https))

    assert places[0] == places[1]


# --- folders ------------------------------------------------------------------------------------


def test_one_storage_with_one_store_path_keeps_its_files_in_the_folder_itself(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path) as cluster, Wire(cluster.storages[0].address) as storage:
        name = storage.store(b"meow").decode()

    assert (tmp_path / "data" / name.removeprefix("M00/")).read_bytes() == b"meow"


def test_several_have_folders_of_their_own(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path, groups=2, storages=2, store_paths=2) as cluster:
        paths = [storage.volume.paths[1].data for storage in cluster.storages]

    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "group1/100001/store_path1/data",
        "group1/100002/store_path1/data",
        "group2/110001/store_path1/data",
        "group2/110002/store_path1/data",
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"storages": 2}, "one storage with one store path"),
        ({}, {"store_paths": 2}, "one storage with one store path"),
        ({"storages": 2}, {}, "group1: 100001, 100002"),
        ({"storages": 3}, {"storages": 2}, "group1: 100001, 100002, 100003"),
        ({"groups": 3}, {"groups": 2}, "group3: 120001"),
        ({"store_paths": 3}, {"store_paths": 2}, "storages with 3 store path"),
        ({"groups": ["a", "b"]}, {"groups": ["b", "a"]}, "a: 100001; b: 110001"),
        (
            {"storages": 2, "storage_hosts": ["127.0.0.1", "127.0.0.2"]},
            {"storages": 2},
            "group1: 127.0.0.1, 127.0.0.2",
        ),
    ],
)
def test_a_folder_of_another_shape_is_refused(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    with EmbeddedCluster(tmp_path, **before):
        pass

    with pytest.raises(ValueError, match=message) as refused:
        EmbeddedCluster(tmp_path, **after).start()

    assert "start the cluster in that shape, or choose another folder" in str(refused.value)
    with EmbeddedCluster(tmp_path, **before):
        pass


@pytest.mark.parametrize("more", [{"groups": 3}, {"storages": 3}, {"store_paths": 2}])
def test_a_cluster_grows_and_keeps_its_files(tmp_path: Path, more: dict[str, int]) -> None:
    shape = {"groups": 2, "storages": 2, "store_paths": 1}
    with EmbeddedCluster(tmp_path, **shape) as cluster, Wire(cluster.storages[0].address) as storage:
        name = storage.store(b"meow")

    with EmbeddedCluster(tmp_path, **shape | more, lag=3600) as cluster:
        holders = [each for each in cluster.storages if each.volume.path_of(f"group1/{name.decode()}")]

    assert len(holders) == more.get("storages", 2)


@pytest.mark.parametrize("note", ["", "{", "[]", "null"])
def test_a_damaged_note_of_the_shape_costs_no_files(tmp_path: Path, note: str) -> None:
    with EmbeddedCluster(tmp_path, storages=2) as cluster, Wire(cluster.storages[0].address) as storage:
        name = storage.store(b"meow").decode()
    (tmp_path / "cluster.json").write_text(note)

    with EmbeddedCluster(tmp_path, storages=2) as cluster:
        assert cluster.volume.path_of(f"group1/{name}")


def test_two_clusters_of_several_storages_never_share_a_folder(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path, storages=2), pytest.raises(BlockingIOError, match="keeps its files in"):
        EmbeddedCluster(tmp_path, storages=2).start()
