from __future__ import annotations

import contextlib
import dataclasses
import struct
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import FastDFSError, ProtocolError
from fdfs_storage.fastdfs.protocol import Address, Width
from fdfs_storage.fastdfs.statistics import GroupStat, Status, StorageStat, unpack_groups, unpack_storages

from .recordings import ADDRESSES, PORT, RECORDINGS, recorded, replies

patient = settings(deadline=None)  # a busy machine is no failure

# --- the tables of PROTOCOL 4.2 and 4.3, copied column by column --------------------------------

Columns = dict[str, tuple[int, int]]  # attribute: offset, size

GROUP_RELEASES = ("up to 6.12", "6.13.0", "6.13.1 and later")
GROUP_LENGTH = {"up to 6.12": 105, "6.13.0": 105, "6.13.1 and later": 113}
GROUP_TABLE: dict[str, tuple[int | None, int | None, int | None]] = {
    "name": (0, 0, 0),
    "total_mb": (17, 17, 17),
    "free_mb": (25, 25, 25),
    "reserved_mb": (None, None, 33),
    "trunk_free_mb": (33, 33, 41),
    "storage_count": (41, 41, 49),
    "port": (49, 49, 57),
    "(http port)": (57, None, None),
    "(active count)": (65, None, None),
    "readable_count": (None, 57, 65),
    "writable_count": (None, 65, 73),
    "current_write_server": (73, 73, 81),
    "store_path_count": (81, 81, 89),
    "subdir_count": (89, 89, 97),
    "current_trunk_file": (97, 97, 105),
}
GROUP_TEXTS = {"name": 17}

STORAGE_RELEASES = ("5.04-6.10", "6.11", "6.12", "6.13.0", "6.13.1-6.14 and wide", "6.15+ narrow")
STORAGE_LENGTH = dict(zip(STORAGE_RELEASES, (612, 642, 644, 509, 517, 487), strict=True)) | {
    "up to 5.03": 600
}
STORAGE_TABLE: dict[str, tuple[int | None, ...]] = {
    "status": (0, 0, 0, 0, 0, 0),
    "rw_mode": (None, None, None, 1, 1, 1),
    "id": (1, 1, 1, 2, 2, 2),
    "ip": (17, 17, 17, 18, 18, 18),
    "domain": (33, 63, 63, None, None, None),
    "sync_source": (161, 191, 191, 64, 64, 34),
    "version": (177, 207, 207, 80, 80, 50),
    "join_time": (183, 213, 215, 88, 88, 58),
    "up_time": (191, 221, 223, 96, 96, 66),
    "total_mb": (199, 229, 231, 104, 104, 74),
    "free_mb": (207, 237, 239, 112, 112, 82),
    "reserved_mb": (None, None, None, None, 120, 90),
    "upload_priority": (215, 245, 247, 120, 128, 98),
    "store_path_count": (223, 253, 255, 128, 136, 106),
    "subdir_count": (231, 261, 263, 136, 144, 114),
    "current_write_path": (239, 269, 271, 144, 152, 122),
    "port": (247, 277, 279, 152, 160, 130),
    "http_port": (255, 285, 287, None, None, None),
    "(counters)": (263, 293, 295, 160, 168, 138),
    "is_trunk_server": (611, 641, 643, 508, 516, 486),
}
IP_BYTES = dict(zip(STORAGE_RELEASES, (16, 46, 46, 46, 46, 16), strict=True))
VERSION_BYTES = dict(zip(STORAGE_RELEASES, (6, 6, 8, 8, 8, 8), strict=True))
BYTE_FIELDS = {"status", "rw_mode", "is_trunk_server"}

COUNTED = "upload append modify truncate set_metadata delete download get_metadata create_link delete_link"
MEASURED = "upload append modify download sync_in sync_out"
TOUCHED = "file_open file_read file_write"


def _pairs(names: str, first: int, suffix: str = "") -> Columns:
    columns: Columns = {}
    for index, name in enumerate(names.split()):
        columns[f"{name}{suffix}_total"] = (first + 16 * index, 8)
        columns[f"{name}{suffix}_success"] = (first + 16 * index + 8, 8)
    return columns


