"""The storage's commands, from the outside: PROTOCOL, section 5."""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.fastdfs.file_id import FileId, Kind

from .wire import DELETE, DOWNLOAD, INFO, UPLOAD, Wire, download, group, packet, upload

MISSING = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000"
FILE = struct.Struct(">qqq16s")


# --- upload -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"x", b"hello world", os.urandom(300_000)], ids=len)
def test_what_is_uploaded_comes_back(storage: Wire, content: bytes) -> None:
    name = storage.store(content)

    if content:
        assert storage.ask(DOWNLOAD, download(name)) == (0, content)
    assert storage.ask(INFO, group() + name).body[:8] == struct.pack(">q", len(content))


def test_the_name_tells_the_truth_about_the_file(storage: Wire) -> None:
    before = int(time.time())

    file_id = FileId.parse("group1/" + storage.store(b"meow" * 99, "jpg").decode())

    assert file_id.kind is Kind.NORMAL
    assert (file_id.source, file_id.size, file_id.extension) == ("127.0.0.1", 396, "jpg")
    assert file_id.crc32 == zlib.crc32(b"meow" * 99)
    assert before <= file_id.created.timestamp() <= time.time()


@pytest.mark.parametrize("ext", ["", "c", "gz", "jpeg", "tar.gz", ".jpg", "a-b_c", "JPG"])
def test_a_name_ends_in_seven_characters_of_digits_and_extension(storage: Wire, ext: str) -> None:
    tail = storage.store(b"x", ext)[37:].decode()

    assert len(tail) == 7
    digits = tail.removesuffix(f".{ext}" if ext else "")
    assert digits.isdigit() or len(ext) == 6


def test_what_stands_behind_a_nul_in_the_extension_is_ignored(storage: Wire) -> None:
    body = struct.pack(">Bq6s", 0, 1, b"a\0/../") + b"x"

    assert storage.ask(UPLOAD, body).body.endswith(b".a")


def test_equal_content_gets_different_names(storage: Wire) -> None:
    assert len({storage.store(b"same") for _ in range(50)}) == 50


def test_the_storage_chooses_a_path_for_255(storage: Wire) -> None:
    assert storage.ask(UPLOAD, upload(b"x", path=0xFF)).body[16:20] == b"M00/"


@pytest.mark.parametrize(
    "body",
    [
        upload(b"abc", path=1),
        upload(b"abc", path=0xFE),
        upload(b"abc", size=4),
        upload(b"abc", size=2),
        upload(b"abc", size=-1),
        upload(b"abc", "a/b"),
        upload(b"abc", "a b"),
        struct.pack(">Bq6s", 0, 3, b"\xe4\xb8\xad") + b"abc",
        upload(b"")[:14],
        b"",
    ],
    ids=["path", "path 254", "size +", "size -", "size < 0", "slash", "blank", "utf-8", "short", "empty"],
)
def test_a_wrong_upload_is_refused_and_the_connection_closed(
    embedded: EmbeddedCluster, storage: Wire, body: bytes
) -> None:
    assert storage.ask(UPLOAD, body) == (22, b"")
    assert storage.ends()
    assert not list(embedded.volume.files())


def test_a_full_disk_refuses_uploads_and_keeps_the_connection(
    embedded: EmbeddedCluster, storage: Wire
) -> None:
    embedded.volume.reserved_mb = 1 << 50

    assert storage.ask(UPLOAD, upload(b"x")) == (28, b"")
    assert storage.lives()


def test_a_file_of_eight_exabytes_finds_no_room(embedded: EmbeddedCluster, storage: Wire) -> None:
    size = 2**63 - 1 - 15
    storage.sendall(packet(UPLOAD, upload(bytes(300_000), size=size), length=2**63 - 1))

    assert storage.read_answer() == (28, b"")
    assert not list(embedded.volume.files())


def test_an_announced_length_that_the_upload_denies_is_refused(storage: Wire) -> None:
    storage.sendall(packet(UPLOAD, upload(bytes(262_134 - 15)), length=2**63 - 1))

    assert storage.read_answer() == (22, b"")


@pytest.mark.parametrize("sent", [0, 10, 262_119, 262_120, 1_000_000])
def test_a_broken_upload_leaves_nothing(embedded: EmbeddedCluster, storage: Wire, sent: int) -> None:
    storage.sendall(packet(UPLOAD, upload(bytes(sent), size=1 << 20), length=(1 << 20) + 15))
    storage.shutdown(socket.SHUT_WR)

    assert storage.ends()
    assert not any((embedded.data / "data" / ".incoming").iterdir())
    assert not list(embedded.volume.files())


