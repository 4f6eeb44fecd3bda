from __future__ import annotations

import contextlib
import re
import socket
import struct
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import FastDFSError, InvalidArgumentError, ProtocolError
from fdfs_storage.fastdfs.file_id import FileId, Kind
from fdfs_storage.fastdfs.protocol import (
    HEADER_BYTES,
    INVALID,
    STORE_PATH_ANY,
    UPLOAD_HEAD_BYTES,
    Address,
    Command,
    DownloadRequest,
    FileInfo,
    FileQuery,
    Header,
    InfoFlag,
    Location,
    Placement,
    StorageQuery,
    UploadHead,
    Width,
    download_request,
    pack_file_id,
    pack_group,
    refusal,
    reply,
    request,
    text,
    unpack_file_id,
    unpack_group,
    upload_request,
)

from .recordings import ADDRESSES, EXCHANGES, PORT, RECORDINGS, each, recorded, replies

COMMANDS = (11, 12, 14, 22, 82, 90, 91, 92, 101, 102, 103, 104, 111)
TAKEN = [exchange for exchange in EXCHANGES if exchange.command in COMMANDS]
WIDTHS = {"narrow": Width.NARROW, "wide": Width.WIDE}
NAME = "M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
patient = settings(deadline=None)  # a busy machine is no failure

# --- every recorded request, and what becomes of it ---------------------------------------------

SOUND = "read, and packed again to the recorded bytes"
NO_BODY = "a bare header"
LEFT_TO_SERVER = "read and packed like a sound one: what is wrong with it only a server can know"
UNSENDABLE = "read, but nothing that a client packs"
REFUSED = "no request: ProtocolError"
UNEXPECTED = "a body where none belongs: there is nothing to read it with"
NEGATIVE = "a header with a negative length"

REQUESTS: dict[str, set[str]] = {
    SOUND: {
        "st_upload_jpg",
        "st_upload_noext",
        "st_upload_ext6",
        "st_upload_zero",
        "st_upload_any_path",
        "st_upload_for_replica",
        "st_download_unsynced_replica",
        "st_download_all",
        "st_download_from_offset",
        "st_download_range",
        "st_download_overlong",
        "st_download_missing",
        "st_download_no_path_prefix",
        "st_info_normal",
        "st_info_zero",
        "st_info_appender",
        "st_info_appender_nocrc",
        "st_info_missing",
        "st_info_missing_silent",
        "st_info_slave",
        "st_download_slave",
        "st_download_meta_file",
        "st_download_appended",
        "st_download_modified",
        "st_download_truncated",
        "st_info_regenerated",
        "st_download_regenerated_old",
        "tr_store_with_group_one",
        "tr_store_with_group_one_unknown",
        "tr_fetch_one",
        "tr_fetch_one_missing_file",
        "tr_fetch_one_unknown_group",
        "tr_update",
        "tr_update_unknown_group",
        "tr_list_one_group",
        "tr_list_one_group_unknown",
        "tr_list_storage",
        "tr_list_storage_id",
        "tr_list_storage_unknown_id",
        "tr_list_storage_unknown_group",
        "st_delete_link",
        "st_delete_slave",
        "st_delete",
        "st_delete_again",
        "st_download_deleted",
        "st_slave_survives_master",
    },
    NO_BODY: {
        "st_active_test",
        "st_active_test_nonzero_status",
        "st_tracker_cmd",
        "st_quit",
        "tr_active_test",
        "tr_quit",
        "tr_store_without_group_one",
        "tr_list_all_groups",
    },
    LEFT_TO_SERVER: {
        "st_upload_bad_path",
        "st_upload_size_too_big",
        "st_upload_size_too_small",
        "st_download_at_eof",
        "st_download_past_eof",
        "st_download_negative_offset",
        "st_download_negative_bytes",
        "st_download_empty_file",
        "st_download_wrong_group",
        "st_download_traversal",
        "st_download_dir",
        "st_download_bad_path_index",
        "st_download_lowercase_hex",
        "st_download_short_body",
        "st_info_wrong_group",
        "st_info_dotdot",
        "st_info_no_filename",
        "tr_storage_cmd",
        "tr_fetch_one_too_short",
        "tr_fetch_one_too_long",
        "tr_update_too_short",
        "tr_list_storage_id_too_long",
        "st_delete_wrong_group",
        "st_delete_dir",
        "st_delete_no_name",
    },
    UNSENDABLE: {
        "st_upload_bad_ext_slash",
        "st_upload_bad_ext_space",
    },
    REFUSED: {
        "st_upload_short_body",
        "tr_store_with_group_one_short",
        "tr_list_one_group_short",
        "tr_list_storage_short",
    },
    UNEXPECTED: {
        "st_active_test_body",
        "tr_active_test_body",
        "tr_store_without_group_one_body",
        "tr_list_all_groups_body",
    },
    NEGATIVE: {
        "st_negative_len",
        "tr_negative_len",
    },
}
VERDICTS = {case: verdict for verdict, cases in REQUESTS.items() for case in cases}


