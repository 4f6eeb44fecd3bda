"""What varies from one cluster to the next in the recorded exchanges, decoded and compared field by field."""

from __future__ import annotations

import json
import struct
import time
import zlib
from typing import Any, NamedTuple

from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.monitoring import (
    StorageBrief,
    unpack_storage_records,
    unpack_trackers,
    unpack_volumes,
)
from fdfs_storage.fastdfs.statistics import StorageStat, unpack_groups, unpack_storages
from tests.pure.recordings import GOLDEN

from .wire import (
    APPEND,
    APPENDER,
    FETCH,
    FETCH_ALL,
    INFO,
    LEADER,
    LINK,
    LIST_ALL_GROUPS,
    LIST_ONE_GROUP,
    LIST_STORAGE,
    MODIFY,
    MY_IP,
    PARAMETERS,
    REGENERATE,
    SERVER_ID,
    SLAVE,
    STORAGE_STAT,
    STORAGE_STATUS,
    STORE,
    STORE_ALL,
    STORE_ALL_IN_GROUP,
    STORE_IN_GROUP,
    TRACKER_STAT,
    TRACKER_STATUS,
    TRUNCATE,
    UPDATE,
    UPLOAD,
    VOLUME_STAT,
)

HOSTS = ["127.0.0.21", "127.0.0.22", "127.0.0.31"]
"""The addresses here of the recorded storages, 10.77.0.21 and so on."""
# Its name was a minute old when it was recorded: by now, every storage would have the file.
NO_LONGER_YOUNG = "tr_fetch_one_missing_file"


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
    storages: list[tuple[str, int]]

    def storages_of(self, group: str) -> list[tuple[str, int]]:
        return self.storages[:2] if group == "group1" else self.storages[2:]


def cases(recording: str) -> list[Case]:
    lines = (GOLDEN / f"fastdfs-6.16.1-{recording}.jsonl").read_text("utf-8").splitlines()
    return [Case.of(line) for line in lines]


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
    assert (ours.source, theirs.source) == ("127.0.0.21", "10.77.0.21")
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

    assert source == b"127.0.0.21".ljust(16, b"\0")
    assert 0 <= time.time() - modified < 60


def check_place(outcome: Outcome, case: Case) -> None:
    """One server of the group: any for a new file, the source for one that is there."""
    has_path = case.cmd in (STORE, STORE_IN_GROUP)
    width = len(case.reply) - 10 - 16 - 8 - has_path
    layout = f">16s{width}sq" + "B" * has_path

    group, host, port, *path = struct.unpack(layout, outcome.reply[10:])

    assert width in (15, 45)
    assert group == b"group1".ljust(16, b"\0")
    either = has_path or case.case == NO_LONGER_YOUNG
    known = outcome.cluster.storages_of("group1")[: 2 if either else 1]
    assert (host.rstrip(b"\0").decode(), port) in known
    assert path == [0] * has_path


def check_all_places(outcome: Outcome, case: Case) -> None:
    ours, theirs = (Holders.unpack(reply[10:-1]) for reply in (outcome.reply, case.reply))

    assert (ours.group, outcome.reply[-1]) == (theirs.group, case.reply[-1])
    assert list(ours.addresses) == outcome.cluster.storages_of(ours.group)
    assert len(ours.addresses) == len(theirs.addresses)


def check_groups(outcome: Outcome, case: Case) -> None:
    ours, theirs = (unpack_groups(reply[10:]) for reply in (outcome.reply, case.reply))

    assert [group.name for group in ours] == [group.name for group in theirs]
    for mine, recorded in zip(ours, theirs, strict=True):
        counts = [(g.storage_count, g.readable_count, g.writable_count) for g in (mine, recorded)]
        assert counts[0] == counts[1]
        assert mine.total_mb > mine.free_mb > 0 == mine.reserved_mb
        assert mine.port == outcome.cluster.storages_of(mine.name)[0][1]
        assert mine.current_write_server in range(mine.writable_count)
        assert (mine.subdir_count, recorded.subdir_count) == (256, 16)


