"""Metadata, from the outside, and the blocks themselves: PROTOCOL 5.5."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.metadata import join, merged, ordered, split
from fdfs_storage.fastdfs.statistics import unpack_storages

from .wire import DELETE, GET_METADATA, LIST_STORAGE, SET_METADATA, Body, Wire, group, metadata

MISSING = b"M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA000.jpg"


@pytest.fixture
def name(storage: Wire) -> bytes:
    return storage.store(b"meow")


def stored(storage: Wire, name: bytes) -> bytes | None:
    """Return a file's metadata; None where it has none."""
    answer = storage.ask(GET_METADATA, group() + name)
    assert answer.status in (0, 2)
    return None if answer.status else answer.body


# --- set and get --------------------------------------------------------------------------------


def test_metadata_comes_back_sorted(storage: Wire, name: bytes) -> None:
    assert storage.ask(SET_METADATA, metadata(name, b"width\x02100\x01height\x02200")) == (0, b"")

    assert stored(storage, name) == b"height\x02200\x01width\x02100"


def test_it_lies_beside_the_file_for_anyone_to_read(
    embedded: EmbeddedCluster, storage: Wire, name: bytes
) -> None:
    before = os.umask(0o077)
    try:
        storage.ask(SET_METADATA, metadata(name, b"a\2b"))
    finally:
        os.umask(before)

    path = embedded.volume.data / (name[4:].decode() + "-m")
    assert path.read_bytes() == b"a\2b"
    assert path.stat().st_mode & 0o777 == 0o644


def test_other_metadata_replaces_it_or_is_merged_into_it(storage: Wire, name: bytes) -> None:
    storage.ask(SET_METADATA, metadata(name, b"a\0021\1b\0022"))
    storage.ask(SET_METADATA, metadata(name, b"c\0023\1b\0020", b"M"))
    assert stored(storage, name) == b"a\0021\1b\0020\1c\0023"

    storage.ask(SET_METADATA, metadata(name, b"z\0029"))
    assert stored(storage, name) == b"z\0029"


def test_merging_may_come_first(storage: Wire, name: bytes) -> None:
    storage.ask(SET_METADATA, metadata(name, b"b\0022\1a\0021", b"M"))

    assert stored(storage, name) == b"a\0021\1b\0022"


def test_nothing_replaces_everything_and_is_merged_into_anything(storage: Wire, name: bytes) -> None:
    storage.ask(SET_METADATA, metadata(name, b"a\0021"))

    assert storage.ask(SET_METADATA, metadata(name, b"", b"M")) == (0, b"")
    assert stored(storage, name) == b"a\0021"
    assert storage.ask(SET_METADATA, metadata(name, b"", b"O")) == (0, b"")
    assert stored(storage, name) is None
    assert storage.ask(SET_METADATA, metadata(name, b"", b"O")) == (0, b"")
    assert storage.ask(SET_METADATA, metadata(name, b"", b"M")) == (0, b"")
    assert stored(storage, name) is None


def test_a_block_may_fill_the_storages_buffer(storage: Wire, name: bytes) -> None:
    head = 10 + 17 + 16 + len(name)
    largest = b"k\2" + b"v" * (262_143 - head - 2)

    assert storage.ask(SET_METADATA, metadata(name, largest)).status == 0
    assert len(stored(storage, name) or b"") == len(largest)
    assert storage.ask(SET_METADATA, metadata(name, largest + b"v")) == (22, b"")
    assert storage.ends()


def test_the_metadata_of_a_deleted_file_is_gone(storage: Wire, name: bytes) -> None:
    storage.ask(SET_METADATA, metadata(name, b"a\2b"))

    storage.ask(DELETE, group() + name)

    assert stored(storage, name) is None
    assert storage.ask(SET_METADATA, metadata(name, b"a\2b")) == (2, b"")
    assert storage.lives()