def judged(*verdicts: str) -> pytest.MarkDecorator:
    """Run a test once for each recorded request of which the table says this."""
    return each([exchange for exchange in TAKEN if VERDICTS.get(exchange.case) in verdicts])


def _int(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 8], "big", signed=True)


def _text(raw: bytes, start: int, end: int | None = None) -> str:
    return raw[start:end].split(b"\0")[0].decode("ascii")


class Codec:
    """How the code under test reads and packs a command's body, and what PROTOCOL 4 and 5 say is in it."""

    def __init__(
        self,
        unpack: Callable[[bytes], Any],
        pack: Callable[[Any], bytes],
        by_offsets: Callable[[bytes], Any],
        *,
        fixed: int | None = None,
    ) -> None:
        self.unpack, self.pack, self.by_offsets = unpack, pack, by_offsets
        self.fixed = fixed
        """Where the fixed part ends and content begins that is not the codec's."""


def packed_head(head):
    return upload_request(Command.UPLOAD_FILE, *head)[HEADER_BYTES:]


def packed_download(asked):
    return download_request(asked.offset, asked.count, asked.file)[HEADER_BYTES:]


GROUP_AND_NAME = Codec(FileQuery.unpack, FileQuery.pack, lambda raw: (_text(raw, 0, 16), _text(raw, 16)))
GROUP_ALONE = Codec(unpack_group, pack_group, lambda raw: _text(raw, 0, 16))
CODECS = {
    11: Codec(
        UploadHead.unpack, packed_head, lambda raw: (raw[0], _int(raw, 1), _text(raw, 9, 15)), fixed=15
    ),
    12: GROUP_AND_NAME,
    14: Codec(
        DownloadRequest.unpack,
        packed_download,
        lambda raw: DownloadRequest(
            _int(raw, 0), _int(raw, 8), FileQuery(_text(raw, 16, 32), _text(raw, 32))
        ),
    ),
    22: GROUP_AND_NAME,
    90: GROUP_ALONE,
    92: Codec(StorageQuery.unpack, StorageQuery.pack, lambda raw: (_text(raw, 0, 16), _text(raw, 16))),
    102: GROUP_AND_NAME,
    103: GROUP_AND_NAME,
    104: GROUP_ALONE,
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_no_recorded_case_of_these_commands_is_left_out(recording):
    taken = [exchange.case for exchange in TAKEN if exchange.recording == recording]

    assert sorted(taken) == sorted(case for cases in REQUESTS.values() for case in cases)
    assert len(taken) == 91


def test_every_command_that_this_module_packs_is_taken():
    known = {command.value for command in Command} - {Command.RESPONSE}

    # The rest belongs to updates, holders and monitoring, and to their tests.
    assert set(COMMANDS) <= known


@each(TAKEN)
def test_the_header_of_a_request_is_read_and_packed(exchange):
    raw = exchange.request[:10]

    header = Header.unpack(raw)

    assert (header.length, header.command, header.status) == (_int(raw, 0), exchange.command, raw[9])
    assert header.pack() == raw


@judged(SOUND, LEFT_TO_SERVER)
def test_a_request_is_packed_from_its_values_to_the_recorded_bytes(exchange):
    codec, status = CODECS[exchange.command], exchange.request[9]
    head = exchange.body[: codec.fixed]
    content = exchange.body[len(head) :]

    packed = codec.pack(codec.unpack(head))
    packet = request(Command(exchange.command), packed, status=status, data_bytes=len(content))

    assert packed == head
    assert packet + content == exchange.request


@judged(SOUND, LEFT_TO_SERVER, UNSENDABLE)
def test_a_request_is_read_as_what_stands_at_its_offsets(exchange):
    codec = CODECS[exchange.command]
    head = exchange.body[: codec.fixed]

    assert codec.unpack(head) == codec.by_offsets(head)


@judged(NO_BODY)
def test_a_request_without_a_body_is_packed_to_the_recorded_bytes(exchange):
    assert request(Command(exchange.command), status=exchange.request[9]) == exchange.request


@judged(UNEXPECTED)
def test_a_body_where_none_belongs_can_be_sent_to_try_a_server(exchange):
    assert request(Command(exchange.command), b"x") == exchange.request


@judged(REFUSED)
def test_a_malformed_request_is_refused(exchange):
    codec = CODECS[exchange.command]

    with pytest.raises(ProtocolError):
        codec.unpack(exchange.body[: codec.fixed])


@judged(UNSENDABLE)
def test_what_storages_refuse_is_not_sent(exchange):
    head = UploadHead.unpack(exchange.body[:15])

    with pytest.raises(InvalidArgumentError, match=re.escape(repr(head.extension))):
        packed_head(head)


@judged(NEGATIVE)
def test_a_negative_length_is_told_so_that_its_reader_can_refuse(exchange):
    header = Header.unpack(exchange.request)

    assert header == (-1, 111, 0)
    assert header.pack() == exchange.request


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(
    ("case", "flags"),
    [
        ("st_info_normal", InfoFlag.NONE),
        ("st_info_appender_nocrc", InfoFlag.SKIP_CRC),
        ("st_info_missing_silent", InfoFlag.SILENT),
    ],
)
def test_the_flags_of_a_file_info_request_are_in_its_status_byte(recording, case, flags):
    exchange = recorded(recording, case)

    assert Header.unpack(exchange.request[:10]).status == flags
    assert request(Command.QUERY_FILE_INFO, exchange.body, status=flags) == exchange.request


# --- every recorded reply -----------------------------------------------------------------------


def test_every_recorded_reply_is_judged_here_or_with_the_statistics():
    answered = {exchange.command for exchange in TAKEN if exchange.status == 0}

    assert answered == {11, 12, 14, 22, 101, 102, 103, 104, 111} | {90, 91, 92}


@each([exchange for exchange in TAKEN if exchange.reply])
def test_the_header_of_a_reply_is_read_and_packed(exchange):
    header = Header.unpack(exchange.reply[:10])

    assert header == (len(exchange.reply) - 10, Command.RESPONSE, exchange.status)
    assert header.pack() == exchange.reply[:10]


@each([exchange for exchange in TAKEN if exchange.status])
def test_a_refusal_is_a_bare_header(exchange):
    assert refusal(exchange.status) == exchange.reply


@each([exchange for exchange in TAKEN if exchange.status is None])
def test_only_farewells_and_negative_lengths_are_left_without_a_reply(exchange):
    assert exchange.reply == b""
    assert exchange.command == Command.QUIT or VERDICTS[exchange.case] == NEGATIVE


@replies(12, 111)
def test_a_success_without_content_is_a_bare_header(exchange):
    assert reply() == exchange.reply


@replies(14)
def test_a_download_is_a_header_and_the_content(exchange):
    content = exchange.answer

    assert reply(content) == exchange.reply
    assert reply(data_bytes=len(content)) + content == exchange.reply


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(
    "case",
    [
        "st_download_all",
        "st_download_from_offset",
        "st_download_range",
        "st_download_overlong",
        "st_download_no_path_prefix",
    ],
)
def test_a_download_asks_for_the_part_that_was_sent(recording, case):
    exchange = recorded(recording, case)

    asked = DownloadRequest.unpack(exchange.body)

    end = asked.offset + asked.count if asked.count else None
    assert exchange.answer == b"hello world"[asked.offset : end]


@replies(11)
def test_a_new_file_is_named_by_its_facts(exchange):
    content = exchange.body[15:]

    file = unpack_file_id(exchange.answer)

    assert (file.group, file.name) == (_text(exchange.answer, 0, 16), exchange.answer[16:].decode())
    assert file.source in ADDRESSES[file.group]
    assert (file.kind, file.size, file.crc32) == (Kind.NORMAL, len(content), zlib.crc32(content))
    assert (file.extension, file.store_path) == (_text(exchange.body, 9, 15), 0)


@replies(11)
def test_the_name_of_a_new_file_is_packed_to_the_recorded_bytes(exchange):
    assert reply(pack_file_id(unpack_file_id(exchange.answer))) == exchange.reply


@replies(22)
def test_file_info_is_read_as_what_stands_at_its_offsets(exchange):
    answer = exchange.answer

    info = FileInfo.unpack(answer)

    assert (info.size, info.modified) == (_int(answer, 0), _int(answer, 8))
    assert info.crc32 == int.from_bytes(answer[20:24], "big")
    assert info.source == _text(answer, 24, 40)
    assert info.source in ADDRESSES["group1"]


@replies(22)
def test_file_info_is_packed_to_the_recorded_bytes(exchange):
    assert reply(FileInfo.unpack(exchange.answer).pack()) == exchange.reply


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(
    ("case", "content"),
    [
        ("st_info_normal", b"hello world"),
        ("st_info_zero", b""),
        ("st_info_appender", b"0123456789"),
        ("st_info_slave", b"slave one"),
        ("st_slave_survives_master", b"slave png"),
        ("st_info_regenerated", b"01xx4\0\0\0"),
    ],
)
def test_file_info_is_that_of_the_content(recording, case, content):
    info = FileInfo.unpack(recorded(recording, case).answer)

    assert (info.size, info.crc32) == (len(content), zlib.crc32(content))


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("case", ["st_info_normal", "st_info_zero"])
def test_a_normal_file_was_modified_when_its_name_says(recording, case):
    exchange = recorded(recording, case)

    asked, info = FileQuery.unpack(exchange.body), FileInfo.unpack(exchange.answer)

    assert info.modified == FileId.parse(f"{asked.group}/{asked.name}").created.timestamp()


@replies(101, 104)
def test_a_placement_is_a_place_of_the_recorded_cluster(exchange):
    placement = Placement.unpack(exchange.answer)

    assert placement.group == _text(exchange.answer, 0, 16)
    assert placement.address.host in ADDRESSES[placement.group]
    assert (placement.address.port, placement.store_path) == (PORT, 0)


@replies(101, 104)
def test_a_placement_is_packed_to_the_recorded_bytes(exchange):
    width = WIDTHS[exchange.recording]

    assert len(exchange.answer) == 16 + width + 9
    assert reply(Placement.unpack(exchange.answer).pack(width)) == exchange.reply


@replies(104)
def test_a_placement_is_in_the_group_asked_for(exchange):
    assert Placement.unpack(exchange.answer).group == unpack_group(exchange.body)


@replies(102, 103)
def test_a_location_is_a_server_of_the_files_group(exchange):
    location = Location.unpack(exchange.answer)

    assert location.group == FileQuery.unpack(exchange.body).group
    assert location.address.host in ADDRESSES[location.group]
    assert location.address.port == PORT


@replies(103)
def test_a_file_is_updated_at_its_source(exchange):
    asked = FileQuery.unpack(exchange.body)

    assert Location.unpack(exchange.answer).address.host == FileId.parse("/".join(asked)).source


@replies(102, 103)
def test_a_location_is_packed_to_the_recorded_bytes(exchange):
    width = WIDTHS[exchange.recording]

    assert len(exchange.answer) == 16 + width + 8
    assert reply(Location.unpack(exchange.answer).pack(width)) == exchange.reply


# --- bodies made by PROTOCOL's tables -----------------------------------------------------------


def field(content: bytes, size: int) -> bytes:
    assert len(content) <= size
    return content + bytes(size - len(content))


def placement_bytes(
    group: bytes = b"group1", host: bytes = b"10.77.0.21", port: int = 23000, path: int = 0, width: int = 15
) -> bytes:
    return field(group, 16) + field(host, width) + struct.pack(">q", port) + bytes([path])


def location_bytes(
    group: bytes = b"group1", host: bytes = b"10.77.0.21", port: int = 23000, width: int = 15
) -> bytes:
    return placement_bytes(group, host, port, 0, width)[:-1]


def info_bytes(
    size: int = 11, modified: int = 1795471745, crc32: int = 5, source: bytes = b"10.77.0.21", width: int = 16
) -> bytes:
    return struct.pack(">qqq", size, modified, crc32) + field(source, width)


ANSWERS = [(Placement, placement_bytes), (Location, location_bytes)]
answers = pytest.mark.parametrize(("kind", "made"), ANSWERS, ids=["placement", "location"])


@answers
@pytest.mark.parametrize("width", [15, 45])
def test_both_widths_are_told_by_the_length(kind, made, width):
    answer = kind.unpack(made(width=width))

    assert (answer.group, answer.address) == ("group1", Address("10.77.0.21", 23000))
    assert answer.pack(Width(width)) == made(width=width)


@answers
@pytest.mark.parametrize(
    ("host", "width"),
    [
        (b"::1", 15),
        (b"2001:db8::21", 15),
        (b"2001:db8::21", 45),
        (b"fd00:1234:5678:9abc:def0:1234:5678:9abc", 45),
        (b"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 45),
    ],
)
def test_ipv6_addresses_are_text_without_brackets(kind, made, host, width):
    answer = kind.unpack(made(host=host, width=width))

    assert answer.address == Address(host.decode(), 23000)
    assert answer.pack(Width(width)) == made(host=host, width=width)


@answers
def test_fields_may_be_filled_without_a_nul(kind, made):
    answer = kind.unpack(made(group=b"G" * 16, host=b"255.255.255.255"))

    assert (answer.group, answer.address.host) == ("G" * 16, "255.255.255.255")


@answers
@pytest.mark.parametrize("width", [15, 45])
def test_old_buffer_bytes_behind_a_nul_are_not_read(kind, made, width):
    answer = kind.unpack(made(group=b"group1\0\xffgroup2", host=b"10.0.0.9\0.21\0\xff", width=width))

    assert (answer.group, answer.address.host) == ("group1", "10.0.0.9")


@answers
@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 32, (1 << 63) - 1, -(1 << 63), 23000 + (1 << 16)])
def test_what_is_no_port_is_nonsense(kind, made, port):
    with pytest.raises(ProtocolError, match=str(port)):
        kind.unpack(made(port=port))