CONNECTIONS: Columns = {
    "connections_allocated": (0, 4),
    "connections_current": (4, 4),
    "connections_max": (8, 4),
}
TALLIES: Columns = {
    **_pairs(COUNTED, 12),
    **_pairs(MEASURED, 172, "_bytes"),
    **_pairs(TOUCHED, 268),
    "last_source_update": (316, 8),
    "last_sync_update": (324, 8),
    "last_synced": (332, 8),
    "last_heart_beat": (340, 8),
}


def group_columns(release: str) -> Columns:
    at = GROUP_RELEASES.index(release)
    rows = {name: offsets[at] for name, offsets in GROUP_TABLE.items()}
    return {name: (offset, GROUP_TEXTS.get(name, 8)) for name, offset in rows.items() if offset is not None}


def storage_columns(release: str) -> Columns:
    if release == "up to 5.03":  # as 5.04, but the counters begin with the uploads
        newer = storage_columns("5.04-6.10")
        kept = {name: place for name, place in newer.items() if name not in CONNECTIONS}
        late = {*TALLIES, "is_trunk_server"}
        return {n: (offset - 12 if n in late else offset, size) for n, (offset, size) in kept.items()}
    at = STORAGE_RELEASES.index(release)
    texts = {"id": 16, "ip": IP_BYTES[release], "domain": 128, "sync_source": 16}
    sizes = texts | {"version": VERSION_BYTES[release]} | dict.fromkeys(BYTE_FIELDS, 1)
    rows = {name: offsets[at] for name, offsets in STORAGE_TABLE.items()}
    block = rows.pop("(counters)") or 0
    columns = {name: (offset, sizes.get(name, 8)) for name, offset in rows.items() if offset is not None}
    return columns | {n: (block + offset, size) for n, (offset, size) in {**CONNECTIONS, **TALLIES}.items()}


TEXTS = {"name", "id", "ip", "domain", "sync_source", "version"}
ALL_STORAGE_RELEASES = list(STORAGE_LENGTH)
EVERY_COLUMN = {name for release in STORAGE_RELEASES for name in storage_columns(release)}


def value(name: str, size: int, order: int, salt: int) -> str | int:
    """A value that no other field of any record has (the three single bytes: of its record)."""
    if name in TEXTS:
        return f"{order:x}.{salt:x}{name}"[:size]
    return order + 1 if size == 1 else 1_000_000 + 1000 * order + salt


def filled(columns: Columns, salt: int) -> dict[str, str | int]:
    return {name: value(name, size, order, salt) for order, (name, (_, size)) in enumerate(columns.items())}


def record(columns: Columns, length: int, values: dict[str, str | int]) -> bytes:
    raw = bytearray(length)
    for name, (offset, size) in columns.items():
        content = values[name]
        field = (
            content.encode() if isinstance(content, str) else content.to_bytes(size, "big", signed=size > 1)
        )
        raw[offset : offset + len(field)] = field
    return bytes(raw)


def by_offsets(columns: Columns, raw: bytes) -> dict[str, str | int]:
    fields = {name: raw[offset : offset + size] for name, (offset, size) in columns.items()}
    return {
        name: field.split(b"\0")[0].decode()
        if name in TEXTS
        else int.from_bytes(field, "big", signed=len(field) > 1)
        for name, field in fields.items()
    }


def group_expected(release: str, values: dict[str, str | int]) -> dict[str, str | int | None]:
    known = {name: content for name, content in values.items() if not name.startswith("(")}
    if release == "up to 6.12":
        known["writable_count"] = values["(active count)"]
    if release != "6.13.1 and later":  # what the one calls its HTTP port is the other's readable servers
        known["readable_count"] = None
    return {"reserved_mb": None, **known}


def storage_expected(values: dict[str, str | int]) -> dict[str, str | int | None]:
    return {**dict.fromkeys(EVERY_COLUMN), "rw_mode": 6, **values}


