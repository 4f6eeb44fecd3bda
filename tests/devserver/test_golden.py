"""The recordings of a real cluster, replayed in their order against an embedded one of the same shape.

What the recordings call volatile is decoded and compared field by field; everything else, and whether
the connection stays open, must be the same to the byte. The recorded storages have addresses of their own
(10.77.0.21, .22 and .31): here these are on loopback, 127.0.0.21 and so on.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.storage import STORAGE_COMMANDS
from fdfs_storage.devserver.tracker import TRACKER_COMMANDS
from tests.pure.recordings import RECORDINGS

from .golden_checks import CHECKS, HOSTS, Case, Facts, Outcome, cases, parse_id
from .wire import (
    HEADER,
    LEADER,
    MY_IP,
    PARAMETERS,
    QUIT,
    SERVER_ID,
    UPLOAD,
    Wire,
    packet,
    upload,
)

SHAPE = {"group1": 2, "group2": 1}
# Longer than the replay takes: what one storage was sent, its replica has not.
LAG_SECONDS = 3600
UNKNOWN_COMMAND = 99
# The recorded cluster has two trackers; this is asked of the one that is not the leader.
FOLLOWER = "tr_tracker_stat_follower"
# This is asked of the other storage of the group, about a file whose upload to the first was not recorded.
REPLICA, UNRECORDED = "st_download_unsynced_replica", "(unrecorded upload)"
# Text that has the length of an address, or of what a cluster is configured with.
TEXTS = (LEADER, SERVER_ID, MY_IP, PARAMETERS)
RUN = [case.case for case in cases("narrow")]


# --- the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_recorded_case_runs(recording: str) -> None:
    assert [case.case for case in cases(recording)] == RUN
    assert len(set(RUN)) == 186


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
        # The recorded trackers choose the group with the most room; of equals, here, the first.
        with EmbeddedCluster(
            wide=recording == "wide",
            trackers=2,
            groups=SHAPE,
            storage_hosts=HOSTS,
            lag=LAG_SECONDS,
            store_lookup=2,
        ) as cluster:
            replies = {UNRECORDED: unrecorded_upload(cluster)}
            for case in cases(recording):
                outcome = replay(cluster, case, replies)
                outcomes[recording, case.case] = outcome
                replies[case.case] = outcome.reply
    return outcomes


def unrecorded_upload(cluster: EmbeddedCluster) -> bytes:
    with Wire(cluster.storages[0].address) as wire:
        wire.sendall(packet(UPLOAD, upload(b"young")))
        return wire.read_raw()


def replay(cluster: EmbeddedCluster, case: Case, replies: dict[str, bytes]) -> Outcome:
    tracker = cluster.trackers[case.case == FOLLOWER]
    storage = cluster.storages[case.case == REPLICA].address
    request = moved(case.request, cluster.storages[0].port)
    for use in case.uses:
        name = replies[use["from_case"]][26:]
        # The old form of a name lacks its first four characters.
        name = name[len(name) - (use["end"] - use["start"]) :]
        request = request[: use["start"]] + name + request[use["end"] :]
    with Wire(tracker if case.to == "tracker" else storage) as wire:
        wire.sendall(request)
        reply = wire.read_raw()
        servers = [(server.host, server.port) for server in cluster.storages]
        return Outcome(request, reply, wire.lives(), Facts(cluster.trackers, servers))


def moved(request: bytes, port: int) -> bytes:
    """Return a recorded request with the addresses of this cluster, also those in the names of files."""
    request = NAME.sub(lambda match: match[1] + moved_stem(match[2]), request)
    request = request.replace(b"10.77.0.", b"127.0.0.").replace(b":23000", f":{port}".encode())
    # A port of another length is the end of the body.
    if len(request) >= HEADER.size and 0 <= (length := HEADER.unpack(request[: HEADER.size])[0]) < 128:
        assert length in (len(request) - HEADER.size, len(request) - HEADER.size + 5 - len(str(port)))
        request = HEADER.pack(len(request) - HEADER.size, *request[8:10]) + request[HEADER.size :]
    return request


NAME = re.compile(rb"(M00/[0-9A-F]{2}/[0-9A-F]{2}/)([A-Za-z0-9_-]{27})")


def moved_stem(stem: bytes) -> bytes:
    payload = base64.urlsafe_b64decode(stem + b"=")
    if payload[:3] == bytes((10, 77, 0)):
        payload = bytes((127, 0, 0)) + payload[3:]
    return base64.urlsafe_b64encode(payload)[:27]


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


def test_the_info_of_an_uploaded_file_has_the_time_in_its_name(
    outcomes: dict[tuple[str, str], Outcome],
) -> None:
    for recording in RECORDINGS:
        (modified,) = struct.unpack(">q", outcomes[recording, "st_info_normal"].reply[18:26])
        assert modified == parse_id(outcomes[recording, "st_upload_jpg"].reply).created.timestamp()
