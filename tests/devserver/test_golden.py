"""The recordings of a real cluster, replayed in their order against the embedded one.

What the recordings call volatile is decoded and compared field by field; everything else, and whether
the connection stays open, must be the same to the byte.
"""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.storage import STORAGE_COMMANDS
from fdfs_storage.devserver.tracker import TRACKER_COMMANDS
from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.monitoring import StorageBrief, unpack_trackers
from fdfs_storage.fastdfs.statistics import GroupStat, StorageStat, unpack_groups, unpack_storages
from tests.pure.recordings import GOLDEN, RECORDINGS

from .wire import (
    APPEND,
    APPENDER,
    FETCH,
    FETCH_ALL,
    HEADER,
    INFO,
    LEADER,
    LINK,
    LIST_ONE_GROUP,
    LIST_STORAGE,
    MODIFY,
    MY_IP,
    PARAMETERS,
    QUIT,
    REGENERATE,
    SERVER_ID,
    SLAVE,
    STORAGE_STATUS,
    STORE,
    STORE_IN_GROUP,
    TRACKER_STAT,
    TRACKER_STATUS,
    TRUNCATE,
    UPDATE,
    UPLOAD,
    Wire,
)

# Every recorded exchange runs, except these. A new recording must change this table: see the test below.
NOT_RUN = {
    "two storages or two groups are in the reply": """
        tr_list_all_groups tr_list_storage tr_store_without_group_all tr_store_with_group_all
        tr_fetch_all_two tr_storage_stat tr_volume_stat
    """,
    "a replica must lag behind": "st_download_unsynced_replica",
}
UNKNOWN_COMMAND = 99
# The recorded cluster has two trackers; this is asked of the one that is not the leader.
FOLLOWER = "tr_tracker_stat_follower"
# Text that has the length of an address, or of what a cluster is configured with.
TEXTS = (LEADER, SERVER_ID, MY_IP, PARAMETERS)


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

    request: bytes
    reply: bytes
    stays_open: bool
    cluster: Facts


class Facts(NamedTuple):
    """The embedded cluster that was asked."""

    trackers: list[str]
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
    assert (len(names), len(RUN)) == (186, 178)


def test_every_recorded_command_is_served() -> None:
    served = {"storage": STORAGE_COMMANDS.keys(), "tracker": TRACKER_COMMANDS.keys()}

    for case in cases("narrow"):
        assert case.cmd in served["storage"] | served["tracker"] | {QUIT, UNKNOWN_COMMAND}
        assert (case.cmd in served[case.to]) or case.reply[9:10] in (b"", bytes((22,))), case.case


# --- the replay ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Outcome]]:
    """Replay both recordings, once for all tests of this module."""
    outcomes = {}
    for recording in RECORDINGS:
        with EmbeddedCluster(wide=recording == "wide", trackers=2) as cluster:
            replies: dict[str, bytes] = {}
            for case in cases(recording):
                if case.case in RUN:
                    outcome = replay(cluster, case, replies)
                    outcomes[recording, case.case] = outcome
                    replies[case.case] = outcome.reply
    return outcomes


def replay(cluster: EmbeddedCluster, case: Case, replies: dict[str, bytes]) -> Outcome:
    tracker = cluster.trackers[case.case == FOLLOWER]
    address = tracker if case.to == "tracker" else cluster.storage_server.address
    request = case.request
    for use in case.uses:
        name = replies[use["from_case"]][26:]
        # The old form of a name lacks its first four characters.
        name = name[len(name) - (use["end"] - use["start"]) :]
        request = request[: use["start"]] + name + request[use["end"] :]
    request = request.replace(b"10.77.0.21:23000", cluster.storage_server.address.encode())
    request = request.replace(b"10.77.0.22", b"127.0.0.1")
    if len(request) != len(case.request):
        request = HEADER.pack(len(request) - HEADER.size, *request[8:10]) + request[HEADER.size :]
    with Wire(address) as wire:
        wire.sendall(request)
        reply = wire.read_raw()
        return Outcome(request, reply, wire.lives(), Facts(cluster.trackers, cluster.storage_port))


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
    if case.cmd in TEXTS and case.volatile:
        return reply[8 : HEADER.size]
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


def check_slave(outcome: Outcome, case: Case) -> None:
    check_id(outcome, case)
    assert added(outcome.request, outcome.reply) == added(case.request, case.reply)


def added(request: bytes, reply: bytes) -> str:
    """Return what a slave's name has that its master's has not."""
    master, slave = (part.decode() for part in (request[48 : 48 + request[17]], reply[26:]))
    base = master[:-7] + master[-7:].partition(".")[0]
    assert slave.startswith(base)
    return slave.removeprefix(base)


def check_regenerated(outcome: Outcome, case: Case) -> None:
    check_id(outcome, case)
    old, new = outcome.request[10:], outcome.reply[26:]
    assert (new[:10], new[-7:]) == (old[:10], old[-7:])


