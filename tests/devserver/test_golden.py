"""The recordings of a real cluster, replayed in their order against the embedded one.

What the recordings call volatile is decoded and compared field by field; everything else, and whether
the connection stays open, must be the same to the byte.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.daemons import STORAGE_COMMANDS, TRACKER_COMMANDS
from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.statistics import GroupStat, StorageStat, unpack_groups, unpack_storages
from tests.pure.recordings import GOLDEN, RECORDINGS

from .wire import (
    FETCH,
    HEADER,
    INFO,
    LIST_ONE_GROUP,
    LIST_STORAGE,
    QUIT,
    STORE,
    STORE_IN_GROUP,
    UPDATE,
    UPLOAD,
    Wire,
)

# Every recorded exchange runs, except these. A new recording, or a command that comes to be served, must
# change this table: see the tests right below it.
NOT_RUN = {
    "the command is not served yet": """
        st_upload_appender st_upload_appender_zero st_slave st_slave_exists st_slave_other_ext
        st_slave_empty_ext st_slave_zero st_slave_dash_m_ext st_slave_dash_m st_slave_empty_prefix
        st_slave_bad_prefix st_slave_missing_master st_slave_of_slave st_slave_of_ext6
        st_slave_size_mismatch st_meta_get_none st_meta_set_overwrite st_meta_get st_meta_set_merge
        st_meta_get_merged st_meta_set_merge_empty st_meta_set_overwrite_empty st_meta_get_after_clear
        st_meta_set_trailing_sep st_meta_get_trailing_sep st_meta_bad_flag st_meta_len_mismatch
        st_meta_wrong_group st_meta_set_missing_file st_meta_get_missing_file st_append st_append_zero
        st_modify st_modify_at_eof st_modify_past_eof st_modify_negative st_modify_zero st_truncate
        st_truncate_same st_truncate_extend st_truncate_negative st_append_to_normal st_modify_normal
        st_truncate_normal st_append_to_slave st_append_missing st_modify_missing st_truncate_missing
        st_append_short_name st_append_size_mismatch st_regenerate_normal st_regenerate_missing
        st_regenerate_short st_regenerate st_create_link st_create_link_nosig
        tr_store_without_group_all tr_store_with_group_all tr_store_with_group_all_unknown
        tr_fetch_all_fresh tr_fetch_all_two tr_fetch_all_unknown_group tr_get_leader tr_get_leader_body
        tr_tracker_stat tr_tracker_stat_leader_only tr_tracker_stat_follower tr_tracker_stat_short
        tr_storage_stat tr_storage_stat_none tr_storage_stat_short tr_volume_stat tr_volume_stat_none
        tr_volume_stat_short tr_parameters tr_parameters_body tr_storage_ids tr_storage_ids_allow_empty
        tr_storage_ids_short tr_storage_status tr_storage_status_unknown tr_storage_status_noport
        tr_storage_id tr_my_ip tr_group_name tr_tracker_status tr_beat_not_joined
        tr_delete_storage_unknown_group tr_delete_storage_unknown_id tr_delete_storage_short
        tr_delete_group_unknown tr_delete_group_short tr_set_trunk_server_off
    """,
    "the file comes from a command that is not served yet": """
        st_info_appender st_info_appender_nocrc st_info_slave st_download_slave st_download_meta_file
        st_download_appended st_download_modified st_download_truncated st_info_regenerated
        st_download_regenerated_old st_delete_link st_delete_slave st_slave_survives_master
    """,
    "two storages or two groups are in the reply": "tr_list_all_groups tr_list_storage",
    "a replica must lag behind": "st_download_unsynced_replica",
}
UNKNOWN_COMMAND = 99


class Case(NamedTuple):
    """One line of a recording."""

    case: str
    to: str
    cmd: int
    request: bytes
    reply: bytes
    stays_open: bool
    volatile: list[dict[str, Any]]
    uses: list[dict[str, Any]]

    @classmethod
    def of(cls, line: str) -> Case:
        row = json.loads(line)
        return cls(
            row["case"],
            row["to"],
            row["cmd"],
            bytes.fromhex(row["request_hex"]),
            bytes.fromhex(row["reply_hex"]),
            row["conn_after"] == "open",
            row["volatile"],
            row.get("request_uses") or [],
        )


class Outcome(NamedTuple):
    """What the embedded cluster did."""

    reply: bytes
    stays_open: bool
    storage_port: int


def cases(recording: str) -> list[Case]:
    lines = (GOLDEN / f"fastdfs-6.16.1-{recording}.jsonl").read_text("utf-8").splitlines()
    return [Case.of(line) for line in lines]


SKIPPED = {name for names in NOT_RUN.values() for name in names.split()}
RUN = [case.case for case in cases("narrow") if case.case not in SKIPPED]


# --- the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_recorded_case_runs_or_is_named_with_its_reason(recording: str) -> None:
    names = [case.case for case in cases(recording)]

    assert sorted([*RUN, *(name for text in NOT_RUN.values() for name in text.split())]) == sorted(names)
    assert (len(names), len(RUN)) == (186, 77)


def test_what_is_called_not_served_is_not_served() -> None:
    served = {"storage": STORAGE_COMMANDS.keys(), "tracker": TRACKER_COMMANDS.keys()}
    excused = NOT_RUN["the command is not served yet"].split()

    for case in cases("narrow"):
        unserved = case.cmd not in served[case.to] | {QUIT, UNKNOWN_COMMAND}
        foreign = case.cmd in served["storage"] | served["tracker"]
        assert (case.case in excused) == (unserved and not foreign), case.case


# --- the replay ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Outcome]]:
    """Replay both recordings, once for all tests of this module."""
    outcomes = {}
    for recording in RECORDINGS:
        with EmbeddedCluster(wide=recording == "wide") as cluster:
            replies: dict[str, bytes] = {}
            for case in cases(recording):
                if case.case in RUN:
                    outcome = replay(cluster, case, replies)
                    outcomes[recording, case.case] = outcome
                    replies[case.case] = outcome.reply
    return outcomes


def replay(cluster: EmbeddedCluster, case: Case, replies: dict[str, bytes]) -> Outcome:
    address = cluster.trackers[0] if case.to == "tracker" else cluster.storage_server.address
    request = case.request
    for use in case.uses:
        name = replies[use["from_case"]][26:]
        # The old form of a name lacks its first four characters.
        name = name[len(name) - (use["end"] - use["start"]) :]
        request = request[: use["start"]] + name + request[use["end"] :]
    request = request.replace(b"10.77.0.22", b"127.0.0.1")
    if len(request) != len(case.request):
        request = HEADER.pack(len(request) - HEADER.size, *request[8:10]) + request[HEADER.size :]
    with Wire(address) as wire:
        wire.sendall(request)
        reply = wire.read_raw()
        return Outcome(reply, wire.lives(), cluster.storage_port)


def each(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for each case of each recording that is replayed."""
    known = {(recording, case.case): case for recording in RECORDINGS for case in cases(recording)}
    chosen = [(recording, known[recording, name]) for recording in RECORDINGS for name in RUN]
    names = [f"{recording}-{case.case}" for recording, case in chosen]
    return pytest.mark.parametrize(("recording", "case"), chosen, ids=names)(test)


