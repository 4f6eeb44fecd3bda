"""Slave files and links, from the outside: PROTOCOL 5.3, 5.8 and 7.3."""

from __future__ import annotations

import socket
import struct
import time
import zlib

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId, Kind
from fdfs_storage.fastdfs.statistics import unpack_storages
from tests.conftest import eventually

from .wire import (
    DELETE,
    DOWNLOAD,
    INFO,
    LINK,
    LIST_STORAGE,
    SET_METADATA,
    SLAVE,
    Body,
    Wire,
    download,
    group,
    link,
    metadata,
    packet,
    slave,
)

MISSING = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA000.jpg"
FILE = struct.Struct(">qqq16s")


# --- names (7.3) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("master", "prefix", "ext", "expected"),
    [
        ("jpg", "_100x100", "jpg", "_100x100.jpg"),
        ("jpg", "_100x100", "png", "_100x100.png"),
        ("jpg", "_c", "", "_c"),
        ("jpg", "-m", "jpg", "-m.jpg"),
        ("jpg", "p" * 16, "tar.gz", "p" * 16 + ".tar.gz"),
        ("jpg", "_d", ".jpg", "_d.jpg"),
        ("tar.gz", "_g", "jpg", "_g.jpg"),
        ("", "_n", "jpg", "_n.jpg"),
        (".jpg", "_n", "jpg", "_n.jpg"),
    ],
)
def test_a_slave_is_named_after_its_master(
    storage: Wire, master: str, prefix: str, ext: str, expected: str
) -> None:
    name = storage.store(b"master", master).decode()

    made = storage.name(SLAVE, slave(name.encode(), b"slave", prefix, ext)).decode()

    base = name[:37] + name[37:].partition(".")[0] if master else name
    assert made == base + expected
    assert storage.content(made.encode()) == b"slave"
    assert storage.content(name.encode()) == b"master"


def test_a_slave_can_be_a_master(storage: Wire) -> None:
    first = storage.name(SLAVE, slave(storage.store(b"master"), b"one", "_1"))

    second = storage.name(SLAVE, slave(first, b"two", "_2"))

    assert second == first[:-4] + b"_2.jpg"


def test_a_master_in_the_old_form_has_a_slave_in_the_new(storage: Wire) -> None:
    name = storage.store(b"master")

    assert storage.name(SLAVE, slave(name[4:], b"slave")) == name[:-4] + b"_s.jpg"


def test_a_slave_may_be_empty_or_large(storage: Wire) -> None:
    name = storage.store(b"master")
    content = bytes(range(256)) * 5000

    empty = storage.name(SLAVE, slave(name, b"", "_0"))
    large = storage.name(SLAVE, slave(name, content, "_1"))

    assert FILE.unpack(storage.ask(INFO, group() + empty).body)[0] == 0
    assert storage.content(large) == content


# --- a target is never overwritten --------------------------------------------------------------


def test_a_taken_name_is_taken(storage: Wire) -> None:
    name = storage.store(b"master")
    made = storage.name(SLAVE, slave(name, b"first"))

    assert storage.ask(SLAVE, slave(name, b"second")) == (17, b"")
    assert storage.lives()
    assert storage.content(made) == b"first"


def test_of_two_that_come_together_the_first_to_end_wins(embedded: EmbeddedCluster, storage: Wire) -> None:
    name = storage.store(b"master")
    late = packet(SLAVE, slave(name, bytes(1 << 20)))
    with Wire(embedded.storage_server.address) as other:
        other.sendall(late[:500_000])
        assert eventually(lambda: any(embedded.volume.incoming.iterdir()))
        made = storage.name(SLAVE, slave(name, b"first"))
        other.sendall(late[500_000:])

        assert other.read_answer() == (17, b"")
    assert storage.content(made) == b"first"
    counts = embedded.volume.tally.counts()
    assert (counts["upload_total"], counts["upload_success"]) == (3, 2)


def test_a_slave_outlives_its_master(storage: Wire) -> None:
    name = storage.store(b"master")
    made = storage.name(SLAVE, slave(name, b"slave"))

    assert storage.ask(DELETE, group() + name).status == 0

    assert storage.content(made) == b"slave"
    assert storage.ask(DELETE, group() + made).status == 0
    assert storage.ask(SLAVE, slave(name, b"slave")) == (2, b"")


