"""Packets that change a file: against PROTOCOL 5.3-5.5, byte by byte, and against the recordings."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import InvalidArgumentError, ProtocolError
from fdfs_storage.fastdfs.protocol import FileQuery
from fdfs_storage.fastdfs.updates import (
    AppendHead,
    MetadataFlag,
    ModifyHead,
    SetMetadata,
    SlaveHead,
    TruncateRequest,
    pack_metadata,
    require_prefix,
    unpack_metadata,
    valid_prefix,
)

from .recordings import EXCHANGES, RECORDINGS, Exchange, each, recorded

NAME = "M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"
RAW = NAME.encode()
LENGTH = bytes(7) + b"\x2c"  # 44, in eight bytes
SLAVE, SET_METADATA, APPEND, MODIFY, TRUNCATE = 21, 13, 24, 34, 36

# --- vectors, laid out by hand after the tables of PROTOCOL 5 -----------------------------------

VECTORS = [
    (
        SlaveHead(NAME, 9, "_100x100", "jpg"),
        LENGTH + bytes(7) + b"\x09_100x100" + bytes(8) + b"jpg\0\0\0" + RAW,
    ),
    (SlaveHead(NAME, 0, "p" * 16, "tar.gz"), LENGTH + bytes(8) + b"p" * 16 + b"tar.gz" + RAW),
    (SlaveHead(NAME, 1, "-m", "a"), LENGTH + bytes(7) + b"\x01-m" + bytes(14) + b"a" + bytes(5) + RAW),
    (AppendHead(NAME, 3), LENGTH + bytes(7) + b"\x03" + RAW),
    (AppendHead(NAME, 1 << 40), LENGTH + b"\0\0\1\0\0\0\0\0" + RAW),
    (ModifyHead(NAME, 258, 3), LENGTH + bytes(6) + b"\1\2" + bytes(7) + b"\x03" + RAW),
]


@pytest.mark.parametrize(("head", "packed"), VECTORS)
def test_a_head_is_laid_out_as_documented(head: SlaveHead | AppendHead | ModifyHead, packed: bytes) -> None:
    assert head.pack() == packed
    assert type(head).unpack(packed + b"content") == (head, b"content")


def test_a_truncation_is_laid_out_as_documented() -> None:
    packed = LENGTH + bytes(7) + b"\x05" + RAW

    assert TruncateRequest(NAME, 5).pack() == packed
    assert TruncateRequest.unpack(packed) == (NAME, 5)


@pytest.mark.parametrize(("flag", "letter"), [(MetadataFlag.OVERWRITE, b"O"), (MetadataFlag.MERGE, b"M")])
def test_metadata_is_laid_out_as_documented(flag: MetadataFlag, letter: bytes) -> None:
    request = SetMetadata(FileQuery("group1", NAME), flag.value, b"a\2b")
    packed = LENGTH + bytes(7) + b"\x03" + letter + b"group1" + bytes(10) + RAW + b"a\2b"

    assert request.pack() == packed
    assert SetMetadata.unpack(packed) == request


# --- recordings ---------------------------------------------------------------------------------

# What a client of ours would never send, so that it cannot be packed.
NOT_SENT = {"st_slave_dash_m", "st_slave_empty_prefix", "st_slave_bad_prefix"}
HEADS: dict[int, type[SlaveHead | AppendHead | ModifyHead]] = {
    SLAVE: SlaveHead,
    APPEND: AppendHead,
    MODIFY: ModifyHead,
}


@each([e for e in EXCHANGES if e.command in HEADS and e.case not in NOT_SENT])
def test_a_recorded_head_is_read_and_written_again(exchange: Exchange) -> None:
    head, content = HEADS[exchange.command].unpack(exchange.body)

    assert head.pack() + content == exchange.body
    if exchange.status == 0:
        assert head.size == len(content)


@each([e for e in EXCHANGES if e.command == TRUNCATE])
def test_a_recorded_truncation_is_read_and_written_again(exchange: Exchange) -> None:
    assert TruncateRequest.unpack(exchange.body).pack() == exchange.body


@each([e for e in EXCHANGES if e.command == SET_METADATA and e.case != "st_meta_len_mismatch"])
def test_recorded_metadata_is_read_and_written_again(exchange: Exchange) -> None:
    assert SetMetadata.unpack(exchange.body).pack() == exchange.body


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recorded_lengths_that_do_not_add_up_are_seen(recording: str) -> None:
    with pytest.raises(ProtocolError, match="do not add up"):
        SetMetadata.unpack(recorded(recording, "st_meta_len_mismatch").body)


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("st_meta_get", {"height": "200", "width": "100"}),
        ("st_meta_get_merged", {"height": "999", "width": "100", "zz": "last"}),
        ("st_meta_get_trailing_sep", {"a": "1"}),
    ],
)
def test_recorded_metadata_is_understood(recording: str, case: str, expected: dict[str, str]) -> None:
    assert unpack_metadata(recorded(recording, case).answer) == expected


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_recorded_block_is_the_one_we_would_send(recording: str) -> None:
    sent = SetMetadata.unpack(recorded(recording, "st_meta_set_overwrite").body)

    assert sent.block == pack_metadata({"width": "100", "height": "200"})
    assert sent.flag == MetadataFlag.OVERWRITE.value


# --- slave names --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["_100x100", "a", ".", "-", "-m.", "A.b-c_D9", "p" * 16])
def test_a_prefix_storages_take(prefix: str) -> None:
    assert valid_prefix(prefix)
    require_prefix(prefix, "jpg")
    require_prefix(prefix, "")


@pytest.mark.parametrize("prefix", ["", "a/b", "a b", "p" * 17, "ä", "a\n", "a\0", "/"])
def test_a_prefix_storages_refuse(prefix: str) -> None:
    assert not valid_prefix(prefix)
    with pytest.raises(InvalidArgumentError, match="prefix"):
        SlaveHead(NAME, 1, prefix, "jpg").pack()


@pytest.mark.parametrize("extension", ["toolong", "a/b", "a b", "ä"])
def test_an_extension_storages_refuse(extension: str) -> None:
    with pytest.raises(InvalidArgumentError, match="extension"):
        require_prefix("_a", extension)


def test_the_name_of_the_masters_metadata_is_no_slave() -> None:
    with pytest.raises(InvalidArgumentError, match="metadata"):
        require_prefix("-m", "")


# --- what does not fit --------------------------------------------------------------------------

UNPACKERS: list[tuple[Callable[[bytes], object], int]] = [
    (SlaveHead.unpack, 38),
    (AppendHead.unpack, 16),
    (ModifyHead.unpack, 24),
    (TruncateRequest.unpack, 16),
    (SetMetadata.unpack, 17),
]


@pytest.mark.parametrize(("unpack", "size"), UNPACKERS)
def test_a_head_cut_at_any_place_is_refused(unpack: Callable[[bytes], object], size: int) -> None:
    whole = LENGTH + bytes(size - 8) + RAW
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            unpack(whole[:length])


@pytest.mark.parametrize(("unpack", "size"), UNPACKERS)
@pytest.mark.parametrize("length", [-1, 45, 2**63 - 1, -(2**63)])
def test_a_name_that_is_not_there_is_refused(
    unpack: Callable[[bytes], object], size: int, length: int
) -> None:
    with pytest.raises(ProtocolError):
        unpack(struct.pack(">q", length) + bytes(size - 8) + RAW)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for unpack, _ in UNPACKERS:
        try:
            unpack(body)
        except ProtocolError:
            continue


NAMES = st.text("ABCabc019/._-", min_size=11, max_size=127)
SIZES = st.integers(0, 2**63 - 1)


@given(NAMES, SIZES, SIZES, st.binary(max_size=50))
def test_what_was_packed_is_unpacked(name: str, offset: int, size: int, content: bytes) -> None:
    for head in (AppendHead(name, size), ModifyHead(name, offset, size), SlaveHead(name, size, "_s", "jpg")):
        assert type(head).unpack(head.pack() + content) == (head, content)
    assert TruncateRequest.unpack(TruncateRequest(name, size).pack()) == (name, size)
    request = SetMetadata(FileQuery("group1", name), b"M", content)
    assert SetMetadata.unpack(request.pack()) == request


# --- metadata -----------------------------------------------------------------------------------

CLEAN = st.characters(codec="utf-8", exclude_characters="\0\1\2")
METADATA = st.dictionaries(st.text(CLEAN, min_size=1, max_size=16), st.text(CLEAN, max_size=64))


@given(METADATA)
def test_metadata_comes_back(metadata: dict[str, str]) -> None:
    assert unpack_metadata(pack_metadata(metadata)) == metadata


@given(st.binary(max_size=100))
def test_any_block_is_read(block: bytes) -> None:
    for key, value in unpack_metadata(block).items():
        key.encode("utf-8", "surrogateescape")
        assert "\0" not in value


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", {}),
        (b"a\2b", {"a": "b"}),
        (b"a\2b\2c", {"a": "b\2c"}),
        (b"a\2\1\2b", {"a": "", "": "b"}),
        (b"k\2v\0k\2v", {"k": "v"}),
        (b"key", {"key": ""}),
        (b"a\2b\1", {"a": "b"}),
        (b"a\2\xff", {"a": "\udcff"}),
        ("名\2图片".encode(), {"名": "图片"}),
    ],
)
def test_a_block_is_read_as_storages_keep_it(block: bytes, expected: dict[str, str]) -> None:
    assert unpack_metadata(block) == expected


def test_records_are_joined_in_their_order_and_without_an_end() -> None:
    assert pack_metadata({"b": "2", "a": "1", "": ""}) == b"b\0022\1a\0021\1\2"
    assert pack_metadata({}) == b""


@pytest.mark.parametrize("metadata", [{"k" * 64: "v" * 256}, {"ä" * 32: "ä" * 128}])
def test_the_longest_that_storages_keep_is_taken(metadata: dict[str, str]) -> None:
    assert unpack_metadata(pack_metadata(metadata)) == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 65: ""},
        {"k": "v" * 257},
        {"ä" * 33: ""},
        {"k": "ä" * 129},
        {"\ud800": ""},
        {"k": "\ud800"},
        *[{f"a{c}b": ""} for c in "\0\1\2"],
        *[{"k": f"a{c}b"} for c in "\0\1\2"],
        {"k": 5},
        {5: "v"},
        {"k": b"v"},
        {"k": None},
    ],
)
def test_what_a_storage_would_cut_or_confuse_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidArgumentError, match="metadata"):
        pack_metadata(metadata)


def test_a_request_may_fill_the_storages_buffer_and_no_more() -> None:
    file = FileQuery("group1", NAME)
    most = 262_143 - 10 - 17 - 16 - 44

    assert len(SetMetadata(file, b"O", bytes(most)).pack()) == 262_133
    with pytest.raises(InvalidArgumentError, match="more than a storage takes"):
        SetMetadata(file, b"O", bytes(most + 1)).pack()
