"""The tracker's commands for servers, monitors and administrators: PROTOCOL 4.4 and 4.5."""

from __future__ import annotations

import struct
import time

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.monitoring import (
    StorageBrief,
    StorageFilter,
    TrackerFilter,
    VolumeFilter,
    unpack_storage_records,
    unpack_trackers,
    unpack_volumes,
)

from .wire import (
    DELETE_GROUP,
    DELETE_STORAGE,
    FETCH_ALL,
    GROUP_NAME,
    LEADER,
    MY_IP,
    PARAMETERS,
    SERVER_ID,
    SET_TRUNK_SERVER,
    STORAGE_IDS,
    STORAGE_STAT,
    STORAGE_STATUS,
    STORE_ALL,
    STORE_ALL_IN_GROUP,
    TRACKER_STAT,
    TRACKER_STATUS,
    VOLUME_STAT,
    Wire,
    group,
)

NAME = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000"


def ask(address: str, command: int, body: bytes = b"") -> tuple[int, bytes]:
    with Wire(address) as wire:
        return wire.ask(command, body)


# --- all servers of a group ---------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True])
def test_lists_of_servers_name_the_one_there_is(wide: bool) -> None:
    with EmbeddedCluster(wide=wide) as cluster:
        placements = [
            ask(cluster.trackers[0], STORE_ALL),
            ask(cluster.trackers[0], STORE_ALL_IN_GROUP, group()),
        ]
        holders = ask(cluster.trackers[0], FETCH_ALL, group() + NAME)

    where = struct.pack(f">16s{45 if wide else 15}sq", b"group1", b"127.0.0.1", cluster.storage_port)
    assert placements == [(0, where + b"\0")] * 2
    assert holders == (0, where)


def test_a_full_disk_is_on_no_list(embedded: EmbeddedCluster, tracker: Wire) -> None:
    embedded.volume.reserved_mb = 1 << 50

    assert tracker.ask(STORE_ALL) == tracker.ask(STORE_ALL_IN_GROUP, group()) == (28, b"")


# --- trackers -----------------------------------------------------------------------------------


def test_the_first_tracker_leads() -> None:
    with EmbeddedCluster(trackers=3) as cluster:
        answers = [ask(address, LEADER) for address in cluster.trackers]
        stats = [ask(address, TRACKER_STAT, bytes(3)).status for address in cluster.trackers]
        leads = [ask(address, TRACKER_STATUS).body[0] for address in cluster.trackers]

    assert answers == [(0, cluster.trackers[0].encode())] * 3
    assert stats == [0, 95, 95]
    assert leads == [1, 0, 0]


def test_the_next_leads_where_the_first_is_stopped() -> None:
    with EmbeddedCluster(trackers=2) as cluster:
        cluster.tracker_servers[0].stop()
        leader = ask(cluster.trackers[1], LEADER).body.decode()
        records = unpack_trackers(ask(cluster.trackers[1], TRACKER_STAT, bytes(3)).body)

    assert leader == cluster.trackers[1]
    assert [(each.is_leader, each.is_active) for each in records] == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (TrackerFilter(), [0, 1, 2]),
        (TrackerFilter(leader=True), [0]),
        (TrackerFilter(leader=False), [1, 2]),
        (TrackerFilter(active=False), [2]),
        (TrackerFilter(active=True, leader=False), [1]),
        (TrackerFilter(active=False, leader=True), []),
    ],
)
def test_trackers_are_told_by_kind(asked: TrackerFilter, expected: list[int]) -> None:
    with EmbeddedCluster(trackers=3) as cluster:
        cluster.tracker_servers[2].stop()
        records = unpack_trackers(ask(cluster.trackers[0], TRACKER_STAT, asked.pack()).body)

    assert [record.host for record in records] == [cluster.trackers[index] for index in expected]


def test_a_tracker_knows_how_long_it_has_run(tracker: Wire) -> None:
    assert tracker.ask(TRACKER_STATUS).body[0] == 1
    assert struct.unpack(">Bqq", tracker.ask(TRACKER_STATUS).body)[1] in range(20)


def test_a_tracker_knows_its_connections(embedded: EmbeddedCluster, tracker: Wire) -> None:
    (record,) = unpack_trackers(tracker.ask(TRACKER_STAT, bytes(3)).body)

    assert (record.connections_current, record.connections_max) == (1, 1)
    assert 0 <= time.time() - record.up_time < 60


@pytest.mark.parametrize("wide", [False, True])
def test_the_parameters_tell_the_width(wide: bool) -> None:
    with EmbeddedCluster(wide=wide) as cluster:
        body = ask(cluster.trackers[0], PARAMETERS).body

    assert f"\nresponse_ip_addr_size={46 if wide else 16}\n".encode() in body
    assert body.startswith(b"use_storage_id=0\n")
    assert body.endswith(b"\n")
    assert len(body) < 1024  # what a C client can take