@answers
@pytest.mark.parametrize("port", [1, 65535])
def test_the_outermost_ports_are_ports(kind, made, port):
    assert kind.unpack(made(port=port)).address.port == port


@answers
@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"\x0010.77.0.21",
        b"localhost",
        b"evil.example",
        b"10.77.0",
        b"10.77.0.256",
        b"10.77.0.021",
        b"10.77.0.21/8",
        b"10.77.0.21:80",
        b"10.77.0.21 ",
        b" 10.77.0.21",
        b"10.77.0.21\n",
        b"10.77.0.21,::1",
        b"0x7f.0.0.1",
        b"2130706433",
        b"[::1]",
        b":::",
        b"-",
        b"\xff\xfe",
        "１.1.1.1".encode(),
    ],
)
def test_a_host_that_is_no_address_is_nonsense(kind, made, host):
    with pytest.raises(ProtocolError):
        kind.unpack(made(host=host))


@answers
def test_a_group_that_is_not_ascii_is_nonsense(kind, made):
    with pytest.raises(ProtocolError):
        kind.unpack(made(group="grüpp1".encode()))


@pytest.mark.parametrize("path", [0, 1, 127, 128, 255])
def test_the_store_path_is_sent_on_as_it_came(path):
    placement = Placement.unpack(placement_bytes(path=path))

    head = UploadHead(placement.store_path, 3, "bin")

    assert packed_head(head) == bytes([path]) + struct.pack(">q", 3) + b"bin\0\0\0"


