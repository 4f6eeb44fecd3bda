"""Whatever bytes come, there is an answer or an end, and the next client is served."""

from __future__ import annotations

import contextlib
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.dispatch import Load
from fdfs_storage.devserver.refusal import RefusedError
from fdfs_storage.devserver.replies import Reply, Request
from fdfs_storage.devserver.roster import Roster
from fdfs_storage.devserver.storage import STORAGE_COMMANDS, Storage
from fdfs_storage.devserver.tracker import TRACKER_COMMANDS, Tracker
from fdfs_storage.devserver.transfers import Transfer
from fdfs_storage.devserver.view import Peer
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs.protocol import Address, Header

from .wire import (
    APPEND,
    APPENDER,
    INFO,
    MODIFY,
    TRUNCATE,
    Wire,
    append,
    download,
    group,
    modify,
    packet,
    truncate,
    upload,
)

fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATUSES = {0, 2, 17, 21, 22, 28}
TRACKER_STATUSES = {0, 2, 13, 16, 22, 28, 36, 95}
COMMANDS = st.one_of(st.sampled_from([*STORAGE_COMMANDS, *TRACKER_COMMANDS]), st.integers(0, 255))

NAMES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda parts: b"/".join(parts),
        st.lists(
            st.sampled_from([b"M00", b"M01", b"00", b"0a", b"FF", b"..", b".", b"\0", b"", b"x" * 34]),
            max_size=6,
        ),
    ),
)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda name: group() + name, NAMES),
    st.builds(
        lambda name, offset, count: struct.pack(">qq", offset, count) + group() + name,
        NAMES,
        *[st.integers(-(2**63), 2**63 - 1)] * 2,
    ),
    st.builds(
        lambda path, size, ext, content: struct.pack(">Bq6s", path, size, ext) + content,
        st.integers(0, 255),
        st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 20),
        st.binary(max_size=6),
        st.binary(max_size=20),
    ),
    st.builds(
        lambda numbers, middle, name, content: (
            struct.pack(f">{len(numbers)}q", *numbers) + middle + name + content
        ),
        st.lists(st.integers(0, 50) | st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=3),
        st.sampled_from(
            [b"", b"_s".ljust(16, b"\0") + b"jpg\0\0\0", b"O" + group(), group() + bytes(16) + b"jpg\0\0\0"]
        ),
        NAMES,
        st.binary(max_size=20),
    ),
)


def outcome_of(function: Callable[..., Any], *arguments: object) -> tuple[int, Any]:
    """Call it; return 0 and its result, or the status of its refusal and None."""
    try:
        return 0, function(*arguments)
    except RefusedError as error:
        return error.status, None


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    volume = Volume(tmp_path_factory.mktemp("fuzz"))
    volume.open()
    (volume.data / "outside").write_text("no name leads here")
    yield volume
    volume.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@fuzz
@given(COMMANDS, BODIES, st.integers(0, 255))
def test_a_storage_answers_anything(volume: Volume, command: int, body: bytes, status: int) -> None:
    reply = Storage(volume).answer(command, body, status)

    assert reply.status in STATUSES
    assert reply.status == 0 or reply.head() == struct.pack(">qBB", 0, 100, reply.status)
    reply.close()


@fuzz
@given(COMMANDS, BODIES, st.booleans())
def test_a_tracker_answers_anything(volume: Volume, command: int, body: bytes, uses_ids: bool) -> None:
    peers = [Peer(Address("127.0.0.1", 1), 0, True, Load())]
    roster = Roster.of([Storage(volume)], uses_ids=uses_ids)

    assert Tracker(roster, trackers=lambda: peers).answer(command, body).status in TRACKER_STATUSES


@fuzz
@given(COMMANDS, BODIES, st.integers(-(2**63), 2**63 - 1))
def test_a_storage_decides_by_the_first_piece(volume: Volume, command: int, body: bytes, length: int) -> None:
    storage = Storage(volume)
    expected = storage.expects(Header(length, command))
    if expected is not None and expected <= len(body):
        outcome = storage.begin(Request(Header(length, command), body[:expected]))

        reply = outcome if hasattr(outcome, "status") else outcome.finish()
        assert reply.status in STATUSES
        reply.close()