def test_files_and_folders_may_be_read_by_anyone(embedded: EmbeddedCluster, storage: Wire) -> None:
    before = os.umask(0o077)
    try:
        storage.store(b"x")
    finally:
        os.umask(before)

    (path,) = embedded.volume.files()
    modes = [oct(each.stat().st_mode & 0o777) for each in (path, path.parent, path.parent.parent)]
    assert modes == ["0o644", "0o755", "0o755"]


# --- names (5.1) --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [DELETE, INFO, DOWNLOAD])
@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"M00/00/00/",
        b"M00/0a/00/" + b"x" * 34,
        b"M00/00/00/../../../../etc/passwd" + b"x" * 12,
        b"M00/00/00/a/b",
        b"M00/../00/" + b"x" * 34,
        b"../../../../../../../../etc/passwd",
        b"M01/00/00/" + b"x" * 34,
        b"MZZ/00/00/" + b"x" * 34,
        b"M+0/00/00/" + b"x" * 34,
        b"M00/00\0/../../../../etc/passwd",
        b"M00/00/00/".ljust(128, b"x"),
        b"M00/00/00/".ljust(4096, b"x"),
        b"M00/00/00/".ljust(300_000, b"x"),
    ],
    ids=lambda name: f"{name[:24]!r}-{len(name)}",
)
def test_a_bad_name_is_refused_and_the_connection_closed(storage: Wire, command: int, name: bytes) -> None:
    body = download(name) if command == DOWNLOAD else group() + name

    assert storage.ask(command, body) == (22, b"")
    assert storage.ends()


@pytest.mark.parametrize("command", [DELETE, INFO, DOWNLOAD])
@pytest.mark.parametrize(
    "name",
    [MISSING, MISSING[4:], b"M00/FF/FF/x", b"M00/00/00/" + b"\xff" * 34, b"M00/00/00/".ljust(127, b"x")],
    ids=["normal", "old form", "short", "not ascii", "longest"],
)
def test_a_missing_file_is_missing_and_the_connection_open(storage: Wire, command: int, name: bytes) -> None:
    body = download(name) if command == DOWNLOAD else group() + name

    assert storage.ask(command, body) == (2, b"")
    assert storage.lives()


@pytest.mark.parametrize("command", [DELETE, INFO, DOWNLOAD])
@pytest.mark.parametrize(
    "wrong", [group("group2"), group("group11"), group("GROUP1"), bytes(16), b"\xff" * 16]
)
def test_another_group_is_refused(storage: Wire, command: int, wrong: bytes) -> None:
    name = storage.store(b"x")
    body = download(name, within=wrong) if command == DOWNLOAD else wrong + name

    assert storage.ask(command, body) == (22, b"")


def test_names_are_c_strings(storage: Wire) -> None:
    name = storage.store(b"hello")

    assert storage.ask(DOWNLOAD, download(name + b"\0junk", within=b"group1\0".ljust(16, b"."))) == (
        0,
        b"hello",
    )


def test_the_old_form_means_the_first_store_path(storage: Wire) -> None:
    name = storage.store(b"hello")

    assert storage.ask(DOWNLOAD, download(name[4:])) == (0, b"hello")


@pytest.mark.parametrize("leaf", [b"..", b".", b"\0"])
def test_a_folder_can_be_had_by_nobody(storage: Wire, leaf: bytes) -> None:
    folder = b"M00/7F/7F/" + leaf

    assert storage.ask(DOWNLOAD, download(folder)) == (21, b"")
    assert storage.ask(INFO, group() + folder) == (22, b"")


# --- download (5.6) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, 0, b"0123456789"),
        (0, 1, b"0"),
        (3, 4, b"3456"),
        (9, 0, b"9"),
        (8, 100, b"89"),
        (0, 2**63 - 1, b"0123456789"),
    ],
)
def test_part_of_a_file_can_be_had(storage: Wire, offset: int, count: int, expected: bytes) -> None:
    name = storage.store(b"0123456789")

    assert storage.ask(DOWNLOAD, download(name, offset, count)) == (0, expected)
    assert storage.lives()


