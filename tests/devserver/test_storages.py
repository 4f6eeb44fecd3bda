"""Several storages as clients and trackers see them: server ids, moods, store paths, HTTP."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.monitoring import StorageBrief, unpack_storage_records
from fdfs_storage.fastdfs.protocol import Placement
from fdfs_storage.fastdfs.statistics import Status, StorageStat, unpack_groups, unpack_storages

from .wire import (
    FETCH,
    FETCH_ALL,
    GROUP_NAME,
    INFO,
    LIST_ALL_GROUPS,
    LIST_STORAGE,
    PARAMETERS,
    SERVER_ID,
    SLAVE,
    STORAGE_IDS,
    STORAGE_STAT,
    STORAGE_STATUS,
    STORE,
    STORE_ALL_IN_GROUP,
    STORE_IN_GROUP,
    UPDATE,
    UPLOAD,
    Answer,
    Wire,
    group,
    slave,
    upload,
)

HOSTS = ["127.0.0.21", "127.0.0.22", "127.0.0.31"]


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """Two storages in group1, one in group2, all on one host: they have server ids."""
    with EmbeddedCluster(groups={"group1": 2, "group2": 1}) as cluster:
        yield cluster


def ask(address: str, command: int, body: bytes = b"") -> Answer:
    with Wire(address) as wire:
        return wire.ask(command, body)


def store(address: str, content: bytes = b"meow", *, path: int = 0, ext: str = "jpg") -> FileId:
    answer = ask(address, UPLOAD, upload(content, ext, path=path))
    assert answer.status == 0
    return FileId.parse(f"{answer.body[:16].rstrip(bytes(1)).decode()}/{answer.body[16:].decode()}")


def listed(cluster: EmbeddedCluster, name: str = "group1") -> list[StorageStat]:
    return unpack_storages(ask(cluster.trackers[0], LIST_STORAGE, group(name)).body)


def places(cluster: EmbeddedCluster, command: int, body: bytes) -> list[int]:
    """Return which storages a tracker names."""
    answer = ask(cluster.trackers[0], command, body)
    assert answer.status == 0
    servers = answer.body[:-1] if command == STORE_ALL_IN_GROUP else answer.body
    named = [str(address) for address in Holders.unpack(servers).addresses]
    return [index for index, storage in enumerate(cluster.storages) if storage.address in named]


# --- server ids ---------------------------------------------------------------------------------


def test_names_carry_the_server_id_where_storages_share_an_address(cluster: EmbeddedCluster) -> None:
    sources = [store(storage.address).source for storage in cluster.storages]

    assert sources == [storage.id for storage in cluster.storages] == ["100001", "100002", "110001"]


def test_names_carry_the_address_where_each_storage_has_its_own() -> None:
    with EmbeddedCluster(groups={"group1": 2, "group2": 1}, storage_hosts=HOSTS) as cluster:
        sources = [store(storage.address).source for storage in cluster.storages]

        assert sources == HOSTS
        assert ask(cluster.trackers[0], STORAGE_IDS, bytes(5)).status == 95
        assert b"use_storage_id=0\nid_type_in_filename=ip\n" in ask(cluster.trackers[0], PARAMETERS).body


def test_trackers_tell_ids_and_addresses_apart(cluster: EmbeddedCluster) -> None:
    stats = [*listed(cluster, "group1"), *listed(cluster, "group2")]
    records = ask(cluster.trackers[0], STORAGE_STAT, bytes(4)).body

    assert [(stat.id, stat.ip, stat.port) for stat in stats] == [
        (storage.id, "127.0.0.1", storage.port) for storage in cluster.storages
    ]
    assert records[0] == 1
    assert [record.id for record in unpack_storage_records(records)] == ["100001", "100002", "110001"]
    assert b"use_storage_id=1\nid_type_in_filename=id\n" in ask(cluster.trackers[0], PARAMETERS).body


@pytest.mark.parametrize(("start", "first"), [(0, 0), (1, 1), (2, 2)])
def test_the_ids_are_listed_from_one_on(cluster: EmbeddedCluster, start: int, first: int) -> None:
    answer = ask(cluster.trackers[0], STORAGE_IDS, struct.pack(">iB", start, 0))

    lines = [f"{storage.id} {storage.group} {storage.address}\n" for storage in cluster.storages[first:]]
    assert answer == (0, struct.pack(">ii", 3, len(lines)) + "".join(lines).encode())


def test_a_read_only_storage_is_listed_as_such_in_storage_ids(cluster: EmbeddedCluster) -> None:
    cluster.storages[1].read_only = True

    lines = ask(cluster.trackers[0], STORAGE_IDS, struct.pack(">iB", 0, 0)).body[8:].splitlines()

    assert [line.endswith(b" rw=read") for line in lines] == [False, True, False]


@pytest.mark.parametrize("start", [-1, 3, 1 << 30])
def test_a_start_beyond_the_ids_is_invalid(cluster: EmbeddedCluster, start: int) -> None:
    assert ask(cluster.trackers[0], STORAGE_IDS, struct.pack(">iB", start, 1)) == (22, b"")


def test_a_storage_is_known_by_address_and_port(cluster: EmbeddedCluster) -> None:
    tracker, second = cluster.trackers[0], cluster.storages[1]
    address = second.address.encode()

    assert ask(tracker, SERVER_ID, group() + address) == (0, b"100002")
    brief = StorageBrief.unpack(ask(tracker, STORAGE_STATUS, group() + address).body)
    assert brief == (Status.ACTIVE, second.port, "100002", "127.0.0.1")
    for command in (SERVER_ID, STORAGE_STATUS):
        assert ask(tracker, command, group() + b"127.0.0.1:1").status == 2
        assert ask(tracker, command, group("group2") + address).status == 2


def test_a_storage_learns_its_group_from_its_port(cluster: EmbeddedCluster) -> None:
    tracker, port = cluster.trackers[0], struct.pack(">i", cluster.storages[2].port)

    assert ask(tracker, GROUP_NAME, port) == (0, group("group2"))
    assert ask(tracker, GROUP_NAME, b"127.0.0.1" + port) == (0, group("group2"))
    assert ask(tracker, GROUP_NAME, b"127.0.0.2" + port).status == 2
    assert ask(tracker, GROUP_NAME, b"1" * 46 + port).status == 36
    assert ask(tracker, GROUP_NAME, port[:3]).status == 22


def test_the_info_of_a_file_names_the_address_of_its_source(cluster: EmbeddedCluster) -> None:
    first, second = cluster.storages[:2]
    name = store(second.address).name.encode()

    assert ask(first.address, INFO, group() + name).body[24:] == b"127.0.0.1".ljust(16, b"\0")
    unknown = name.replace(name[10:16], b"AQAAAG")  # server 1
    first.volume.path_of(f"group1/{name.decode()}").rename(first.volume.data / unknown[4:].decode())
    assert ask(first.address, INFO, group() + unknown).body[24:] == bytes(16)


# --- where files are ----------------------------------------------------------------------------


def test_new_files_go_round_groups_and_storages() -> None:
    with EmbeddedCluster(groups=2, storages=2) as cluster, Wire(cluster.trackers[0]) as tracker:
        addresses = [str(Placement.unpack(tracker.ask(STORE).body).address) for _ in range(4)]

        expected = [cluster.storages[index].address for index in (0, 2, 1, 3)]
        assert addresses == expected


def test_trackers_take_their_turns_apart_from_one_another() -> None:
    with EmbeddedCluster(groups=2, trackers=2) as cluster:
        groups = [Placement.unpack(ask(address, STORE).body).group for address in cluster.trackers]

    assert groups == ["group1", "group1"]


@pytest.mark.parametrize("lag", [0, 3600])
def test_trackers_name_those_that_have_a_file(lag: float) -> None:
    with EmbeddedCluster(storages=3, lag=lag) as cluster:
        asked = group() + store(cluster.storages[1].address).name.encode()
        readers = {places(cluster, FETCH, asked)[0] for _ in range(6)}

        assert places(cluster, FETCH_ALL, asked) == sorted(readers) == ([1] if lag else [0, 1, 2])
        assert places(cluster, UPDATE, asked) == [1]
        cluster.replicate()
        assert places(cluster, FETCH_ALL, asked) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["appender", "slave"])
def test_what_may_change_or_has_another_source_is_read_from_its_source(kind: str) -> None:
    with EmbeddedCluster(storages=2) as cluster, Wire(cluster.storages[1].address) as storage:
        name = storage.store(b"master", command=23 if kind == "appender" else UPLOAD)
        if kind == "slave":
            name = storage.name(SLAVE, slave(name, b"small"))

        assert {places(cluster, FETCH, group() + name)[0] for _ in range(4)} == {1}
        assert places(cluster, FETCH_ALL, group() + name) == [1]


def test_the_source_comes_first_where_tracker_conf_says_so() -> None:
    with EmbeddedCluster(storages=2, download_server=1) as cluster:
        asked = group() + store(cluster.storages[1].address).name.encode()

        assert {places(cluster, FETCH, asked)[0] for _ in range(4)} == {1}


def test_a_group_with_all_storages_dead_has_nothing() -> None:
    with EmbeddedCluster(groups=2, check_active_interval=1e-9) as cluster:
        asked = group() + store(cluster.storages[0].address).name.encode()
        cluster.storages[0].stop()
        tracker = cluster.trackers[0]

        for command, body in ((FETCH, asked), (UPDATE, asked), (FETCH_ALL, asked), (STORE_IN_GROUP, group())):
            assert ask(tracker, command, body).status == 2
        assert Placement.unpack(ask(tracker, STORE).body).group == "group2"


# --- moods --------------------------------------------------------------------------------------


def test_a_stopped_storage_is_offline_once_the_trackers_notice() -> None:
    with EmbeddedCluster(storages=2, check_active_interval=1e-9) as cluster:
        asked = group() + store(cluster.storages[0].address).name.encode()
        cluster.storages[0].stop()

        dead, alive = listed(cluster)
        assert (dead.status, dead.up_time, alive.status) == (Status.OFFLINE, 0, Status.ACTIVE)
        assert places(cluster, FETCH_ALL, asked) == places(cluster, UPDATE, asked) == [1]
        cluster.storages[0].start()
        assert [stat.status for stat in listed(cluster)] == [Status.ACTIVE] * 2


def test_a_storage_that_was_just_stopped_is_still_named(cluster: EmbeddedCluster) -> None:
    cluster.storages[0].stop()

    assert [stat.status for stat in listed(cluster)] == [Status.ACTIVE] * 2
    assert places(cluster, STORE_ALL_IN_GROUP, group()) == [0, 1]


def test_a_read_only_storage_is_sent_no_writes(cluster: EmbeddedCluster) -> None:
    asked = group() + store(cluster.storages[0].address).name.encode()
    cluster.storages[0].read_only = True

    assert places(cluster, UPDATE, asked) == [1]
    assert sorted({places(cluster, FETCH, asked)[0] for _ in range(4)}) == [0, 1]
    assert [stat.rw_mode for stat in listed(cluster)] == [4, 6]
    (first, _) = unpack_groups(ask(cluster.trackers[0], LIST_ALL_GROUPS).body)
    assert (first.readable_count, first.writable_count) == (2, 1)
    for _ in range(3):
        placed = Placement.unpack(ask(cluster.trackers[0], STORE_IN_GROUP, group()).body)
        assert str(placed.address) == cluster.storages[1].address


def test_a_group_of_read_only_storages_takes_no_files(cluster: EmbeddedCluster) -> None:
    for storage in cluster.storages[:2]:
        storage.read_only = True

    assert ask(cluster.trackers[0], STORE_IN_GROUP, group()).status == 2
    assert {Placement.unpack(ask(cluster.trackers[0], STORE).body).group for _ in range(3)} == {"group2"}


def test_a_read_only_storage_takes_what_is_sent_to_it_all_the_same(cluster: EmbeddedCluster) -> None:
    cluster.storages[0].read_only = True

    assert ask(cluster.storages[0].address, UPLOAD, upload(b"meow")).status == 0


def test_a_full_storage_fills_its_group(cluster: EmbeddedCluster) -> None:
    cluster.storages[1].full = True

    assert ask(cluster.storages[1].address, UPLOAD, upload(b"meow")).status == 28
    assert ask(cluster.storages[0].address, UPLOAD, upload(b"meow")).status == 0
    assert ask(cluster.trackers[0], STORE_IN_GROUP, group()).status == 28
    assert {Placement.unpack(ask(cluster.trackers[0], STORE).body).group for _ in range(3)} == {"group2"}
    assert [stat.free_mb > 0 for stat in listed(cluster)] == [True, False]


def test_a_full_cluster_takes_nothing_until_there_is_room_again(cluster: EmbeddedCluster) -> None:
    cluster.storages[0].full = cluster.storages[2].full = True
    assert ask(cluster.trackers[0], STORE).status == 28

    cluster.storages[0].full = False

    assert not cluster.storages[0].full
    assert ask(cluster.trackers[0], STORE).status == 0


def test_a_full_storage_that_is_read_only_does_not_count(cluster: EmbeddedCluster) -> None:
    cluster.storages[1].full = cluster.storages[1].read_only = True

    assert ask(cluster.trackers[0], STORE_IN_GROUP, group()).status == 0