def test_any_store_path_is_the_byte_of_ones():
    assert packed_head(UploadHead(STORE_PATH_ANY, 0, "")) == b"\xff" + bytes(14)


@answers
def test_an_address_that_the_narrow_form_cannot_hold_is_not_cut_to_another(kind, made):
    answer = kind.unpack(made(host=b"2001:db8::1:2345", width=45))

    with pytest.raises((FastDFSError, ValueError, struct.error)):
        answer.pack(Width.NARROW)


def test_a_source_that_does_not_fit_makes_no_file_info_of_another_length():
    info = FileInfo(11, 1795471745, 5, "fd00:1234:5678:9abc:def0:1234:5678:9abc")

    with pytest.raises((FastDFSError, ValueError, struct.error)):
        info.pack(16)


@pytest.mark.parametrize("width", [16, 46])
@pytest.mark.parametrize(
    ("crc32", "wire"),
    [
        (0, 0),
        (1, 1),
        (0x7FFFFFFF, 0x7FFFFFFF),
        (0x80000000, -0x80000000),
        (0xA684C7C6, 0xA684C7C6 - (1 << 32)),
        (0xFFFFFFFF, -1),
    ],
)
def test_the_crc_travels_sign_extended(crc32, wire, width):
    info = FileInfo.unpack(info_bytes(crc32=wire, width=width))

    assert info == FileInfo(11, 1795471745, crc32, "10.77.0.21")
    assert info.pack(width) == info_bytes(crc32=wire, width=width)