# --- the tables themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("release", GROUP_RELEASES)
def test_the_group_table_covers_its_record_without_gap_or_overlap(release):
    spans = sorted(group_columns(release).values())

    ends = [offset + size for offset, size in spans]

    assert [offset for offset, _ in spans] == [0, *ends[:-1]]
    assert ends[-1] == GROUP_LENGTH[release]


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
def test_the_storage_table_covers_its_record_without_gap_or_overlap(release):
    spans = sorted(storage_columns(release).values())

    ends = [offset + size for offset, size in spans]

    assert [offset for offset, _ in spans] == [0, *ends[:-1]]
    assert ends[-1] == STORAGE_LENGTH[release]


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
def test_the_values_of_a_test_record_are_distinct(release):
    contents = [content for salt in range(2) for content in filled(storage_columns(release), salt).values()]

    shared = [content for content, times in Counter(contents).items() if times > 1]

    assert all(isinstance(content, int) and content < 256 for content in shared)


# --- every release's records --------------------------------------------------------------------


@pytest.mark.parametrize("release", GROUP_RELEASES)
@pytest.mark.parametrize("count", [1, 2, 32, 104])
def test_groups_of_every_release_are_read_field_by_field(release, count):
    columns = group_columns(release)
    values = [filled(columns, salt) for salt in range(count)]
    body = b"".join(record(columns, GROUP_LENGTH[release], each) for each in values)

    groups = unpack_groups(body)

    assert [asdict(group) for group in groups] == [group_expected(release, each) for each in values]


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
@pytest.mark.parametrize("count", [1, 2, 32])
def test_storages_of_every_release_are_read_field_by_field(release, count):
    columns = storage_columns(release)
    values = [filled(columns, salt) for salt in range(count)]
    body = b"".join(record(columns, STORAGE_LENGTH[release], each) for each in values)

    storages = unpack_storages(body)

    assert [asdict(storage) for storage in storages] == [storage_expected(each) for each in values]


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
def test_integers_are_signed(release):
    columns = storage_columns(release)
    numbers = {
        n: -order for order, (n, (_, size)) in enumerate(columns.items()) if n not in TEXTS and size > 1
    }

    (storage,) = unpack_storages(record(columns, STORAGE_LENGTH[release], filled(columns, 0) | numbers))

    assert {name: asdict(storage)[name] for name in numbers} == numbers


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
def test_texts_may_fill_their_fields_without_a_nul(release):
    columns = storage_columns(release)
    texts = {name: name[0] * size for name, (_, size) in columns.items() if name in TEXTS}

    (storage,) = unpack_storages(record(columns, STORAGE_LENGTH[release], filled(columns, 0) | texts))

    assert {name: asdict(storage)[name] for name in texts} == texts


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
def test_texts_end_at_the_first_nul_whatever_stands_behind_it(release):
    columns = storage_columns(release)
    stale = {name: "a\0old buffer bytes"[:size] for name, (_, size) in columns.items() if name in TEXTS}

    (storage,) = unpack_storages(record(columns, STORAGE_LENGTH[release], filled(columns, 0) | stale))

    assert {asdict(storage)[name] for name in stale} == {"a"}


@pytest.mark.parametrize("name", sorted(TEXTS - {"name", "domain"}))
def test_a_text_that_is_not_ascii_is_nonsense(name):
    columns = storage_columns("6.15+ narrow")
    body = record(columns, 487, filled(columns, 0) | {name: "é"})

    with pytest.raises(ProtocolError):
        unpack_storages(body)


def test_a_group_name_that_is_not_ascii_is_nonsense():
    columns = group_columns("6.13.1 and later")

    with pytest.raises(ProtocolError):
        unpack_groups(record(columns, 113, filled(columns, 0) | {"name": "grüpp1"}))


def test_no_records_are_an_empty_list():
    assert unpack_groups(b"") == []
    assert unpack_storages(b"") == []


# --- lengths ------------------------------------------------------------------------------------