def check_storages(outcome: Outcome, case: Case) -> None:
    ours, theirs = (unpack_storages(reply[10:]) for reply in (outcome.reply, case.reply))

    assert [storage.id.replace("127.0.0.", "10.77.0.") for storage in ours] == [each.id for each in theirs]
    for mine, recorded in zip(ours, theirs, strict=True):
        assert (mine.status, mine.version, mine.rw_mode) == (
            recorded.status,
            recorded.version,
            recorded.rw_mode,
        )
        assert mine.id == mine.ip
        assert (mine.ip, mine.port) in outcome.cluster.storages_of("group1")
        assert mine.sync_source in ("", "127.0.0.21")
        assert mine.store_path_count == recorded.store_path_count
        assert mine.upload_priority == recorded.upload_priority
        assert 0 <= time.time() - mine.last_heart_beat < 60
        check_counts(mine)


def check_counts(storage: StorageStat) -> None:
    """The first storage did all that was asked of storages, the second only refused the young file."""
    if storage.id != HOSTS[0]:
        assert (storage.upload_total, storage.download_success, storage.sync_in_bytes_total) == (0, 0, 0)
        return
    uploads = [
        case
        for case in cases("narrow")
        if case.cmd in (UPLOAD, APPENDER, SLAVE) and case.reply[9:10] == b"\0"
    ]
    assert storage.upload_success == len(uploads) + 1  # that which was not recorded
    assert (storage.append_total, storage.append_success, storage.append_bytes_success) == (1, 1, 3)
    assert (storage.modify_total, storage.modify_success, storage.modify_bytes_success) == (2, 2, 5)
    assert (storage.truncate_total, storage.truncate_success) == (2, 2)
    counts = storage.set_metadata_success, storage.get_metadata_success, storage.create_link_success
    assert counts == (5, 3, 1)


def check_records(outcome: Outcome, case: Case) -> None:
    ours, theirs = (unpack_storage_records(reply[10:]) for reply in (outcome.reply, case.reply))

    assert [(each.id, each.host) for each in ours] == [
        (host, f"{host}:{port}") for host, port in outcome.cluster.storages
    ]
    assert [(each.status, each.version, each.is_trunk_server) for each in ours] == [
        (each.status, each.version, each.is_trunk_server) for each in theirs
    ]
    assert all(0 <= time.time() - each.last_heart_beat < 60 for each in ours)


def check_volumes(outcome: Outcome, case: Case) -> None:
    ours, theirs = (unpack_volumes(reply[10:]) for reply in (outcome.reply, case.reply))

    assert [(each.group, each.disk_available, each.trunk_available) for each in ours] == [
        (each.group, each.disk_available, each.trunk_available) for each in theirs
    ]
    assert all(each.total_mb > each.free_mb == each.available_mb > 0 for each in ours)


def check_holders(outcome: Outcome, case: Case) -> None:
    ours, theirs = (Holders.unpack(reply[10:]) for reply in (outcome.reply, case.reply))

    assert ours.group == theirs.group
    assert len(ours.addresses) == len(theirs.addresses)
    assert list(ours.addresses) == outcome.cluster.storages_of("group1")[: len(theirs.addresses)]


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

    host, port = outcome.cluster.storages[0]
    assert ours == (theirs.status, port, host, host)


def check_own_address(outcome: Outcome, case: Case) -> None:
    assert outcome.reply[10:] == b"127.0.0.1"


def check_server_id(outcome: Outcome, case: Case) -> None:
    assert outcome.reply[10:].replace(b"127.0.0.", b"10.77.0.") == case.reply[10:] == b"10.77.0.21"


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
    SERVER_ID: check_server_id,
    MY_IP: check_own_address,
    TRACKER_STATUS: check_tracker_status,
    INFO: check_info,
    STORE: check_place,
    STORE_IN_GROUP: check_place,
    FETCH: check_place,
    UPDATE: check_place,
    STORE_ALL: check_all_places,
    STORE_ALL_IN_GROUP: check_all_places,
    LIST_ONE_GROUP: check_groups,
    LIST_ALL_GROUPS: check_groups,
    LIST_STORAGE: check_storages,
    STORAGE_STAT: check_records,
    VOLUME_STAT: check_volumes,
}