@pytest.mark.parametrize("crc32", [0x80000000, 0xA684C7C6, 0xFFFFFFFF])
def test_a_crc_that_was_not_sign_extended_is_read_the_same(crc32):
    assert FileInfo.unpack(info_bytes(crc32=crc32)).crc32 == crc32


@pytest.mark.parametrize(
    ("source", "width", "read"),
    [
        (b"", 16, ""),
        (b"10.77.0.21\0old", 16, "10.77.0.21"),
        (b"2001:db8::1:2345", 16, "2001:db8::1:2345"),
        (b"fd00:1234:5678:9abc:def0:1234:5678:9abc\0old", 46, "fd00:1234:5678:9abc:def0:1234:5678:9abc"),
    ],
)
def test_the_source_of_file_info_may_be_empty_full_or_stale(source, width, read):
    assert FileInfo.unpack(info_bytes(source=source, width=width)).source == read


@pytest.mark.parametrize("size", [0, 1 << 32, (1 << 63) - 1])
def test_file_info_takes_every_size_a_file_can_have(size):
    assert FileInfo.unpack(info_bytes(size=size)).size == size


@pytest.mark.parametrize("broken", [{"size": -1}, {"size": -(1 << 63)}, {"source": b"\xff"}], ids=repr)
def test_nonsensical_file_info_is_refused(broken):
    with pytest.raises(ProtocolError):
        FileInfo.unpack(info_bytes(**broken))


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        ("000000000000001a 0b 00", (26, 11, 0)),
        ("0000000000000000 64 16", (0, 100, 22)),
        ("ffffffffffffffff 64 00", (-1, 100, 0)),
        ("8000000000000000 64 ff", (-(1 << 63), 100, 255)),
        ("7fffffffffffffff ff 00", ((1 << 63) - 1, 255, 0)),
    ],
)
def test_a_header_is_length_command_and_status(raw, header):
    assert Header.unpack(bytes.fromhex(raw)) == header
    assert Header(*header).pack() == bytes.fromhex(raw)


def test_sizes_that_others_build_on_are_those_of_the_protocol():
    assert (HEADER_BYTES, UPLOAD_HEAD_BYTES) == (10, 15)
    assert (Width.NARROW, Width.WIDE) == (15, 45)
    assert bytes.fromhex("0000000000000000 64 16") == INVALID


def test_an_announced_file_counts_in_the_length():
    packet = upload_request(Command.UPLOAD_FILE, 1, 5 << 30, "tar.gz")

    assert packet[:10] == struct.pack(">qBB", 15 + (5 << 30), 11, 0)
    assert packet[10:] == b"\1" + struct.pack(">q", 5 << 30) + b"tar.gz"


# --- too little, too much -----------------------------------------------------------------------