@pytest.mark.parametrize("sent", [1, 300_000])
def test_a_broken_slave_leaves_nothing(embedded: EmbeddedCluster, storage: Wire, sent: int) -> None:
    name = storage.store(b"master")
    with Wire(embedded.storage_server.address) as broken:
        broken.sendall(packet(SLAVE, slave(name, bytes(1 << 20)))[: 100 + sent])
        broken.shutdown(socket.SHUT_WR)
        assert broken.ends()

    assert len(list(embedded.volume.files())) == 1


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        lambda name: b"",
        lambda name: bytes(38),
        lambda name: slave(name, b"x", ""),
        lambda name: slave(name, b"x", "a/b"),
        lambda name: slave(name, b"x", "a b"),
        lambda name: slave(name, b"x", "_a", "a/b"),
        lambda name: slave(name, b"x", "-m", ""),
        lambda name: slave(name, b"x", size=2),
        lambda name: slave(name, b"xyz", size=2),
        lambda name: slave(name, b"", size=-1),
        lambda name: slave(b"M00/00/00/", b"x"),
        lambda name: slave(name + b"x" * 84, b"x"),
        lambda name: slave(b"M01" + name[3:], b"x"),
        lambda name: slave(b"M00/00/00/..", b"x"),
        lambda name: slave(b"M00/00/00/../" + name[10:], b"x"),
    ],
)
def test_a_wrong_slave_is_refused_and_the_connection_closed(storage: Wire, body: Body) -> None:
    assert storage.ask(SLAVE, body(storage.store(b"master"))) == (22, b"")
    assert storage.ends()


@pytest.mark.parametrize("prefix", ["_s", "-m"])
def test_a_missing_master_comes_before_a_forbidden_name(storage: Wire, prefix: str) -> None:
    assert storage.ask(SLAVE, slave(MISSING, b"x", prefix, "")) == (2, b"")
    assert storage.lives()


def test_a_name_that_storages_do_not_give_is_no_master(embedded: EmbeddedCluster, storage: Wire) -> None:
    storage.store(b"x")
    (embedded.volume.data / "00/00/short").touch()
    long = b"l" * 117
    (embedded.volume.data / "00/00" / long.decode()).touch()

    assert storage.ask(SLAVE, slave(b"M00/00/00/short", b"x")) == (22, b"")
    with Wire(embedded.storage_server.address) as again:
        assert again.ask(SLAVE, slave(b"M00/00/00/" + long, b"x")) == (22, b"")


# --- links --------------------------------------------------------------------------------------


@pytest.fixture
def target(storage: Wire) -> bytes:
    return storage.store(b"hello world")


def test_a_link_looks_like_a_normal_file(embedded: EmbeddedCluster, storage: Wire, target: bytes) -> None:
    name = storage.name(LINK, link(target))
    file_id = FileId.parse("group1/" + name.decode())

    assert (file_id.kind, file_id.size, file_id.extension) == (Kind.NORMAL, 11, "jpg")
    assert file_id.crc32 != zlib.crc32(b"hello world")
    assert storage.content(name) == b"hello world"
    size, modified, _, _ = FILE.unpack(storage.ask(INFO, group() + name).body)
    assert (size, 0 <= time.time() - modified < 60) == (11, True)
    path = embedded.volume.path_of(str(file_id))
    assert path is not None
    assert not path.readlink().is_absolute()


def test_a_link_may_have_the_name_of_a_slave(storage: Wire, target: bytes) -> None:
    master = storage.store(b"master")

    name = storage.name(LINK, link(target, master=master, prefix="_l", ext="png"))
    other = storage.name(LINK, link(target, master=master, ext="gif"))

    assert name == master[:-4] + b"_l.png"
    assert other == master[:-4] + b".gif"
    assert storage.ask(LINK, link(target, master=master, prefix="_l", ext="png")) == (17, b"")
    assert storage.content(name) == b"hello world"