def test_no_two_storage_lists_of_up_to_32_records_have_one_length():
    lengths = Counter(size * count for size in set(STORAGE_LENGTH.values()) for count in range(1, 33))

    assert len(lengths) == 7 * 32
    assert set(lengths.values()) == {1}


def test_group_lists_have_one_length_from_113_groups_on_where_the_newer_layout_wins():
    newer, older = ({size * count for count in range(1, 512)} for size in (113, 105))
    columns = group_columns("6.13.1 and later")

    groups = unpack_groups(b"".join(record(columns, 113, filled(columns, salt)) for salt in range(105)))

    assert min(newer & older) == 105 * 113
    assert len(groups) == 105
    assert groups[104].reserved_mb == filled(columns, 104)["reserved_mb"]


def test_a_group_list_of_another_length_is_nonsense():
    fitting = {size * count for size in (105, 113) for count in range(1, 20)}

    for length in sorted(set(range(1, 2000)) - fitting):
        with pytest.raises(ProtocolError, match=str(length)):
            unpack_groups(bytes(length))


def test_a_storage_list_of_another_length_is_nonsense():
    fitting = {size * count for size in STORAGE_LENGTH.values() for count in range(1, 9)}

    for length in sorted(set(range(1, 3900)) - fitting):
        with pytest.raises(ProtocolError, match=str(length)):
            unpack_storages(bytes(length))


@pytest.mark.parametrize("release", ALL_STORAGE_RELEASES)
@pytest.mark.parametrize("junk", [b"\0", b"x", bytes(9)])
def test_junk_behind_the_records_is_nonsense(release, junk):
    columns = storage_columns(release)
    body = record(columns, STORAGE_LENGTH[release], filled(columns, 0))

    with pytest.raises(ProtocolError):
        unpack_storages(body + junk)


fitting_bodies = st.builds(
    lambda length, pattern: (pattern * length)[:length],
    st.sampled_from([*STORAGE_LENGTH.values(), 2 * 487, 32 * 600, 105, 113, 226]),
    st.one_of(st.binary(min_size=1, max_size=30), st.sampled_from([b"\0", b"a", b"1.\0"])),
)


@patient
@given(st.one_of(st.binary(max_size=700), fitting_bodies), st.sampled_from([unpack_storages, unpack_groups]))
def test_arbitrary_bytes_are_read_or_refused(body, unpack):
    with contextlib.suppress(ProtocolError):
        assert isinstance(unpack(body), list)


# --- recordings of a real cluster ---------------------------------------------------------------

WIDTHS = {"narrow": Width.NARROW, "wide": Width.WIDE}
RECORDED_RELEASE = {"narrow": "6.15+ narrow", "wide": "6.13.1-6.14 and wide"}


@replies(90, 91)
def test_recorded_groups_are_read_field_by_field(exchange):
    columns = group_columns("6.13.1 and later")
    records = [exchange.answer[at : at + 113] for at in range(0, len(exchange.answer), 113)]

    groups = unpack_groups(exchange.answer)

    assert len(groups) == (1 if exchange.command == 90 else 2)
    assert [asdict(group) for group in groups] == [by_offsets(columns, raw) for raw in records]


@replies(90, 91)
def test_recorded_groups_are_those_of_the_cluster(exchange):
    groups = unpack_groups(exchange.answer)

    assert [group.name for group in groups] == ["group1", "group2"][: len(groups)]
    for group in groups:
        servers = len(ADDRESSES[group.name])
        assert (group.storage_count, group.readable_count, group.writable_count) == (servers,) * 3
        assert (group.port, group.store_path_count, group.subdir_count) == (PORT, 1, 16)
        assert group.total_mb > group.free_mb > (group.reserved_mb or 0) > 0
        assert group.current_trunk_file == -1


@replies(90, 91)
def test_recorded_groups_are_packed_to_the_recorded_bytes(exchange):
    groups = unpack_groups(exchange.answer)

    assert b"".join(group.pack() for group in groups) == exchange.answer