FIXED: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "header": (Header.unpack, struct.pack(">qBB", 40, 100, 0)),
    "group": (unpack_group, field(b"group1", 16)),
    "narrow placement": (Placement.unpack, placement_bytes()),
    "wide placement": (Placement.unpack, placement_bytes(width=45)),
    "narrow location": (Location.unpack, location_bytes()),
    "wide location": (Location.unpack, location_bytes(width=45)),
    "narrow info": (FileInfo.unpack, info_bytes()),
    "wide info": (FileInfo.unpack, info_bytes(width=46)),
    "upload head": (UploadHead.unpack, bytes([0]) + struct.pack(">q", 11) + b"jpg\0\0\0"),
}
# What ends in a name of any length: (reader, bytes, where the part of fixed length ends).
OPEN: dict[str, tuple[Callable[[bytes], Any], bytes, int]] = {
    "file query": (FileQuery.unpack, field(b"group1", 16) + NAME.encode(), 16),
    "storage query": (StorageQuery.unpack, field(b"group1", 16) + b"10.77.0.21", 16),
    "download request": (DownloadRequest.unpack, bytes(16) + field(b"group1", 16) + NAME.encode(), 32),
    "new file": (unpack_file_id, field(b"group1", 16) + NAME.encode(), 16 + 38),
}


@pytest.mark.parametrize(("unpack", "body"), FIXED.values(), ids=FIXED.keys())
def test_a_body_cut_off_anywhere_is_nonsense(unpack, body):
    narrower = {40} if body == info_bytes(width=46) else set()  # only the length tells the widths apart
    unpack(body)

    for end in sorted(set(range(len(body))) - narrower):
        with pytest.raises(ProtocolError):
            unpack(body[:end])


@pytest.mark.parametrize(("unpack", "body"), FIXED.values(), ids=FIXED.keys())
@pytest.mark.parametrize("junk", [b"\0", b"x", b"\xff" * 10, bytes(31), bytes(1000)])
def test_a_body_with_junk_behind_it_is_nonsense(unpack, body, junk):
    with pytest.raises(ProtocolError):
        unpack(body + junk)


@pytest.mark.parametrize("made", [placement_bytes, location_bytes])
def test_a_narrow_answer_blown_up_to_the_wide_length_is_no_wide_one(made):
    kind = Placement if made is placement_bytes else Location

    with pytest.raises(ProtocolError):
        kind.unpack(made() + bytes(30))


@pytest.mark.parametrize(("unpack", "body", "fixed"), OPEN.values(), ids=OPEN.keys())
def test_a_body_that_ends_in_a_name_is_nonsense_before_the_name(unpack, body, fixed):
    unpack(body)

    for end in range(fixed):
        with pytest.raises(ProtocolError):
            unpack(body[:end])


@pytest.mark.parametrize(("unpack", "body", "fixed"), OPEN.values(), ids=OPEN.keys())
@pytest.mark.parametrize("junk", [b"\xff", "é".encode(), b"\x80\0"])
def test_a_name_that_is_not_ascii_is_nonsense(unpack, body, fixed, junk):
    with pytest.raises(ProtocolError):
        unpack(body + junk)


@pytest.mark.parametrize(("unpack", "body", "fixed"), OPEN.values(), ids=OPEN.keys())
def test_a_nul_ends_a_name(unpack, body, fixed):
    assert unpack(body + b"\0\xffjunk") == unpack(body)


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"M00/00/0F/../../../../../../../../etc/passwd",
        b"../../../../etc/passwd/////////////////////",
        NAME.lower().encode(),
        NAME.encode() + b"/",
        NAME.encode() + b"\n",
        NAME.encode() + b"x" * 84,
        b"00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt",
        b"http://evil.example/" + NAME.encode(),
    ],
)
def test_a_new_file_with_a_name_that_is_no_id_is_nonsense(name):
    with pytest.raises(ProtocolError):
        unpack_file_id(field(b"group1", 16) + name)


@pytest.mark.parametrize("group", [b"", b"gr/oup", b"..", b"group_1", b"\xff"])
def test_a_new_file_in_what_is_no_group_is_nonsense(group):
    with pytest.raises(ProtocolError):
        unpack_file_id(field(group, 16) + NAME.encode())


def test_a_new_file_in_a_group_of_sixteen_characters_is_read():
    assert str(unpack_file_id(b"G" * 16 + NAME.encode())) == f"{'G' * 16}/{NAME}"


# --- what a caller may not send -----------------------------------------------------------------


@pytest.mark.parametrize(
    "pack",
    [
        pack_group,
        lambda group: FileQuery(group, NAME).pack(),
        lambda group: StorageQuery(group).pack(),
        lambda group: Placement(group, Address("10.77.0.21", PORT), 0).pack(),
        lambda group: Location(group, Address("10.77.0.21", PORT)).pack(),
    ],
    ids=["group", "file query", "storage query", "placement", "location"],
)
@pytest.mark.parametrize(
    "group", ["", "g" * 17, "group_1", "gr oup", "grüpp1", "group1\0", "group1\n", "../x", "１"]
)
def test_what_is_no_group_name_is_not_sent(pack, group):
    with pytest.raises(InvalidArgumentError, match=re.escape(repr(group))):
        pack(group)