# --- groups and storages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (StorageFilter(), 1),
        (StorageFilter(by=2, status=7), 1),
        (StorageFilter(by=2, operator=ord("!"), status=7), 0),
        (StorageFilter(by=2, operator=ord("!"), status=5), 1),
        (StorageFilter(by=2, operator=ord("?"), status=7), 0),
        (StorageFilter(by=1, is_trunk_server=1), 1),
    ],
)
def test_storages_are_told_by_state(
    embedded: EmbeddedCluster, tracker: Wire, asked: StorageFilter, count: int
) -> None:
    records = unpack_storage_records(tracker.ask(STORAGE_STAT, asked.pack()).body)

    assert [(each.id, each.host, each.status) for each in records] == [
        ("127.0.0.1", embedded.storage_server.address, 7)
    ] * count


@pytest.mark.parametrize(
    ("asked", "roomy", "full"),
    [
        (VolumeFilter(), 1, 1),
        (VolumeFilter(by=1, disk_available=1), 1, 0),
        (VolumeFilter(by=1, disk_available=0), 0, 1),
        (VolumeFilter(by=4, space_available=1), 1, 0),
        (VolumeFilter(by=2, trunk_available=1), 1, 1),
        (VolumeFilter(by=5, disk_available=1, space_available=0), 0, 0),
    ],
)
def test_groups_are_told_by_room(
    embedded: EmbeddedCluster, tracker: Wire, asked: VolumeFilter, roomy: int, full: int
) -> None:
    before = unpack_volumes(tracker.ask(VOLUME_STAT, asked.pack()).body)
    embedded.volume.reserved_mb = 1 << 50
    after = unpack_volumes(tracker.ask(VOLUME_STAT, asked.pack()).body)

    assert (len(before), len(after)) == (roomy, full)
    assert all(each.free_mb == each.available_mb > 0 for each in before)
    assert all(each.available_mb == 0 for each in after)


def test_the_state_of_the_storage(embedded: EmbeddedCluster, tracker: Wire) -> None:
    asked = group() + embedded.storage_server.address.encode()

    assert StorageBrief.unpack(tracker.ask(STORAGE_STATUS, asked).body) == (
        7,
        embedded.storage_port,
        "127.0.0.1",
        "127.0.0.1",
    )
    assert tracker.ask(STORAGE_STATUS, group() + b"127.0.0.1:1").status == 0  # the port says nothing
    assert tracker.ask(STORAGE_STATUS, group() + b"127.0.0.2:23000").status == 2
    assert tracker.ask(STORAGE_STATUS, group("nogroup") + b"127.0.0.1").status == 2


@pytest.mark.parametrize("where", [b"10.1.2.3:23000", b"10.1.2.3:1"])
def test_the_id_of_a_storage_is_its_address(tracker: Wire, where: bytes) -> None:
    assert tracker.ask(SERVER_ID, group("anygroup") + where) == (0, b"10.1.2.3")


def test_a_client_learns_its_address(tracker: Wire) -> None:
    assert tracker.ask(MY_IP, bytes(21)) == (0, b"127.0.0.1")


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        (STORAGE_IDS, struct.pack(">iB", 0, 0), 95),
        (STORAGE_IDS, bytes(6), 22),
        (DELETE_STORAGE, group() + b"127.0.0.1", 16),
        (DELETE_STORAGE, group() + b"127.0.0.2", 2),
        (DELETE_STORAGE, group("nogroup") + b"127.0.0.1", 2),
        (DELETE_STORAGE, group(), 22),
        (DELETE_STORAGE, group() + b"1" * 16, 22),
        (DELETE_GROUP, group(), 16),
        (DELETE_GROUP, group("nogroup"), 2),
        (SET_TRUNK_SERVER, group() + b"127.0.0.1", 95),
        (SET_TRUNK_SERVER, group("nogroup"), 2),
        (SET_TRUNK_SERVER, b"x", 22),
        (GROUP_NAME, b"", 95),
        *[(command, b"", 13) for command in (59, 72, 73, 74, 83, 84, 85, 87, 89)],
        *[(command, b"x", 22) for command in (LEADER, TRACKER_STATUS, PARAMETERS, MY_IP)],
        *[(command, bytes(5), 22) for command in (TRACKER_STAT, STORAGE_STAT, VOLUME_STAT)],
        *[(command, group() + b"10.0.0.1", 22) for command in (STORAGE_STATUS, SERVER_ID)],
        *[(command, group() + b"\xff:1", 22) for command in (STORAGE_STATUS, SERVER_ID)],
        *[(command, group(), 22) for command in (STORAGE_STATUS, SERVER_ID)],
        *[(command, group() + b"1" * 53, 22) for command in (STORAGE_STATUS, SERVER_ID)],
    ],
)
def test_what_cannot_be_is_refused_and_the_connection_stays(
    tracker: Wire, command: int, body: bytes, status: int
) -> None:
    assert tracker.ask(command, body) == (status, b"")
    assert tracker.lives()