def test_each_is_counted(storage: Wire, tracker: Wire, name: bytes) -> None:
    stored(storage, name)
    storage.ask(SET_METADATA, metadata(name, b"a\2b"))
    storage.ask(SET_METADATA, metadata(MISSING, b"a\2b"))
    stored(storage, name)

    (stat,) = unpack_storages(tracker.ask(LIST_STORAGE, group()).body)

    assert (stat.set_metadata_total, stat.set_metadata_success) == (1, 1)
    assert (stat.get_metadata_total, stat.get_metadata_success) == (1, 1)
    assert (stat.upload_total, stat.delete_total) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        lambda name: b"",
        lambda name: bytes(33),
        lambda name: metadata(name, b"a\2b", b"X"),
        lambda name: metadata(name, b"a\2b", b"o"),
        lambda name: metadata(name, b"a\2b")[:-1],
        lambda name: metadata(name, b"a\2b") + b"x",
        lambda name: metadata(name, b"a\2b", within=group("group2")),
        lambda name: metadata(b"", b"a\2b"),
        lambda name: metadata(name + b"x" * 84, b"a\2b"),
        lambda name: metadata(b"M01" + name[3:], b"a\2b"),
        lambda name: metadata(b"M00/00/00/..", b"a\2b"),
        lambda name: metadata(b"M00/00/00/../../x", b"a\2b"),
    ],
)
def test_what_makes_no_sense_is_refused_and_the_connection_closed(
    storage: Wire, name: bytes, body: Body
) -> None:
    assert storage.ask(SET_METADATA, body(name)) == (22, b"")
    assert storage.ends()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (group() + MISSING, 2),
        (group() + b"M00/00/00/..", 2),
        (group("group2") + MISSING, 22),
        (group() + b"M00/00/00/../../x", 22),
        (group(), 22),
        (b"", 22),
    ],
)
def test_where_there_is_no_file_there_is_no_metadata(storage: Wire, body: bytes, status: int) -> None:
    assert storage.ask(GET_METADATA, body) == (status, b"")


def test_what_is_no_file_is_no_metadata(embedded: EmbeddedCluster, storage: Wire, name: bytes) -> None:
    (embedded.volume.data / (name[4:].decode() + "-m")).mkdir()

    assert storage.ask(GET_METADATA, group() + name) == (21, b"")


# --- blocks; the expected ones were asked of a 6.16.1 storage ------------------------------------


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"b\0021\1a\0022", b"a\0022\1b\0021"),
        (b"b\0021\1B\0022\1a\0023\1A\0024", b"A\0024\1B\0022\1a\0023\1b\0021"),
        (b"\xff\2v\1a\2b\1\x80\2c", b"a\2b\1\x80\2c\1\xff\2v"),
        (b"a\0021\1a\0022\1a\0023", b"a\0021\1a\0022\1a\0023"),
        (b"a\2b\2c", b"a\2b\2c"),
        (b"\2v\1a\2", b"\2v\1a\2"),
        (b"a\0021\1", b"a\0021\0"),
        (b"bad\1k\2v", b"k\2v\0k\2v"),
        (b"k\2v\1bad\1a\2b\1", b"a\2b\1k\2v\0a\2b\0"),
        (b"bad", b"bad"),
        (b"b\0021\0c\0022\1a\0023", b"b\0021\0c\0022\1a\0023"),
        (b"k" * 70 + b"\2v", b"k" * 64 + b"\2v\0kkk\2v"),
        (b"a\2" + b"v" * 300 + b"\1b\2c", b"a\2" + b"v" * 256 + b"\1b\2c\0" + b"v" * 39 + b"\0b\2c"),
    ],
)
def test_a_block_is_sorted_in_place(block: bytes, expected: bytes) -> None:
    assert ordered(block) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"a\0021\1c\0023", b"b\0022", b"a\0021\1b\0022\1c\0023"),
        (b"a\0021\1a\0022", b"a\2x", b"a\2x\1a\0022"),
        (b"a\0021\1b\0022", b"a\2x\1a\2y", b"a\2x\1a\2y\1b\0022"),
        (b"k\2v", b"bad\1c\2d", b"c\2d\1k\2v"),
        (b"k\2v\0k\2v", b"a\0021", b"a\0021\1k\2v"),
    ],
)
def test_two_blocks_are_merged(old: bytes, new: bytes, expected: bytes) -> None:
    assert merged(old, new) == expected


BLOCKS = st.lists(st.sampled_from([b"a", b"b", b"\1", b"\2", b"\0", b"k" * 70, b"v" * 300]), max_size=12).map(
    b"".join
)
CLEAN = st.dictionaries(
    st.text("abc", max_size=5).map(str.encode), st.text("xyz", max_size=5).map(str.encode), min_size=1
)


@given(BLOCKS)
def test_sorting_keeps_the_length_and_is_done_once(block: bytes) -> None:
    assert len(ordered(block)) == len(block)
    assert split(ordered(block)) == sorted(split(block), key=lambda record: record[0])
    assert ordered(ordered(block)) == ordered(block)


@given(CLEAN, CLEAN)
def test_merging_clean_blocks_is_what_a_dictionary_does(
    old: dict[bytes, bytes], new: dict[bytes, bytes]
) -> None:
    before = ordered(join(list(old.items())))

    assert split(merged(before, join(list(new.items())))) == sorted({**old, **new}.items())


@given(BLOCKS, BLOCKS)
def test_any_two_blocks_can_be_merged(old: bytes, new: bytes) -> None:
    assert {key for key, _ in split(merged(old, new))} >= {key for key, _ in split(new)}