@pytest.mark.parametrize(("group", "raw"), [("g", b"g" + bytes(15)), ("G" * 16, b"G" * 16)])
def test_a_group_name_is_padded_to_sixteen_bytes(group, raw):
    assert pack_group(group) == raw
    assert unpack_group(raw) == group


@pytest.mark.parametrize("extension", ["sevenly", "a/b", "a b", "jpg\0", "jpg\n", "jpé", "图"])
def test_what_is_no_extension_is_not_sent(extension):
    with pytest.raises(InvalidArgumentError, match=re.escape(repr(extension))):
        upload_request(Command.UPLOAD_FILE, 0, 1, extension)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"", ""),
        (b"\0abc", ""),
        (b"abc", "abc"),
        (b"abc\0", "abc"),
        (b"a\0\xff\0d", "a"),
        (b"a b\n", "a b\n"),
    ],
)
def test_a_text_ends_at_the_first_nul(raw, read):
    assert text(raw) == read


@pytest.mark.parametrize("raw", [b"\xff", b"abc\x80", "é\0".encode()])
def test_a_text_that_is_not_ascii_is_nonsense(raw):
    with pytest.raises(ProtocolError):
        text(raw)


# --- addresses as users write them --------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("10.77.0.11", "10.77.0.11", 22122),
        ("10.77.0.11:23000", "10.77.0.11", 23000),
        (" 10.77.0.11:23000\n", "10.77.0.11", 23000),
        ("tracker", "tracker", 22122),
        ("tracker-1.example.com:1", "tracker-1.example.com", 1),
        ("fdfs_tracker:65535", "fdfs_tracker", 65535),
        ("[::1]", "::1", 22122),
        ("[2001:db8::11]:23000", "2001:db8::11", 23000),
        ("[::ffff:10.77.0.11]:23000", "::ffff:10.77.0.11", 23000),
    ],
)
def test_an_address_is_read_as_users_write_it(where, host, port):
    address = Address.parse(where, 22122)

    assert address == (host, port)
    assert Address.parse(str(address), 1) == address


@pytest.mark.parametrize(
    "where",
    [
        "",
        " ",
        ":22122",
        "tracker:",
        "tracker:0",
        "tracker:65536",
        "tracker:99999",
        "tracker:-1",
        "tracker:+1",
        "tracker:22122x",
        "tracker:１",
        "tracker: 22122",
        "tracker:1:2",
        "::1",
        "::1:22122",
        "[::1",
        "::1]",
        "[]",
        "[]:22122",
        "[::1]22122",
        "[tracker]:22122",
        "a b",
        "a,b:22122",
        "http://tracker:22122",
        "user@tracker",
        "tracker/x",
        "tracker\0",
    ],
)
def test_what_is_no_address_is_refused_with_what_was_written(where):
    with pytest.raises(InvalidArgumentError, match=re.escape(repr(where))):
        Address.parse(where, 22122)


@pytest.mark.parametrize("where", ["[:::]:22122", "[dead:beef]", "[.]", "[1::2::3]", "[12345::]"])
def test_what_stands_in_brackets_is_an_ipv6_address(where):
    with pytest.raises(InvalidArgumentError, match=re.escape(repr(where))):
        Address.parse(where, 22122)


def test_addresses_are_shown_as_they_are_written():
    assert str(Address("10.77.0.11", 22122)) == "10.77.0.11:22122"
    assert str(Address("2001:db8::11", 22122)) == "[2001:db8::11]:22122"


# --- any bytes, any values ----------------------------------------------------------------------

READERS = [unpack for unpack, _ in FIXED.values()] + [unpack for unpack, _, _ in OPEN.values()]
LENGTHS = sorted({len(body) for _, body in FIXED.values()} | {len(body) for _, body, _ in OPEN.values()})
BODIES = [body for _, body in FIXED.values()] + [body for _, body, _ in OPEN.values()]
of_a_right_length = st.sampled_from(LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size))
spoilt = st.tuples(st.sampled_from(BODIES), st.integers(0, 70), st.binary(max_size=9)).map(
    lambda edit: edit[0][: edit[1]] + edit[2] + edit[0][edit[1] + len(edit[2]) :]
)

groups = st.from_regex(r"[A-Za-z0-9]{1,16}", fullmatch=True)
ports = st.integers(1, 65535)
hosts = st.integers(0, (1 << 32) - 1).map(lambda number: str(IPv4Address(number)))
wide_hosts = st.one_of(hosts, st.integers(0, (1 << 128) - 1).map(lambda number: str(IPv6Address(number))))
names = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=127)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)


@patient
@given(st.one_of(st.binary(max_size=100), of_a_right_length, spoilt), st.sampled_from(READERS))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(body, unpack):
    with contextlib.suppress(ProtocolError):
        unpack(body)


