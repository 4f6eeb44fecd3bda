"""Append, modify, truncate, regenerate, from the outside: PROTOCOL 5.4 and 5.8."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId, Kind
from fdfs_storage.fastdfs.statistics import unpack_storages
from tests.conftest import eventually

from .wire import (
    APPEND,
    APPENDER,
    DELETE,
    DOWNLOAD,
    INFO,
    LIST_STORAGE,
    MODIFY,
    REGENERATE,
    SLAVE,
    TRUNCATE,
    UPLOAD,
    Body,
    Wire,
    append,
    download,
    group,
    metadata,
    modify,
    packet,
    slave,
    truncate,
    upload,
)

FILE = struct.Struct(">qqq16s")
MEGABYTE = 1 << 20


@pytest.fixture
def log(storage: Wire) -> bytes:
    """An appender file's name."""
    return storage.store(b"0123456789", "log", command=APPENDER)


def missing(name: bytes) -> bytes:
    return name[:-7] + b"---.log"


# --- what works ---------------------------------------------------------------------------------


def test_the_name_of_an_appender_says_so(storage: Wire, log: bytes) -> None:
    file_id = FileId.parse("group1/" + log.decode())

    assert file_id.kind is Kind.APPENDER
    assert file_id.extension == "log"


@pytest.mark.parametrize(
    ("command", "body", "expected"),
    [
        (APPEND, lambda name: append(name, b"ABC"), b"0123456789ABC"),
        (MODIFY, lambda name: modify(name, 2, b"xx"), b"01xx456789"),
        (MODIFY, lambda name: modify(name, 8, b"xxxx"), b"01234567xxxx"),
        (MODIFY, lambda name: modify(name, 10, b"end"), b"0123456789end"),
        (TRUNCATE, lambda name: truncate(name, 3), b"012"),
        (TRUNCATE, lambda name: truncate(name, 12), b"0123456789\0\0"),
    ],
)
def test_an_appender_can_be_changed(
    storage: Wire, log: bytes, command: int, body: Body, expected: bytes
) -> None:
    assert storage.ask(command, body(log)) == (0, b"")

    assert storage.content(log) == expected


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (APPEND, lambda name: append(name, b"")),
        (MODIFY, lambda name: modify(name, 5, b"")),
        (TRUNCATE, lambda name: truncate(name, 10)),
    ],
)
def test_what_changes_nothing_is_answered_with_the_request(
    storage: Wire, log: bytes, command: int, body: Body
) -> None:
    assert storage.ask(command, body(log)) == (0, body(log))

    assert storage.content(log) == b"0123456789"


def test_an_appender_may_begin_empty(storage: Wire) -> None:
    name = storage.store(b"", "log", command=APPENDER)

    assert storage.ask(APPEND, append(name, b"first")).status == 0
    assert storage.content(name) == b"first"


@pytest.mark.parametrize("size", [262_074, 262_075, MEGABYTE, 3 * MEGABYTE + 7])
def test_content_of_any_length_is_streamed(storage: Wire, log: bytes, size: int) -> None:
    content = os.urandom(size)

    assert storage.ask(APPEND, append(log, content)) == (0, b"")
    assert storage.ask(MODIFY, modify(log, 5, content)) == (0, b"")

    assert storage.content(log) == b"01234" + content + content[-5:]


def test_the_slave_of_an_appender_is_one_too(storage: Wire, log: bytes) -> None:
    name = storage.name(SLAVE, slave(log, b"slave", "_s", "log"))

    assert storage.ask(APPEND, append(name, b" grows")).status == 0
    assert storage.content(name) == b"slave grows"
    assert storage.content(log) == b"0123456789"


def test_the_info_of_an_appender_is_that_of_its_content(storage: Wire, log: bytes) -> None:
    storage.ask(APPEND, append(log, b"ABC"))

    size, _, crc, source = FILE.unpack(storage.ask(INFO, group() + log).body)
    spared = FILE.unpack(storage.ask(INFO, group() + log, status=1).body)

    assert (size, crc & 0xFFFFFFFF) == (13, zlib.crc32(b"0123456789ABC"))
    assert source == b"127.0.0.1".ljust(16, b"\0")
    assert spared[2] == 0


def test_the_info_of_an_appender_has_the_time_of_its_last_change(
    embedded: EmbeddedCluster, storage: Wire, log: bytes
) -> None:
    (path,) = embedded.volume.files()
    os.utime(path, (1_000_000_000, 1_000_000_000))
    before = FILE.unpack(storage.ask(INFO, group() + log).body)[1]

    storage.ask(TRUNCATE, truncate(log, 1))

    assert before == 1_000_000_000 < FILE.unpack(storage.ask(INFO, group() + log).body)[1]