@replies(92)
def test_recorded_storages_are_read_field_by_field(exchange):
    columns = storage_columns(RECORDED_RELEASE[exchange.recording])
    length = STORAGE_LENGTH[RECORDED_RELEASE[exchange.recording]]
    records = [exchange.answer[at : at + length] for at in range(0, len(exchange.answer), length)]

    storages = unpack_storages(exchange.answer)

    assert len(storages) == (2 if exchange.case == "tr_list_storage" else 1)
    assert [asdict(s) for s in storages] == [storage_expected(by_offsets(columns, raw)) for raw in records]


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recorded_storages_are_those_of_the_cluster(recording):
    first, second = unpack_storages(recorded(recording, "tr_list_storage").answer)

    assert (first.id, first.ip, first.sync_source) == ("10.77.0.21", "10.77.0.21", "")
    assert (second.id, second.ip, second.sync_source) == ("10.77.0.22", "10.77.0.22", "10.77.0.21")
    for storage in (first, second):
        assert (storage.status, storage.rw_mode, storage.is_trunk_server) == (Status.ACTIVE, 6, 0)
        assert (storage.version, storage.address) == ("6.16.1", Address(storage.ip, PORT))
        assert (storage.store_path_count, storage.subdir_count, storage.upload_priority) == (1, 16, 10)
        assert storage.readable
        assert storage.writable


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recorded_counters_are_plausible(recording):
    for storage in unpack_storages(recorded(recording, "tr_list_storage").answer):
        facts = asdict(storage)
        totals = [name for name in facts if name.endswith("_total")]

        assert len(totals) == 19
        assert all(facts[name] >= facts[name.replace("_total", "_success")] >= 0 for name in totals)
        assert storage.join_time <= storage.up_time <= storage.last_heart_beat
        assert storage.connections_max >= storage.connections_current


@pytest.mark.parametrize("recording", RECORDINGS)
def test_one_storage_asked_for_by_id_is_the_one_of_the_list(recording):
    (alone,) = unpack_storages(recorded(recording, "tr_list_storage_id").answer)

    assert alone.id == "10.77.0.22"
    assert alone.join_time == unpack_storages(recorded(recording, "tr_list_storage").answer)[1].join_time


@replies(92)
def test_recorded_storages_are_packed_to_the_recorded_bytes(exchange):
    storages = unpack_storages(exchange.answer)

    assert b"".join(storage.pack(WIDTHS[exchange.recording]) for storage in storages) == exchange.answer


def test_both_recordings_tell_the_same_of_one_storage():
    narrow, wide = (unpack_storages(recorded(r, "tr_list_storage").answer)[0] for r in RECORDINGS)
    constant = ("id", "ip", "version", "join_time", "up_time", "total_mb", "reserved_mb", "port")

    assert [getattr(narrow, name) for name in constant] == [getattr(wide, name) for name in constant]


# --- pack is the inverse ------------------------------------------------------------------------

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)


def any_values(columns: Columns) -> st.SearchStrategy[dict[str, str | int]]:
    kinds = {1: st.integers(0, 255), 4: st.integers(-(1 << 31), (1 << 31) - 1), 8: int64}
    return st.fixed_dictionaries(
        {
            name: st.text(PRINTABLE, max_size=size) if name in TEXTS else kinds[size]
            for name, (_, size) in columns.items()
        }
    )


@patient
@given(any_values(group_columns("6.13.1 and later")))
def test_a_group_is_packed_by_the_offsets_and_read_back(values):
    packed = GroupStat(**values).pack()

    assert packed == record(group_columns("6.13.1 and later"), 113, values)
    assert unpack_groups(packed) == [GroupStat(**values)]


@patient
@given(any_values(storage_columns("6.15+ narrow")))
def test_a_narrow_storage_is_packed_by_the_offsets_and_read_back(values):
    packed = StorageStat(**values).pack()

    assert packed == record(storage_columns("6.15+ narrow"), 487, values)
    assert unpack_storages(packed) == [StorageStat(**values)]