def check_link(outcome: Outcome, case: Case) -> None:
    ours, theirs = (parse_id(reply) for reply in (outcome.reply, case.reply))

    assert (ours.kind, ours.size, ours.extension) == (theirs.kind, theirs.size, theirs.extension)
    assert ours.crc32 != zlib.crc32(b"hello world")


def check_echo(outcome: Outcome, case: Case) -> None:
    assert outcome.reply[10:] == outcome.request[10:]
    assert case.reply[10:] == case.request[10:]


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
    assert ours[2:] == (outcome.cluster.storage_port, *([0] * has_path))


def check_group(outcome: Outcome, case: Case) -> None:
    (ours,) = unpack_groups(outcome.reply[10:])
    (theirs,) = unpack_groups(case.reply[10:])

    assert isinstance(ours, GroupStat)
    assert ours.name == theirs.name
    assert ours.total_mb > ours.free_mb > 0 == ours.reserved_mb
    assert (ours.storage_count, ours.readable_count, ours.writable_count) == (1, 1, 1)
    assert (ours.port, ours.current_write_server, ours.subdir_count) == (outcome.cluster.storage_port, 0, 256)


def check_storage(outcome: Outcome, case: Case) -> None:
    (ours,) = unpack_storages(outcome.reply[10:])
    (theirs,) = unpack_storages(case.reply[10:])

    assert isinstance(ours, StorageStat)
    assert (ours.status, ours.version) == (theirs.status, theirs.version)
    assert ours.id == ours.ip == "127.0.0.1"
    assert (ours.port, ours.sync_source) == (outcome.cluster.storage_port, "")
    assert (ours.store_path_count, ours.upload_priority) == (theirs.store_path_count, theirs.upload_priority)
    assert ours.upload_success == sum(
        case.cmd in (UPLOAD, APPENDER, SLAVE) and case.reply[9:10] == b"\0"
        for case in cases("narrow")
        if case.case in RUN
    )
    assert (ours.append_total, ours.append_success, ours.append_bytes_success) == (1, 1, 3)
    assert (ours.modify_total, ours.modify_success, ours.modify_bytes_success) == (2, 2, 5)
    assert (ours.truncate_total, ours.truncate_success) == (2, 2)
    assert (ours.set_metadata_success, ours.get_metadata_success, ours.create_link_success) == (5, 3, 1)
    assert 0 <= time.time() - ours.last_heart_beat < 60


def check_holders(outcome: Outcome, case: Case) -> None:
    ours, theirs = (Holders.unpack(reply[10:]) for reply in (outcome.reply, case.reply))

    assert ours.group == theirs.group
    assert ours.addresses == (("127.0.0.1", outcome.cluster.storage_port),)


def check_leader(outcome: Outcome, case: Case) -> None:
    assert outcome.reply[10:].decode() == outcome.cluster.trackers[0]
    assert case.reply[10:] == b"10.77.0.12:22122"


def check_trackers(outcome: Outcome, case: Case) -> None:
    ours, theirs = (unpack_trackers(reply[10:]) for reply in (outcome.reply, case.reply))

    assert [record.host for record in ours] == outcome.cluster.trackers[: len(theirs)]
    assert sorted((each.is_leader, each.is_active, each.version) for each in ours) == sorted(
        (each.is_leader, each.is_active, each.version) for each in theirs
    )
    for record in ours:
        assert 0 <= time.time() - record.up_time < 60
        assert record.is_leader == (not record.last_heart_beat)


def check_parameters(outcome: Outcome, case: Case) -> None:
    ours, theirs = (reply[10:].decode().splitlines() for reply in (outcome.reply, case.reply))

    assert [line for line in ours if line not in theirs] == ["reserved_storage_space=0 MB"]
    assert [line.split("=")[0] for line in ours] == [line.split("=")[0] for line in theirs]


def check_brief(outcome: Outcome, case: Case) -> None:
    ours, theirs = (StorageBrief.unpack(reply[10:]) for reply in (outcome.reply, case.reply))

    assert ours == (theirs.status, outcome.cluster.storage_port, "127.0.0.1", "127.0.0.1")


def check_own_address(outcome: Outcome, case: Case) -> None:
    assert outcome.reply[10:] == b"127.0.0.1"


def check_tracker_status(outcome: Outcome, case: Case) -> None:
    is_leader, seconds, interval = struct.unpack(">Bqq", outcome.reply[10:])

    assert (is_leader, interval) == (1, 0)
    assert 0 <= seconds < 60


CHECKS = {
    UPLOAD: check_id,
    APPENDER: check_id,
    SLAVE: check_slave,
    REGENERATE: check_regenerated,
    LINK: check_link,
    APPEND: check_echo,
    MODIFY: check_echo,
    TRUNCATE: check_echo,
    FETCH_ALL: check_holders,
    LEADER: check_leader,
    TRACKER_STAT: check_trackers,
    PARAMETERS: check_parameters,
    STORAGE_STATUS: check_brief,
    SERVER_ID: check_own_address,
    MY_IP: check_own_address,
    TRACKER_STATUS: check_tracker_status,
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