@each
def test_the_reply_is_the_recorded_one(
    outcomes: dict[tuple[str, str], Outcome], recording: str, case: Case
) -> None:
    outcome = outcomes[recording, case.case]

    assert masked(outcome.reply, case) == masked(case.reply, case)
    assert outcome.stays_open == case.stays_open
    if case.volatile:
        CHECKS[case.cmd](outcome, case)


def masked(reply: bytes, case: Case) -> bytes:
    """Blank out what varies; a reply of another length is left as it is, and differs."""
    if len(reply) != len(case.reply):
        return reply
    for place in case.volatile:
        reply = reply[: place["start"]] + b"?" * (place["end"] - place["start"]) + reply[place["end"] :]
    return reply


# --- what varies, field by field ----------------------------------------------------------------


def check_id(outcome: Outcome, case: Case) -> None:
    ours, theirs = (parse_id(reply) for reply in (outcome.reply, case.reply))

    assert (ours.group, ours.kind, ours.size, ours.crc32) == (
        theirs.group,
        theirs.kind,
        theirs.size,
        theirs.crc32,
    )
    assert (ours.extension, ours.store_path, len(ours.name)) == (
        theirs.extension,
        theirs.store_path,
        len(theirs.name),
    )
    assert ours.source == "127.0.0.1"
    assert 0 <= time.time() - ours.created.timestamp() < 60