def test_an_appender_is_deleted_like_any_file(embedded: EmbeddedCluster, storage: Wire, log: bytes) -> None:
    assert storage.ask(DELETE, group() + log) == (0, b"")
    assert not list(embedded.volume.files())


# --- regenerate ---------------------------------------------------------------------------------


def test_a_regenerated_file_is_a_normal_one(embedded: EmbeddedCluster, storage: Wire, log: bytes) -> None:
    name = storage.name(REGENERATE, log)
    file_id = FileId.parse("group1/" + name.decode())

    assert (file_id.kind, file_id.size) == (Kind.NORMAL, 10)
    assert file_id.crc32 == zlib.crc32(b"0123456789")
    assert (name[:10], name[-7:]) == (log[:10], log[-7:])
    assert storage.content(name) == b"0123456789"
    assert storage.ask(DOWNLOAD, download(log)) == (2, b"")
    assert len(list(embedded.volume.files())) == 1


def test_metadata_stays_under_the_old_name(embedded: EmbeddedCluster, storage: Wire, log: bytes) -> None:
    storage.ask(13, metadata(log, b"a\2b"))

    name = storage.name(REGENERATE, log)

    assert storage.ask(15, group() + name) == (2, b"")
    assert storage.content(log + b"-m") == b"a\2b"


# --- what does not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (APPEND, lambda name: append(missing(name), b"x")),
        (MODIFY, lambda name: modify(missing(name), 99, b"x")),
        (TRUNCATE, lambda name: truncate(missing(name), 1)),
        (REGENERATE, missing),
        (APPEND, lambda name: append(b"M00/00/00/" + b"x" * 34, b"x")),
    ],
)
def test_a_missing_file_is_missing_and_the_connection_stays(
    storage: Wire, log: bytes, command: int, body: Body
) -> None:
    assert storage.ask(command, body(log)) == (2, b"")
    assert storage.lives()


@pytest.mark.parametrize(
    ("command", "body"),
    [
        *[(command, lambda _: b"") for command in (APPEND, MODIFY, TRUNCATE, REGENERATE)],
        *[(command, lambda _: bytes(24)) for command in (APPEND, MODIFY, TRUNCATE, REGENERATE)],
        (APPEND, lambda name: append(name, b"abc", size=4)),
        (APPEND, lambda name: append(name, b"abc", size=2)),
        (APPEND, lambda name: append(name, b"", size=-1)),
        (APPEND, lambda name: append(name[:43], b"x")),
        (APPEND, lambda name: append(name + b"x" * 84, b"x")),
        (APPEND, lambda name: append(name[4:], b"x")),
        (APPEND, lambda name: append(b"M01" + name[3:], b"x")),
        (APPEND, lambda name: append(b"M00/00/00/../00/" + b"x" * 34, b"x")),
        (MODIFY, lambda name: modify(name, 11, b"x")),
        (MODIFY, lambda name: modify(name, 11, b"")),
        (MODIFY, lambda name: modify(name, -1, b"x")),
        (MODIFY, lambda name: modify(name, 0, b"abc", size=4)),
        (TRUNCATE, lambda name: truncate(name, -1)),
        (TRUNCATE, lambda name: truncate(name, 1)[:-1]),
        (TRUNCATE, lambda name: truncate(name, 1) + b"x"),
        (REGENERATE, lambda name: name[:43]),
        (REGENERATE, lambda name: name + b"x" * 84),
    ],
)
def test_what_makes_no_sense_is_refused_and_the_connection_closed(
    storage: Wire, log: bytes, command: int, body: Body
) -> None:
    assert storage.ask(command, body(log)) == (22, b"")
    assert storage.ends()


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (APPEND, lambda name: append(name, b"x")),
        (MODIFY, lambda name: modify(name, 0, b"x")),
        (TRUNCATE, lambda name: truncate(name, 0)),
        (REGENERATE, lambda name: name),
    ],
)
@pytest.mark.parametrize("kind", ["normal", "slave", "by hand", "link"])
def test_only_appenders_can_be_changed(
    embedded: EmbeddedCluster, storage: Wire, command: int, body: Body, kind: str
) -> None:
    name = storage.store(b"0123456789")
    if kind == "slave":
        name = storage.name(SLAVE, slave(name, b"0123456789"))
    elif kind == "by hand":
        name = name[:10] + b"!" * 34
        (embedded.volume.data / name[4:].decode()).write_bytes(b"0123456789")
    elif kind == "link":
        target = storage.store(b"0123456789", command=APPENDER)
        name = target[:-7] + b"0000000"
        (embedded.volume.data / name[4:].decode()).symlink_to(embedded.volume.data / target[4:].decode())

    assert storage.ask(command, body(name)) == (22, b"")

    with Wire(embedded.storage_server.address) as again:
        assert again.content(name) == b"0123456789"