def test_a_deleted_link_leaves_its_target_and_its_own_metadata_goes(
    embedded: EmbeddedCluster, storage: Wire, target: bytes
) -> None:
    name = storage.name(LINK, link(target))
    storage.ask(SET_METADATA, metadata(name, b"a\2b"))

    assert storage.ask(DELETE, group() + name) == (0, b"")

    assert storage.content(target) == b"hello world"
    assert len(list(embedded.volume.files())) == 1


def test_a_slaves_link_takes_its_target_along(
    embedded: EmbeddedCluster, storage: Wire, target: bytes
) -> None:
    name = storage.name(LINK, link(target, master=storage.store(b"master"), prefix="_l"))

    assert storage.ask(DELETE, group() + name) == (0, b"")

    assert storage.ask(DOWNLOAD, download(target)) == (2, b"")
    assert len(list(embedded.volume.files())) == 1


def test_a_link_out_of_the_volume_takes_nothing_along(
    embedded: EmbeddedCluster, storage: Wire, target: bytes
) -> None:
    outside = embedded.data / "outside"
    outside.write_text("not FastDFS's")
    name = target[:-4] + b"_s.jpg"
    (embedded.volume.data / name[4:].decode()).symlink_to(outside)

    assert storage.ask(DELETE, group() + name) == (0, b"")

    assert outside.exists()
    assert len(list(embedded.volume.files())) == 1


@pytest.mark.parametrize("as_slave", [False, True])
def test_a_link_without_its_target_is_there_only_to_be_deleted(
    storage: Wire, target: bytes, as_slave: bool
) -> None:
    master = storage.store(b"master") if as_slave else b""
    name = storage.name(LINK, link(target, master=master, prefix="_l" if as_slave else ""))
    storage.ask(DELETE, group() + target)

    assert storage.ask(DOWNLOAD, download(name)) == (2, b"")
    assert storage.ask(INFO, group() + name) == (2, b"")
    assert storage.ask(DELETE, group() + name) == (0, b"")
    assert storage.ask(DELETE, group() + name) == (2, b"")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (lambda name: link(MISSING), 2),
        (lambda name: link(name, signature=b""), 22),
        (lambda name: link(name, signature=b"S" * 64), 22),
        (lambda name: link(b""), 22),
        (lambda name: link(name + b"x" * 84), 22),
        (lambda name: link(name, master=b"m" * 128, prefix="_s"), 22),
        (lambda name: link(name, master=b"m" * 127, prefix="_s", signature=b"S" * 63)[:-1], 22),
        (lambda name: link(name + b"x" * 83, master=b"m" * 127, prefix="_s", signature=b"S" * 3), 22),
        (lambda name: link(name, master=b"M01" + name[3:], prefix="_s"), 22),
        (lambda name: link(name, master=b"M00/00/00/short", prefix="_s"), 22),
        (lambda name: link(name, master=name), 22),
        (lambda name: link(name, master=name, prefix="-m", ext=""), 22),
        (lambda name: link(name, ext="../a"), 22),
        (lambda name: link(name, master=name, prefix="/../x"), 22),
        (lambda name: link(b"M00/00/00/../../" + name), 22),
        (lambda name: link(b"M00/00/00/.."), 22),
        (lambda name: link(name).replace(b"group1", b"group2"), 22),
        (lambda name: b"", 22),
        (lambda name: bytes(62), 22),
    ],
)
def test_a_wrong_link_is_refused(
    embedded: EmbeddedCluster, storage: Wire, target: bytes, body: Body, status: int
) -> None:
    assert storage.ask(LINK, body(target)) == (status, b"")
    assert len(list(embedded.volume.files())) == 1


def test_a_link_is_no_source_of_a_link(storage: Wire, target: bytes) -> None:
    assert storage.ask(LINK, link(storage.name(LINK, link(target)))) == (22, b"")


def test_links_are_counted(storage: Wire, tracker: Wire, target: bytes) -> None:
    name = storage.name(LINK, link(target))
    storage.ask(LINK, link(MISSING))
    storage.ask(DELETE, group() + name)

    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group()).body)

    assert (stat.create_link_total, stat.create_link_success) == (2, 1)
    assert (stat.delete_link_total, stat.delete_link_success) == (1, 1)
    assert (stat.delete_total, stat.upload_total) == (0, 1)