@patient
@given(any_values(storage_columns("6.13.1-6.14 and wide")))
def test_a_wide_storage_is_packed_by_the_offsets_and_read_back(values):
    packed = StorageStat(**values).pack(Width.WIDE)

    assert packed == record(storage_columns("6.13.1-6.14 and wide"), 517, values)
    assert unpack_storages(packed) == [StorageStat(**values)]


@pytest.mark.parametrize(
    "ip", ["2001:db8::21", "2001:db8::1:2345", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.25"]
)
def test_a_wide_storage_has_room_for_every_address(ip):
    storage = dataclasses.replace(narrow(), ip=ip)

    assert unpack_storages(storage.pack(Width.WIDE)) == [storage]


def test_a_group_name_that_does_not_fit_is_not_cut_to_another():
    columns = group_columns("6.13.1 and later")
    (group,) = unpack_groups(record(columns, 113, filled(columns, 0)))

    with pytest.raises((FastDFSError, ValueError, struct.error)):
        dataclasses.replace(group, name="g" * 18).pack()


@pytest.mark.parametrize("name", ["id", "ip", "sync_source", "version"])
def test_a_text_of_a_storage_that_does_not_fit_is_not_cut_to_another(name):
    storage = dataclasses.replace(narrow(), **{name: "2001:db8::1:23456"})

    with pytest.raises((FastDFSError, ValueError, struct.error)):
        storage.pack()


# --- what a client asks of a storage ------------------------------------------------------------


def narrow(**changes: str | int) -> StorageStat:
    columns = storage_columns("6.15+ narrow")
    usual = {"status": 7, "rw_mode": 6, "ip": "10.77.0.21", "port": PORT}
    (storage,) = unpack_storages(record(columns, 487, filled(columns, 0) | usual | changes))
    return storage


def test_the_states_have_the_numbers_of_the_protocol():
    numbers = {state.name: state.value for state in Status}

    assert numbers == {
        "INIT": 0,
        "WAIT_SYNC": 1,
        "SYNCING": 2,
        "IP_CHANGED": 3,
        "DELETED": 4,
        "OFFLINE": 5,
        "ONLINE": 6,
        "ACTIVE": 7,
        "RECOVERY": 9,
        "NONE": 99,
    }


@pytest.mark.parametrize(
    ("rw_mode", "readable", "writable"),
    [(0, False, False), (2, False, True), (4, True, False), (6, True, True)],
)
def test_an_active_storage_is_asked_what_its_mode_allows(rw_mode, readable, writable):
    storage = narrow(rw_mode=rw_mode)

    assert (storage.readable, storage.writable) == (readable, writable)


@pytest.mark.parametrize("status", [*range(7), *range(8, 11), 99, 255])
def test_a_storage_in_another_state_is_asked_nothing(status):
    storage = narrow(status=status)

    assert (storage.status, storage.readable, storage.writable) == (status, False, False)


@pytest.mark.parametrize("release", ["up to 5.03", "5.04-6.10", "6.11", "6.12"])
def test_a_storage_of_a_release_without_modes_is_read_and_written(release):
    columns = storage_columns(release)

    (storage,) = unpack_storages(record(columns, STORAGE_LENGTH[release], filled(columns, 0) | {"status": 7}))

    assert storage.readable
    assert storage.writable


@pytest.mark.parametrize("ip", ["10.77.0.21", "2001:db8::21"])
def test_a_storage_listens_where_the_tracker_says(ip):
    storage = narrow(ip=ip)

    assert storage.address == Address(ip, PORT)


@pytest.mark.parametrize(
    "where",
    [
        {"ip": "localhost"},
        {"ip": "evil.example"},
        {"ip": ""},
        {"ip": "10.77.0"},
        {"ip": "[::1]"},
        {"port": 0},
        {"port": 65536},
        {"port": -1},
    ],
    ids=repr,
)
def test_a_storage_without_an_address_is_never_dialled(where):
    with pytest.raises(ProtocolError):
        str(narrow(**where).address)