@fuzz
@given(NAMES)
@example(b"M00/00/00/../outside")
@example(b"M00/../outside\0" + b"x" * 34)
@example(b"00/00/../outside")
def test_no_name_leads_out_of_the_folders(volume: Volume, name: bytes) -> None:
    status, path = outcome_of(volume.find, name)

    assert status in {0, 2, 22}
    assert not path or path.resolve().parent.parent.parent == volume.data.resolve()


@settings(fuzz, max_examples=60)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.builds(packet, COMMANDS, BODIES)), max_size=4),
    st.sampled_from(["tracker", "storage", "http"]),
)
@example([b"\xff" * 4096], "storage")
@example([packet(14, download(b"x" * 40), length=2**62)], "storage")
@example([packet(11, upload(b"x"), length=2**63 - 1)], "storage")
@example([b"\0" * 300_000], "tracker")
@example([b"GET / HTTP/1.1\r\n" * 4000], "http")
def test_no_bytes_kill_a_server(cluster: EmbeddedCluster, sent: list[bytes], where: str) -> None:
    server = {
        "tracker": cluster.tracker_servers[0],
        "storage": cluster.storage_server,
        "http": cluster.http_server,
    }[where]
    with Wire(server.address) as wire:
        try:
            for piece in sent:
                wire.sendall(piece)
        except OSError:  # the server has had enough
            pass

    with Wire(cluster.trackers[0]) as tracker, Wire(cluster.storage_server.address) as storage:
        assert tracker.lives()
        assert storage.lives()
    assert b" 400 " in get(cluster)


def get(cluster: EmbeddedCluster) -> bytes:
    with Wire(cluster.http_server.address) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return wire.read(20)


class Appender(RuleBasedStateMachine):
    """One appender file beside a bytearray: whatever is done to both, they stay the same."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.volume = Volume(Path(self.stack.enter_context(tempfile.TemporaryDirectory())))
        self.volume.open()
        self.stack.callback(self.volume.close)
        self.storage = Storage(self.volume)
        self.name = self.storage.answer(APPENDER, upload(b"0123", "log")).body[16:]
        self.model = bytearray(b"0123")

    def teardown(self) -> None:
        self.stack.close()

    def do(self, command: int, body: bytes, cut: int | None = None) -> int:
        """Send a request whose body comes in two pieces."""
        at = len(body) if cut is None else max(cut, len(body) - 20)
        outcome = self.storage.begin(Request(Header(len(body), command), body[:at]))
        if isinstance(outcome, Reply):
            return outcome.status
        outcome.write(body[at:])
        return outcome.finish().status

    @rule(content=st.binary(max_size=20), cut=st.integers(0, 100))
    def append(self, content: bytes, cut: int) -> None:
        assert self.do(APPEND, append(self.name, content), max(cut, 60)) == 0
        self.model += content

    @rule(offset=st.integers(0, 60), content=st.binary(max_size=20))
    def modify(self, offset: int, content: bytes) -> None:
        allowed = offset <= len(self.model)

        assert self.do(MODIFY, modify(self.name, offset, content)) == (0 if allowed else 22)
        if allowed:
            self.model[offset : offset + len(content)] = content

    @rule(size=st.integers(0, 80))
    def truncate(self, size: int) -> None:
        assert self.do(TRUNCATE, truncate(self.name, size)) == 0
        self.model = self.model[:size].ljust(size, b"\0")

    @rule(content=st.binary(min_size=1, max_size=20), modifies=st.booleans())
    def break_off(self, content: bytes, modifies: bool) -> None:
        body = modify(self.name, 0, content) if modifies else append(self.name, content)
        outcome = self.storage.begin(Request(Header(len(body), MODIFY if modifies else APPEND), body[:-1]))
        assert isinstance(outcome, Transfer)
        outcome.discard()

    @invariant()
    def both_are_the_same(self) -> None:
        answer = self.storage.answer(INFO, group() + self.name)
        size, _, crc = struct.unpack_from(">qqq", answer.body)
        assert (size, crc & 0xFFFFFFFF) == (len(self.model), zlib.crc32(self.model))
        assert not list(self.volume.incoming.iterdir())


TestAppender = Appender.TestCase
TestAppender.settings = settings(fuzz, max_examples=40, stateful_step_count=20)


def test_nothing_of_all_that_is_left(volume: Volume) -> None:
    assert not list(Path(volume.data / ".incoming").iterdir())