@pytest.mark.parametrize(("offset", "count"), [(10, 0), (11, 0), (2**63 - 1, 1), (-1, 0), (0, -1)])
def test_a_part_beyond_the_file_is_refused(storage: Wire, offset: int, count: int) -> None:
    name = storage.store(b"0123456789")

    assert storage.ask(DOWNLOAD, download(name, offset, count)) == (22, b"")
    assert storage.ends()


def test_an_empty_file_cannot_be_downloaded(storage: Wire) -> None:
    assert storage.ask(DOWNLOAD, download(storage.store(b""))) == (22, b"")


def test_a_file_that_shrinks_meanwhile_ends_the_connection_short(embedded: EmbeddedCluster) -> None:
    with Wire(embedded.storage_server.address) as wire:
        name = wire.store(bytes(64 << 20))
        wire.sendall(packet(DOWNLOAD, download(name)))
        assert wire.read(10) == packet(100, length=64 << 20)
        os.truncate(next(embedded.volume.files()), 1 << 20)

        assert len(wire.read(64 << 20)) < 64 << 20


# --- info (5.7) ---------------------------------------------------------------------------------


def test_info_repeats_the_name(embedded: EmbeddedCluster, storage: Wire) -> None:
    name = storage.store(b"hello world")
    file_id = FileId.parse("group1/" + name.decode())

    size, mtime, crc, source = FILE.unpack(storage.ask(INFO, group() + name).body)

    assert (size, crc & 0xFFFFFFFF) == (11, zlib.crc32(b"hello world"))
    assert mtime == file_id.created.timestamp() == int(next(embedded.volume.files()).stat().st_mtime)
    assert source == b"127.0.0.1".ljust(16, b"\0")


def test_the_crc_is_sign_extended(storage: Wire) -> None:
    name = storage.store(b"a")  # crc32 0xE8B7BE43

    assert FILE.unpack(storage.ask(INFO, group() + name).body)[2] == 0xE8B7BE43 - 2**32


@pytest.mark.parametrize(
    ("flags", "crc"), [(0, zlib.crc32(b"thumb")), (1, 0), (2, zlib.crc32(b"thumb")), (3, 0)]
)
def test_flag_1_spares_the_crc_of_a_slave(
    embedded: EmbeddedCluster, storage: Wire, flags: int, crc: int
) -> None:
    master = storage.store(b"hello world").decode()
    slave = master[:-4] + "_100x100.jpg"
    (embedded.volume.data / slave[4:]).write_bytes(b"thumb")

    answer = storage.ask(INFO, group() + slave.encode(), status=flags)

    assert FILE.unpack(answer.body)[2] & 0xFFFFFFFF == crc


def test_a_file_put_there_by_hand_has_a_size(embedded: EmbeddedCluster, storage: Wire) -> None:
    storage.store(b"x")
    (embedded.volume.data / "00/00" / "by hand".ljust(34, "!")).write_bytes(b"12345")

    answer = storage.ask(INFO, group() + b"M00/00/00/" + b"by hand".ljust(34, b"!"))

    size, _, crc, source = FILE.unpack(answer.body)
    assert (size, crc & 0xFFFFFFFF, source) == (5, zlib.crc32(b"12345"), bytes(16))


def test_a_short_name_that_exists_has_no_info(embedded: EmbeddedCluster, storage: Wire) -> None:
    storage.store(b"x")
    (embedded.volume.data / "00/00/short").write_bytes(b"12345")

    assert storage.ask(INFO, group() + b"M00/00/00/short") == (22, b"")


# --- delete (5.8) -------------------------------------------------------------------------------


def test_a_deleted_file_is_gone_with_its_metadata(embedded: EmbeddedCluster, storage: Wire) -> None:
    name = storage.store(b"x")
    (path,) = embedded.volume.files()
    path.with_name(path.name + "-m").write_bytes(b"a\2b")

    assert storage.ask(DELETE, group() + name) == (0, b"")

    assert not list(embedded.volume.files())
    assert storage.ask(DELETE, group() + name) == (2, b"")
    assert storage.lives()


def test_a_folder_is_not_deleted(embedded: EmbeddedCluster, storage: Wire) -> None:
    storage.store(b"x")

    assert storage.ask(DELETE, group() + b"M00/00/00/..") == (22, b"")
    assert len(list(embedded.volume.files())) == 1