# --- what breaks off ----------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "body"), [(APPEND, append), (MODIFY, lambda n, c: modify(n, 3, c))])
@pytest.mark.parametrize("sent", [1, 100_000, 262_144, 700_000])
def test_what_breaks_off_changes_nothing(
    embedded: EmbeddedCluster,
    storage: Wire,
    log: bytes,
    command: int,
    body: Callable[[bytes, bytes], bytes],
    sent: int,
) -> None:
    request = packet(command, body(log, bytes(MEGABYTE)))
    with Wire(embedded.storage_server.address) as broken:
        broken.sendall(request[: 100 + sent])
        broken.shutdown(socket.SHUT_WR)
        assert broken.ends()

    assert storage.content(log) == b"0123456789"


def test_concurrent_appends_do_not_mix(embedded: EmbeddedCluster, storage: Wire, log: bytes) -> None:
    contents = [bytes([letter]) * MEGABYTE for letter in b"abc"]
    wires = [Wire(embedded.storage_server.address) for _ in contents]
    requests = [packet(APPEND, append(log, content)) for content in contents]

    for start in range(0, len(requests[0]), 100_000):
        for wire, request in zip(wires, requests, strict=True):
            wire.sendall(request[start : start + 100_000])
    answers = [wire.read_answer() for wire in wires]
    for wire in wires:
        wire.close()

    assert answers == [(0, b"")] * 3
    stored = storage.content(log)[10:]
    assert sorted(stored[at : at + MEGABYTE] for at in range(0, len(stored), MEGABYTE)) == contents


def test_a_file_that_is_deleted_meanwhile_is_missing(
    embedded: EmbeddedCluster, storage: Wire, log: bytes
) -> None:
    request = packet(APPEND, append(log, bytes(MEGABYTE)))
    with Wire(embedded.storage_server.address) as late:
        late.sendall(request[:500_000])
        assert eventually(lambda: any(embedded.volume.incoming.iterdir()))
        assert storage.ask(DELETE, group() + log).status == 0
        late.sendall(request[500_000:])

        assert late.read_answer() == (2, b"")
    assert not list(embedded.volume.files())


def test_each_change_is_counted(storage: Wire, tracker: Wire, log: bytes) -> None:
    storage.ask(APPEND, append(log, bytes(600_000)))
    storage.ask(APPEND, append(log, b""))
    storage.ask(MODIFY, modify(log, 0, b"xy"))
    storage.ask(TRUNCATE, truncate(log, 7))
    storage.ask(INFO, group() + log)
    storage.ask(REGENERATE, log)

    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group()).body)

    assert (stat.upload_total, stat.upload_success) == (1, 1)
    assert (stat.append_total, stat.append_success, stat.append_bytes_success) == (1, 1, 600_000)
    assert (stat.modify_total, stat.modify_success, stat.modify_bytes_success) == (1, 1, 2)
    assert (stat.truncate_total, stat.truncate_success) == (1, 1)
    assert (stat.file_open_total, stat.file_read_total, stat.file_write_total) == (6, 2, 5)


def test_what_broke_off_is_counted_as_failed(embedded: EmbeddedCluster, tracker: Wire, log: bytes) -> None:
    with Wire(embedded.storage_server.address) as broken:
        broken.sendall(packet(APPEND, append(log, bytes(MEGABYTE)))[:500_000])
        broken.shutdown(socket.SHUT_WR)
        assert broken.ends()

    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group()).body)

    assert (stat.append_total, stat.append_success) == (1, 0)
    assert stat.append_bytes_total > 0 == stat.append_bytes_success


def test_an_appender_is_refused_like_any_upload(storage: Wire) -> None:
    assert storage.ask(APPENDER, upload(b"abc", path=1)) == (22, b"")
    assert storage.ends()


def test_both_kinds_of_upload_share_the_room(embedded: EmbeddedCluster, storage: Wire, log: bytes) -> None:
    embedded.volume.reserved_mb = 1 << 50

    answers = [
        storage.ask(APPENDER, upload(b"x")),
        storage.ask(UPLOAD, upload(b"x")),
        storage.ask(SLAVE, slave(log, b"x")),
        storage.ask(SLAVE, slave(missing(log), b"x")),
    ]

    assert answers == [(28, b"")] * 4
    assert storage.ask(APPEND, append(log, b"x")).status == 0  # as the C storage has it
