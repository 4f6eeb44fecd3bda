"""Changes of one storage reach the others of its group: after the lag, in order, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.storage_server import StorageServer
from tests.conftest import eventually

from .wire import (
    APPEND,
    APPENDER,
    DELETE,
    DOWNLOAD,
    LINK,
    MODIFY,
    REGENERATE,
    SET_METADATA,
    SLAVE,
    TRUNCATE,
    UPLOAD,
    Wire,
    append,
    download,
    group,
    link,
    metadata,
    modify,
    slave,
    truncate,
    upload,
)

LARGE = os.urandom(1 << 20)


def held(storage: StorageServer) -> dict[str, tuple[bytes | str, int]]:
    """Return what a storage has: content, or the target of a link, and the time, by store path and name."""
    volume = storage.volume
    return {
        volume.name_of(path): (
            os.fspath(path.readlink()) if path.is_symlink() else path.read_bytes(),
            0 if path.is_symlink() else int(path.stat().st_mtime),
        )
        for path in volume.files()
    }


def lines(storage: StorageServer) -> list[tuple[str, str]]:
    """Return operation, and name with what follows it, of each line of the binlog."""
    text = (storage.volume.binlog.folder / "binlog.000").read_text()
    return [(line.split(" ", 2)[1], line.split(" ", 2)[2]) for line in text.splitlines()]


# --- each kind of change ------------------------------------------------------------------------


def created(wire: Wire) -> None:
    wire.store(b"meow")
    wire.store(b"")
    wire.store(LARGE)
    wire.name(UPLOAD, upload(b"on the second path", path=1))


def hung_on(wire: Wire) -> None:
    name = wire.name(UPLOAD, upload(b"master", path=1))
    wire.name(SLAVE, slave(name, b"small"))
    wire.name(LINK, link(name))


def described(wire: Wire) -> None:
    name = wire.store(b"meow")
    for block in (b"a\0021", b"a\0022\001b\0023"):
        assert wire.ask(SET_METADATA, metadata(name, block)).status == 0


def undescribed(wire: Wire) -> None:
    name = wire.store(b"meow")
    for block in (b"a\0021", b""):
        assert wire.ask(SET_METADATA, metadata(name, block)).status == 0


def appended(wire: Wire) -> None:
    name = wire.store(b"123", command=APPENDER)
    assert wire.ask(APPEND, append(name, b"456")).status == 0
    assert wire.ask(APPEND, append(name, LARGE)).status == 0


def modified(wire: Wire) -> None:
    name = wire.store(b"12345678", command=APPENDER)
    assert wire.ask(MODIFY, modify(name, 2, b"ab")).status == 0
    assert wire.ask(MODIFY, modify(name, 6, b"over the end")).status == 0


def truncated(wire: Wire) -> None:
    name = wire.store(b"12345678", command=APPENDER)
    for size in (3, 10):
        assert wire.ask(TRUNCATE, truncate(name, size)).status == 0


def regenerated(wire: Wire) -> None:
    name = wire.store(b"12345678", command=APPENDER)
    assert wire.ask(APPEND, append(name, b"9")).status == 0
    assert wire.ask(REGENERATE, name).status == 0


def deleted(wire: Wire) -> None:
    name = wire.store(b"meow")
    wire.store(b"this one stays")
    assert wire.ask(SET_METADATA, metadata(name, b"a\0021")).status == 0
    assert wire.ask(DELETE, group() + name).status == 0


CHANGES = [
    (created, "CCCC"),
    (hung_on, "CCL"),
    (described, "CCU"),
    (undescribed, "CCD"),
    (appended, "CAA"),
    (modified, "CMM"),
    (truncated, "CTT"),
    (regenerated, "CAR"),
    (deleted, "CCCDD"),
]
each_change = pytest.mark.parametrize(
    ("change", "letters"), CHANGES, ids=[change.__name__ for change, _ in CHANGES]
)


@each_change
def test_a_change_is_on_its_source_at_once_and_on_the_replica_after_the_lag(
    pair: EmbeddedCluster, first: Wire, change: Callable[[Wire], None], letters: str
) -> None:
    change(first)
    assert held(pair.storages[0])
    assert held(pair.storages[1]) == {}

    pair.replicate()

    assert held(pair.storages[1]) == held(pair.storages[0])


@each_change
def test_a_change_is_passed_on_when_it_was_made(
    pair: EmbeddedCluster, first: Wire, change: Callable[[Wire], None], letters: str
) -> None:
    pair.lag = 0

    change(first)

    assert held(pair.storages[1]) == held(pair.storages[0]) != {}


@each_change
def test_source_and_replica_note_the_same_one_in_capitals(
    pair: EmbeddedCluster, first: Wire, change: Callable[[Wire], None], letters: str
) -> None:
    change(first)
    pair.replicate()

    source, replica = map(lines, pair.storages)
    assert "".join(letter for letter, _ in source) == letters
    assert replica == [(letter.lower(), rest) for letter, rest in source]


@each_change
def test_to_hear_everything_again_changes_nothing(
    pair: EmbeddedCluster, first: Wire, change: Callable[[Wire], None], letters: str
) -> None:
    """After a crash the mark may be behind; here it is lost."""
    change(first)
    pair.replicate()
    before = held(pair.storages[0])
    pair.stop()
    for mark in pair.data.glob("group1/*/data/sync/*.mark"):
        mark.unlink()

    pair.start()

    assert [held(storage) for storage in pair.storages] == [before, before]


@pytest.mark.parametrize("passed_on", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        *["C {0}", "U {0}", "D {0}", "A {0} 3 5", "A {0} 1 1", "M {0} 0 2", "T {0} 9 0", "T {0} 0 9"],
        *["C {1}", "U {1}", "D {1}", "A {1} 0 5", "T {1} 5 0", "L {1} {0}", "R {1} {0}", "R {0} {1}"],
    ],
)
def test_a_line_of_a_change_that_never_came_to_be_changes_nothing(
    pair: EmbeddedCluster, first: Wire, line: str, passed_on: bool
) -> None:
    """As a crash leaves it, between the line and the change."""
    name = first.store(b"12345", command=APPENDER).decode()
    if passed_on:
        pair.replicate()
    with (pair.volume.binlog.folder / "binlog.000").open("a") as file:
        file.write(f"1795551433 {line.format(name, name.replace('M00', 'M01'))}\n")
    pair.stop()
    pair.start()

    pair.replicate()

    assert list(held(pair.storages[0])) == [name]
    assert held(pair.storages[1]) == held(pair.storages[0])


@pytest.mark.parametrize(
    "line", ["", "nonsense", "1 A {0}", "1 A {0} -1 5", "1 T {0} 5 -5", "1 C MFF/00/00/x"]
)
def test_a_damaged_line_is_left_out_and_told(
    pair: EmbeddedCluster, first: Wire, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = first.store(b"12345", command=APPENDER).decode()
    with (pair.volume.binlog.folder / "binlog.000").open("a") as file:
        file.write(line.format(name) + "\n")
    pair.stop()
    pair.start()
    with Wire(pair.storages[0].address) as wire:
        wire.store(b"behind it")

    pair.replicate()

    assert held(pair.storages[1]) == held(pair.storages[0])
    assert "a damaged line in" in caplog.text


def test_what_was_changed_and_deleted_before_the_replica_heard_of_it_never_gets_there(
    pair: EmbeddedCluster, first: Wire
) -> None:
    for change, _ in CHANGES:
        change(first)
    for name in held(pair.storages[0]):
        first.ask(DELETE, group() + name.encode())

    pair.replicate()

    assert held(pair.storages[0]) == held(pair.storages[1]) == {}


def rehung(wire: Wire, master: bytes, content: bytes) -> None:
    wire.ask(DELETE, group() + master.replace(b".jpg", b"_s.jpg"))
    wire.name(SLAVE, slave(master, content))


def redescribed(wire: Wire, master: bytes, content: bytes) -> None:
    wire.ask(SET_METADATA, metadata(master, b""))
    assert wire.ask(SET_METADATA, metadata(master, b"key\2" + content)).status == 0


def relinked(wire: Wire, master: bytes, content: bytes) -> None:
    wire.ask(DELETE, group() + master.replace(b".jpg", b"_s.jpg"))
    wire.name(LINK, link(wire.store(content), master=master, prefix="_s"))


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (rehung, rehung),
        (redescribed, redescribed),
        (relinked, relinked),
        (rehung, relinked),
        (relinked, rehung),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_a_name_that_is_taken_again_tells_of_the_new_content(
    pair: EmbeddedCluster,
    first: Wire,
    change: Callable[[Wire, bytes, bytes], None],
    then: Callable[[Wire, bytes, bytes], None],
    again: bool,
) -> None:
    """Slaves and metadata have names that follow from another; here the two contents have one size."""
    master = first.store(b"master")
    change(first, master, b"old")
    pair.replicate()

    then(first, master, b"new")
    if again:
        then(first, master, b"odd")
    pair.replicate()

    assert held(pair.storages[1]) == held(pair.storages[0])


def test_a_change_of_a_replica_comes_back_to_the_source(
    pair: EmbeddedCluster, first: Wire, second: Wire
) -> None:
    name, doomed = first.store(b"123", command=APPENDER), first.store(b"meow")
    pair.replicate()
    assert second.ask(APPEND, append(name, b"456")).status == 0
    assert second.ask(DELETE, group() + doomed).status == 0

    pair.replicate()

    assert first.content(name) == b"123456"
    assert held(pair.storages[0]) == held(pair.storages[1])


def test_what_was_passed_on_is_not_passed_back(pair: EmbeddedCluster, first: Wire) -> None:
    first.store(b"meow")
    for _ in range(3):
        pair.replicate()

    assert [letter for storage in pair.storages for letter, _ in lines(storage)] == ["C", "c"]


def test_other_groups_hear_nothing() -> None:
    with EmbeddedCluster(groups={"group1": 2, "group2": 2}) as cluster:
        with Wire(cluster.storages[0].address) as wire:
            wire.store(b"meow")

        assert [len(held(storage)) for storage in cluster.storages] == [1, 1, 0, 0]


# --- time ---------------------------------------------------------------------------------------


def test_a_replica_has_not_got_the_file_before_the_lag(
    pair: EmbeddedCluster, first: Wire, second: Wire
) -> None:
    name = first.store(b"meow")

    assert second.ask(DOWNLOAD, download(name)) == (2, b"")
    assert second.lives()


def test_the_lag_passes_by_itself() -> None:
    with EmbeddedCluster(storages=2, lag=0.5) as cluster, Wire(cluster.storages[0].address) as wire:
        wire.store(b"meow")
        assert held(cluster.storages[1]) == {}

        assert eventually(lambda: bool(held(cluster.storages[1])), seconds=10)


@pytest.mark.parametrize("lag", [0, 0.05])
def test_a_shorter_lag_counts_for_what_waits_already(pair: EmbeddedCluster, first: Wire, lag: float) -> None:
    first.store(b"meow")

    pair.lag = lag

    assert pair.lag == lag
    assert eventually(lambda: bool(held(pair.storages[1])), seconds=10)


def test_a_lag_that_makes_no_sense_changes_nothing(pair: EmbeddedCluster) -> None:
    with pytest.raises(ValueError, match="lag is a number of seconds"):
        pair.lag = -1

    assert pair.lag == 3600