@patient
@given(st.one_of(of_a_right_length, spoilt), st.sampled_from([Placement.unpack, Location.unpack]))
def test_what_is_read_of_a_server_can_be_dialled(body, unpack):
    with contextlib.suppress(ProtocolError):
        host, port = unpack(body).address

        (IPv6Address if ":" in host else IPv4Address)(host)
        assert 0 < port < 65536


@patient
@given(int64, st.integers(0, 255), st.integers(0, 255))
def test_headers_are_packed_and_read_back(length, command, status):
    packed = Header(length, command, status).pack()

    assert packed == length.to_bytes(8, "big", signed=True) + bytes([command, status])
    assert Header.unpack(packed) == (length, command, status)


@patient
@given(groups, wide_hosts, ports, st.integers(0, 255))
def test_wide_placements_are_packed_and_read_back(group, host, port, path):
    placement = Placement(group, Address(host, port), path)

    packed = placement.pack(Width.WIDE)

    assert packed == placement_bytes(group.encode(), host.encode(), port, path, 45)
    assert Placement.unpack(packed) == placement


@patient
@given(groups, hosts, ports, st.integers(0, 255))
def test_narrow_placements_are_packed_and_read_back(group, host, port, path):
    placement = Placement(group, Address(host, port), path)

    packed = placement.pack()

    assert packed == placement_bytes(group.encode(), host.encode(), port, path)
    assert Placement.unpack(packed) == placement


@patient
@given(groups, wide_hosts, ports)
def test_wide_locations_are_packed_and_read_back(group, host, port):
    location = Location(group, Address(host, port))

    packed = location.pack(Width.WIDE)

    assert packed == location_bytes(group.encode(), host.encode(), port, 45)
    assert Location.unpack(packed) == location


@patient
@given(groups, hosts, ports)
def test_narrow_locations_are_packed_and_read_back(group, host, port):
    location = Location(group, Address(host, port))

    packed = location.pack()

    assert packed == location_bytes(group.encode(), host.encode(), port)
    assert Location.unpack(packed) == location


LAST_SECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp())


@pytest.mark.parametrize("modified", [-1, LAST_SECOND + 1, 1 << 62])
def test_a_time_that_no_calendar_has_is_nonsense(modified):
    with pytest.raises(ProtocolError):
        FileInfo.unpack(info_bytes(1, modified, 0, b"10.77.0.21"))


@patient
@given(st.integers(0, (1 << 63) - 1), st.integers(0, LAST_SECOND), st.integers(0, 0xFFFFFFFF), hosts)
def test_file_infos_are_packed_and_read_back(size, modified, crc32, source):
    info = FileInfo(size, modified, crc32, source)

    packed = info.pack()

    signed = struct.unpack(">i", crc32.to_bytes(4, "big"))[0]
    assert packed == info_bytes(size, modified, signed, source.encode())
    assert FileInfo.unpack(packed) == info


@patient
@given(groups, names)
def test_file_and_storage_queries_are_packed_and_read_back(group, name):
    for kind in (FileQuery, StorageQuery):
        packed = kind(group, name).pack()

        assert packed == field(group.encode(), 16) + name.encode()
        assert kind.unpack(packed) == (group, name)


@patient
@given(int64, int64, groups, names)
def test_download_requests_are_packed_and_read_back(offset, count, group, name):
    asked = DownloadRequest(offset, count, FileQuery(group, name))

    packet = download_request(offset, count, asked.file)

    packed = packet[HEADER_BYTES:]
    assert packet == request(Command.DOWNLOAD_FILE, packed)
    assert packed == struct.pack(">qq", offset, count) + field(group.encode(), 16) + name.encode()
    assert DownloadRequest.unpack(packed) == asked


@patient
@given(st.integers(0, 255), st.integers(0, 1 << 62), st.from_regex(r"[A-Za-z0-9._-]{0,6}", fullmatch=True))
def test_upload_heads_are_packed_and_read_back(path, size, extension):
    packed = packed_head(UploadHead(path, size, extension))

    assert packed == bytes([path]) + struct.pack(">q", size) + field(extension.encode(), 6)
    assert UploadHead.unpack(packed) == (path, size, extension)


@patient
@given(st.sampled_from(list(Command)), st.binary(max_size=50), st.integers(0, 255), st.integers(0, 1 << 62))
def test_a_packet_is_a_header_and_its_body(command, body, status, data_bytes):
    asked = request(command, body, status=status, data_bytes=data_bytes)

    assert asked == struct.pack(">qBB", len(body) + data_bytes, command.value, status) + body
    assert reply(body, data_bytes=data_bytes) == struct.pack(">qBB", len(body) + data_bytes, 100, 0) + body
    assert refusal(status) == struct.pack(">qBB", 0, 100, status)


# --- the house rule -----------------------------------------------------------------------------


def test_no_test_of_this_folder_can_open_a_socket():
    with pytest.raises(AssertionError, match="opened a socket"):
        socket.create_connection(("127.0.0.1", 9))
