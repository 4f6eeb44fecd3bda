"""Records for monitors: against PROTOCOL 4.4, column by column, and against the recordings."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import ProtocolError
from fdfs_storage.fastdfs.monitoring import (
    StorageBrief,
    StorageFilter,
    StorageRecord,
    TrackerFilter,
    TrackerRecord,
    TrackerStatus,
    VolumeFilter,
    VolumeRecord,
    pack_storage_records,
    pack_trackers,
    pack_volumes,
    unpack_storage_records,
    unpack_trackers,
    unpack_volumes,
)

from .recordings import EXCHANGES, Exchange, each, replies

TRACKER_STAT, STORAGE_STAT, VOLUME_STAT, STORAGE_STATUS, TRACKER_STATUS = 96, 97, 98, 71, 64

# Offset and struct's code of each column, copied from PROTOCOL 4.4.
TRACKER = {
    "host": (0, "52s"),
    "is_leader": (52, "B"),
    "is_active": (53, "B"),
    "connections_allocated": (54, "i"),
    "connections_current": (58, "i"),
    "connections_max": (62, "i"),
    "version": (66, "8s"),
    "up_time": (74, "q"),
    "last_heart_beat": (82, "q"),
}
STORAGE = {
    "id": (0, "16s"),
    "host": (16, "52s"),
    "is_trunk_server": (68, "B"),
    "status": (69, "B"),
    "connections_allocated": (70, "i"),
    "connections_current": (74, "i"),
    "connections_max": (78, "i"),
    "version": (82, "8s"),
    "up_time": (90, "q"),
    "last_heart_beat": (98, "q"),
}
VOLUME = {
    "group": (0, "17s"),
    "total_mb": (17, "q"),
    "free_mb": (25, "q"),
    "reserved_mb": (33, "q"),
    "available_mb": (41, "q"),
    "trunk_free_mb": (49, "q"),
    "disk_available": (57, "B"),
    "trunk_available": (58, "B"),
}
LISTS = [
    (TRACKER_STAT, TrackerRecord, TRACKER, 90, ">B", pack_trackers, unpack_trackers),
    (STORAGE_STAT, StorageRecord, STORAGE, 106, ">xxi", pack_storage_records, unpack_storage_records),
    (VOLUME_STAT, VolumeRecord, VOLUME, 59, ">xi", pack_volumes, unpack_volumes),
]
Reader = Callable[[bytes], list[Any]]
each_list = pytest.mark.parametrize(
    ("kind", "table", "size", "head", "pack", "unpack"),
    [pytest.param(*row[1:], id=row[1].__name__) for row in LISTS],
)


def by_hand(table: dict[str, tuple[int, str]], size: int, values: dict[str, Any]) -> bytes:
    record = bytearray(size)
    for name, (offset, code) in table.items():
        value = values[name].encode() if code.endswith("s") else values[name]
        struct.pack_into(f">{code}", record, offset, value)
    return bytes(record)


def some(table: dict[str, tuple[int, str]], start: int) -> dict[str, Any]:
    """Return another value for each column."""
    return {
        name: f"text{start + at}"[:8] if code.endswith("s") else start + at
        for at, (name, (_, code)) in enumerate(table.items())
    }


@each_list
def test_records_are_laid_out_as_documented(
    kind: Any, table: Any, size: int, head: str, pack: Any, unpack: Reader
) -> None:
    rows = [some(table, 10), some(table, 100)]

    packed = pack([kind(**row) for row in rows])

    assert packed == struct.pack(head, 2) + b"".join(by_hand(table, size, row) for row in rows)
    assert [asdict(record) for record in unpack(packed)] == rows
    assert unpack(pack([])) == []


@each_list
def test_a_list_that_is_not_as_long_as_it_says_is_refused(
    kind: Any, table: Any, size: int, head: str, pack: Any, unpack: Reader
) -> None:
    packed = pack([kind(**some(table, 10))])

    for wrong in (packed[:-1], packed + b"\0", packed + packed[-size:]):
        with pytest.raises(ProtocolError):
            unpack(wrong)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    unpackers: list[Callable[[bytes], object]] = [
        *(row[-1] for row in LISTS),
        *(kind.unpack for kind in (TrackerFilter, StorageFilter, VolumeFilter, StorageBrief, TrackerStatus)),
    ]
    for unpack in unpackers:
        try:
            unpack(body)
        except ProtocolError:
            continue


# --- recordings ---------------------------------------------------------------------------------


@each([e for e in EXCHANGES if e.command in (TRACKER_STAT, STORAGE_STAT, VOLUME_STAT) and e.status == 0])
def test_recorded_records_are_understood(exchange: Exchange) -> None:
    table, size, head, _, unpack = next(row[2:] for row in LISTS if row[0] == exchange.command)
    start = struct.calcsize(head)

    records = unpack(exchange.answer)

    assert len(records) == struct.unpack_from(head, exchange.answer)[0]
    for at, record in enumerate(records):
        raw = exchange.answer[start + at * size :][:size]
        for name, (offset, code) in table.items():
            (value,) = struct.unpack_from(f">{code}", raw, offset)
            # Old bytes of the server's buffer stand behind a text's NUL.
            assert getattr(record, name) == (
                value.partition(b"\0")[0].decode() if code.endswith("s") else value
            )


@replies(STORAGE_STAT)
def test_the_recorded_filter_of_storages_leaves_what_was_answered(exchange: Exchange) -> None:
    asked = StorageFilter.unpack(exchange.body)
    records = unpack_storage_records(exchange.answer)

    assert asked.pack() == exchange.body
    assert all(asked.matches(record) for record in records)
    assert exchange.case == "tr_storage_stat" or not records


@replies(TRACKER_STAT)
def test_the_recorded_filter_of_trackers_leaves_what_was_answered(exchange: Exchange) -> None:
    asked = TrackerFilter.unpack(exchange.body)
    records = unpack_trackers(exchange.answer)

    assert asked.pack() == exchange.body
    assert all(asked.matches(record) for record in records)
    assert len(records) == (1 if asked.leader else 2)


@replies(VOLUME_STAT)
def test_the_recorded_filter_of_groups_leaves_what_was_answered(exchange: Exchange) -> None:
    asked = VolumeFilter.unpack(exchange.body)
    records = unpack_volumes(exchange.answer)

    assert asked.pack() == exchange.body
    assert all(asked.matches(record) for record in records)
    assert exchange.case == "tr_volume_stat" or not records


@replies(STORAGE_STATUS)
def test_a_recorded_state_is_read_and_written_again(exchange: Exchange) -> None:
    brief = StorageBrief.unpack(exchange.answer)

    assert brief.pack() == exchange.answer
    assert brief == (7, 23000, "10.77.0.21", "10.77.0.21")
    assert StorageBrief.unpack(exchange.answer[:37]) == brief  # as it was up to 6.10


@replies(TRACKER_STATUS)
def test_a_recorded_tracker_is_read_and_written_again(exchange: Exchange) -> None:
    assert TrackerStatus.unpack(exchange.answer).pack() == exchange.answer
    assert TrackerStatus.unpack(exchange.answer).restart_interval == 0


# --- filters ------------------------------------------------------------------------------------

SOME_TRACKER = TrackerRecord("10.0.0.1:22122", 1, 1, 0, 0, 0, "6.16.1", 0, 0)
SOME_STORAGE = StorageRecord("10.0.0.1", "10.0.0.1:23000", 0, 7, 0, 0, 0, "6.16.1", 0, 0)
SOME_VOLUME = VolumeRecord("group1", 9, 8, 7, 1, 0, 1, 0)


@pytest.mark.parametrize(
    ("asked", "packed"),
    [
        (TrackerFilter(), b"\0\0\0"),
        (TrackerFilter(active=True), b"\1\1\0"),
        (TrackerFilter(active=False), b"\1\0\0"),
        (TrackerFilter(leader=True), b"\2\0\1"),
        (TrackerFilter(active=True, leader=False), b"\3\1\0"),
    ],
)
def test_a_filter_of_trackers_is_laid_out_as_documented(asked: TrackerFilter, packed: bytes) -> None:
    assert asked.pack() == packed
    assert TrackerFilter.unpack(packed) == asked


@pytest.mark.parametrize(
    ("asked", "leader", "follower"),
    [
        (TrackerFilter(), True, True),
        (TrackerFilter(leader=True), True, False),
        (TrackerFilter(leader=False), False, True),
        (TrackerFilter(active=True), True, False),
        (TrackerFilter(active=False), False, True),
        (TrackerFilter(active=False, leader=True), False, False),
    ],
)
def test_trackers_are_told_apart(asked: TrackerFilter, leader: bool, follower: bool) -> None:
    assert asked.matches(SOME_TRACKER) == leader
    assert asked.matches(replace(SOME_TRACKER, is_leader=0, is_active=0)) == follower


@pytest.mark.parametrize(
    ("operator", "active", "offline"), [("=", True, False), ("!", False, True), ("<", False, False)]
)
def test_storages_are_told_apart_by_state(operator: str, active: bool, offline: bool) -> None:
    asked = StorageFilter(2, ord(operator), 7)

    assert asked.pack() == b"\2" + operator.encode() + b"\7\0"
    assert asked.matches(SOME_STORAGE) == active
    assert asked.matches(replace(SOME_STORAGE, status=5)) == offline


@pytest.mark.parametrize("by", [0, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("wanted", [0, 1])
@pytest.mark.parametrize("available", [0, 1])
def test_groups_are_told_apart_by_space(by: int, wanted: int, available: int) -> None:
    asked = VolumeFilter(by, disk_available=wanted, trunk_available=1, space_available=wanted)

    assert VolumeFilter.unpack(asked.pack()) == asked
    assert asked.matches(replace(SOME_VOLUME, disk_available=available)) == (
        by & 5 == 0 or wanted == available
    )
