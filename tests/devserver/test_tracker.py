"""The tracker's commands, from the outside: PROTOCOL, section 4."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.statistics import Status, unpack_groups, unpack_storages

from .wire import (
    DELETE,
    DOWNLOAD,
    FETCH,
    LIST_ALL_GROUPS,
    LIST_ONE_GROUP,
    LIST_STORAGE,
    STORE,
    STORE_IN_GROUP,
    UPDATE,
    UPLOAD,
    Wire,
    download,
    group,
    upload,
)

NAME = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000"
UNKNOWN = [group("nogroup"), group("group11"), group("Group1"), bytes(16), b"\xff" * 16]


@pytest.fixture(params=[False, True], ids=["narrow", "wide"])
def either(request: pytest.FixtureRequest) -> Iterator[EmbeddedCluster]:
    """A cluster of each address width."""
    with EmbeddedCluster(wide=request.param) as cluster:
        yield cluster


def location(cluster: EmbeddedCluster, width: int) -> bytes:
    where = struct.pack(f">16s{width}sq", b"group1", b"127.0.0.1", cluster.storage_port)
    assert len(where) in (39, 69)
    return where


@pytest.mark.parametrize(("command", "body"), [(STORE, b""), (STORE_IN_GROUP, group())])
def test_uploads_go_to_the_storage_on_path_0(either: EmbeddedCluster, command: int, body: bytes) -> None:
    with Wire(either.trackers[0]) as tracker:
        answer = tracker.ask(command, body)

    width = 45 if len(answer.body) == 70 else 15
    assert answer == (0, location(either, width) + b"\0")


@pytest.mark.parametrize("command", [FETCH, UPDATE])
@pytest.mark.parametrize("name", [NAME, b"x" * 22, b"\xff" * 127, b"\0" * 22])
def test_any_name_is_at_the_storage(either: EmbeddedCluster, command: int, name: bytes) -> None:
    with Wire(either.trackers[0]) as tracker:
        answer = tracker.ask(command, group() + name)

    width = 45 if len(answer.body) == 69 else 15
    assert answer == (0, location(either, width))


def test_the_width_is_as_asked(either: EmbeddedCluster) -> None:
    with Wire(either.trackers[0]) as tracker:
        lengths = [
            len(tracker.ask(command, body).body) for command, body in ((STORE, b""), (LIST_STORAGE, group()))
        ]

    assert lengths in ([40, 487], [70, 517])


def test_a_group_name_ends_at_its_nul(tracker: Wire) -> None:
    assert tracker.ask(STORE_IN_GROUP, b"group1\0junk".ljust(16, b"!")).status == 0


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize(
    ("command", "rest"),
    [(STORE_IN_GROUP, b""), (FETCH, NAME), (UPDATE, NAME), (LIST_ONE_GROUP, b""), (LIST_STORAGE, b"")],
)
def test_an_unknown_group_is_unknown(tracker: Wire, command: int, rest: bytes, unknown: bytes) -> None:
    assert tracker.ask(command, unknown + rest) == (2, b"")


@pytest.mark.parametrize(
    ("command", "body"),
    [
        *[(command, b"x") for command in (STORE, LIST_ALL_GROUPS, 111)],
        *[(command, group()[:15]) for command in (STORE_IN_GROUP, LIST_ONE_GROUP, LIST_STORAGE)],
        *[(command, group() + b"x") for command in (STORE_IN_GROUP, LIST_ONE_GROUP)],
        *[(command, group() + b"x" * 21) for command in (FETCH, UPDATE)],
        *[(command, group() + b"x" * 128) for command in (FETCH, UPDATE)],
        (LIST_STORAGE, group() + b"1" * 16),
        *[(command, b"") for command in (FETCH, STORE_IN_GROUP, LIST_ONE_GROUP, LIST_STORAGE)],
        *[(command, b"") for command in (0, 99, 100, 255)],
        (UPLOAD, upload(b"x")),
        (DOWNLOAD, download(NAME)),
        (DELETE, group() + NAME),
    ],
)
def test_what_makes_no_sense_is_refused_and_the_connection_stays(
    tracker: Wire, command: int, body: bytes
) -> None:
    assert tracker.ask(command, body) == (22, b"")
    assert tracker.lives()


def test_a_full_disk_takes_no_uploads(embedded: EmbeddedCluster, tracker: Wire) -> None:
    embedded.volume.reserved_mb = 1 << 50

    assert tracker.ask(STORE) == tracker.ask(STORE_IN_GROUP, group()) == (28, b"")
    assert tracker.ask(FETCH, group() + NAME).status == 0


def test_the_one_group_is_described(embedded: EmbeddedCluster, tracker: Wire) -> None:
    answers = [tracker.ask(LIST_ONE_GROUP, group()), tracker.ask(LIST_ALL_GROUPS)]

    assert answers[0] == answers[1]
    (stat,) = unpack_groups(answers[0].body)
    assert (stat.name, stat.port) == ("group1", embedded.storage_port)
    assert (stat.storage_count, stat.readable_count, stat.writable_count) == (1, 1, 1)
    assert stat.total_mb > stat.free_mb > 0


def test_the_storage_counts_what_it_did(embedded: EmbeddedCluster, storage: Wire, tracker: Wire) -> None:
    name, _ = storage.store(bytes(1000)), storage.store(b"")
    storage.ask(DOWNLOAD, download(name, 0, 300))
    storage.ask(DELETE, group() + name)
    with Wire(embedded.storage_server.address) as broken:
        broken.sendall(upload(b"x", size=99))
    storage.ask(DOWNLOAD, download(name))

    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group() + b"127.0.0.1").body)

    assert (stat.upload_total, stat.upload_success, stat.upload_bytes_success) == (2, 2, 1000)
    assert (stat.download_total, stat.download_success, stat.download_bytes_success) == (1, 1, 300)
    assert (stat.delete_total, stat.delete_success) == (1, 1)
    assert stat.join_time <= stat.up_time <= stat.last_source_update <= stat.last_heart_beat


def test_the_storage_is_described(embedded: EmbeddedCluster, storage: Wire, tracker: Wire) -> None:
    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group()).body)

    assert (stat.status, stat.rw_mode, stat.version) == (Status.ACTIVE, 6, "6.16.1")
    assert (stat.id, stat.ip, stat.port) == ("127.0.0.1", "127.0.0.1", embedded.storage_port)
    assert (stat.connections_current, stat.connections_max) == (1, 1)


@pytest.mark.parametrize("other", [b"127.0.0.2", b"1", b"\0", b"127.0.0.1\xff"])
def test_another_storage_is_unknown(tracker: Wire, other: bytes) -> None:
    assert tracker.ask(LIST_STORAGE, group() + other) == (2, b"")


def test_each_tracker_answers() -> None:
    with EmbeddedCluster(trackers=3) as cluster:
        assert len(set(cluster.trackers)) == 3
        for address in cluster.trackers:
            with Wire(address) as tracker:
                assert tracker.ask(STORE) == (0, location(cluster, 15) + b"\0")