def parse_id(reply: bytes) -> FileId:
    return FileId.parse(f"{reply[10:26].rstrip(bytes(1)).decode()}/{reply[26:].decode()}")


def check_info(outcome: Outcome, case: Case) -> None:
    _, modified, _, source = struct.unpack(">qqq16s", outcome.reply[10:])

    assert source == b"127.0.0.1".ljust(16, b"\0")
    assert 0 <= time.time() - modified < 60


def check_place(outcome: Outcome, case: Case) -> None:
    has_path = case.cmd in (STORE, STORE_IN_GROUP)
    width = len(case.reply) - 10 - 16 - 8 - has_path
    layout = f">16s{width}sq" + "B" * has_path

    ours = struct.unpack(layout, outcome.reply[10:])

    assert width in (15, 45)
    assert ours[:2] == (b"group1".ljust(16, b"\0"), b"127.0.0.1".ljust(width, b"\0"))
    assert ours[2:] == (outcome.storage_port, *([0] * has_path))


def check_group(outcome: Outcome, case: Case) -> None:
    (ours,) = unpack_groups(outcome.reply[10:])
    (theirs,) = unpack_groups(case.reply[10:])

    assert isinstance(ours, GroupStat)
    assert ours.name == theirs.name
    assert ours.total_mb > ours.free_mb > 0 == ours.reserved_mb
    assert (ours.storage_count, ours.readable_count, ours.writable_count) == (1, 1, 1)
    assert (ours.port, ours.current_write_server, ours.subdir_count) == (outcome.storage_port, 0, 256)


def check_storage(outcome: Outcome, case: Case) -> None:
    (ours,) = unpack_storages(outcome.reply[10:])
    (theirs,) = unpack_storages(case.reply[10:])

    assert isinstance(ours, StorageStat)
    assert (ours.status, ours.version) == (theirs.status, theirs.version)
    assert ours.id == ours.ip == "127.0.0.1"
    assert (ours.port, ours.sync_source) == (outcome.storage_port, "")
    assert (ours.store_path_count, ours.upload_priority) == (theirs.store_path_count, theirs.upload_priority)
    assert ours.upload_success == sum(
        case.cmd == UPLOAD and case.reply[9:10] == b"\0" for case in cases("narrow") if case.case in RUN
    )
    assert 0 <= time.time() - ours.last_heart_beat < 60


CHECKS = {
    UPLOAD: check_id,
    INFO: check_info,
    STORE: check_place,
    STORE_IN_GROUP: check_place,
    FETCH: check_place,
    UPDATE: check_place,
    LIST_ONE_GROUP: check_group,
    LIST_STORAGE: check_storage,
}


def test_the_info_of_an_uploaded_file_has_the_time_in_its_name(
    outcomes: dict[tuple[str, str], Outcome],
) -> None:
    for recording in RECORDINGS:
        (modified,) = struct.unpack(">q", outcomes[recording, "st_info_normal"].reply[18:26])
        assert modified == parse_id(outcomes[recording, "st_upload_jpg"].reply).created.timestamp()
