"""Files on disk: PROTOCOL 7.4 and 11."""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fdfs_storage.devserver.refusal import RefusedError
from fdfs_storage.devserver.replies import Reply, Request
from fdfs_storage.devserver.storage import Storage
from fdfs_storage.devserver.store_path import Rotation, Space
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs.file_id import FileId

from .wire import (
    APPEND,
    APPENDER,
    GET_METADATA,
    LINK,
    MODIFY,
    REGENERATE,
    SET_METADATA,
    SLAVE,
    TRUNCATE,
    UPLOAD,
    append,
    group,
    link,
    metadata,
    modify,
    slave,
    truncate,
    upload,
)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    volume = Volume(tmp_path)
    volume.open()
    yield volume
    volume.close()


def keep(volume: Volume, content: bytes = b"meow", extension: str = "jpg") -> FileId:
    with volume.receive() as incoming:
        incoming.write(content)
        return incoming.keep(extension)


def folders(volume: Volume) -> list[str]:
    return sorted({path.parent.relative_to(volume.data).as_posix() for path in volume.files()})


def test_a_kept_file_lies_where_its_name_says(volume: Volume, tmp_path: Path) -> None:
    file_id = keep(volume)

    path = tmp_path / "data" / file_id.name.removeprefix("M00/")
    assert path.read_bytes() == b"meow"
    assert volume.path_of(str(file_id)) == path
    assert list(volume.files()) == [path]
    assert volume.last_update >= file_id.created.timestamp()


def test_a_file_is_nowhere_until_it_is_kept(volume: Volume) -> None:
    with volume.receive() as incoming:
        incoming.write(b"meow")
        assert not list(volume.files())

    assert not list(volume.files())
    assert not list((volume.data / ".incoming").iterdir())


@pytest.mark.parametrize(
    "file_id", ["", "group1", "../../etc/passwd", "group1/M00/00/00/fwAAAWsFrRmAAAAAAAAAAAAAAAA.000000"]
)
def test_what_is_not_there_has_no_path(volume: Volume, file_id: str) -> None:
    assert volume.path_of(file_id) is None


def test_a_file_of_another_group_has_no_path(volume: Volume) -> None:
    assert volume.path_of("group2/" + keep(volume).name) is None


def test_each_folder_takes_its_names_and_the_last_is_followed_by_the_first(tmp_path: Path) -> None:
    rotation = Rotation(subdirs=2, names_each=3)

    taken = [rotation.take() for _ in range(3 * 4 + 1)]

    assert taken == ["00/00"] * 3 + ["00/01"] * 3 + ["01/00"] * 3 + ["01/01"] * 3 + ["00/00"]


def test_the_position_and_the_counts_survive_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        volume = Volume(tmp_path, rotation=Rotation(names_each=2))
        volume.open()
        for _ in range(3):
            keep(volume)
        volume.close()

    assert folders(volume) == ["00/00", "00/01", "00/02"]
    assert volume.tally.counts()["upload_success"] == 6


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "null", '{"folder": "x"}', '{"folder": 1, "names": 1, "counts": 7}', "\xff"]
)
def test_a_damaged_note_costs_the_counts_and_never_a_file(tmp_path: Path, note: str) -> None:
    first = Volume(tmp_path)
    first.open()
    file_id = keep(first)
    first.close()
    (tmp_path / "storage_stat.json").write_text(note, encoding="latin-1")

    second = Volume(tmp_path)
    second.open()
    keep(second)
    second.close()

    assert second.path_of(str(file_id))
    assert second.tally.counts()["upload_success"] == 1


def test_the_note_of_another_release_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    note = {"folder": 1 << 40, "names": 5, "join_time": 9, "last_update": 8, "counts": {"gone_total": 3}}
    (tmp_path / "storage_stat.json").write_text(json.dumps(note))

    volume = Volume(tmp_path)
    volume.open()
    volume.close()

    assert (volume.join_time, volume.rotation.names) == (9, 5)


def test_what_a_crash_left_is_swept_and_what_was_kept_stays(volume: Volume, tmp_path: Path) -> None:
    file_id = keep(volume)
    volume.receive().write(b"half a file")
    assert len(list((tmp_path / "data" / ".incoming").iterdir())) == 1
    volume.abandon()

    again = Volume(tmp_path)
    again.open()
    again.close()

    assert not list((tmp_path / "data" / ".incoming").iterdir())
    assert list(again.files()) == [again.path_of(str(file_id))]


def test_one_folder_has_one_cluster(volume: Volume, tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match=f"another embedded cluster keeps its files in {tmp_path}"):
        Volume(tmp_path).open()

    volume.close()
    again = Volume(tmp_path)
    again.open()
    again.close()


class Repetitive(Volume):
    """A volume whose dice fall the same way many times."""

    repetitions = 0

    def name_for(self, *facts: Any) -> FileId:
        self.repetitions -= 1
        return self.taken if self.repetitions >= 0 else super().name_for(*facts)

    def stem_for(self, *facts: Any, **flags: bool) -> str:
        return self.taken.name[10:37] if self.repetitions > 0 else super().stem_for(*facts, **flags)


@pytest.mark.parametrize(("repetitions", "given"), [(1, True), (9, True), (10, False)])
def test_a_taken_name_is_not_given_again(tmp_path: Path, repetitions: int, given: bool) -> None:
    volume = Repetitive(tmp_path)
    volume.open()
    volume.taken = keep(volume, b"first")
    volume.repetitions = repetitions

    if given:
        assert keep(volume, b"second") != volume.taken
    else:
        with pytest.raises(RefusedError):
            keep(volume, b"second")

    assert volume.path_of(str(volume.taken)).read_bytes() == b"first"
    assert len(list(volume.files())) == 1 + given
    volume.close()


@pytest.mark.parametrize("command", [LINK, REGENERATE])
def test_a_taken_name_is_not_given_to_a_link_or_a_regenerated_file(tmp_path: Path, command: int) -> None:
    volume = Repetitive(tmp_path)
    volume.open()
    with volume.receive() as incoming:
        incoming.write(b"first")
        volume.taken = incoming.keep("jpg", appender=True)
    volume.repetitions = 10
    name = volume.taken.name.encode()

    reply = Storage(volume).answer(command, link(name) if command == LINK else name)

    assert reply.status == 16
    assert volume.path_of(str(volume.taken)).read_bytes() == b"first"
    assert len(list(volume.files())) == 1
    volume.close()


# --- a disk that fails --------------------------------------------------------------------------


@contextlib.contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def keep_appender(volume: Volume, content: bytes) -> bytes:
    with volume.receive() as incoming:
        incoming.write(content)
        return incoming.keep("log", appender=True).name.encode()


def counts_of(volume: Volume, what: str) -> tuple[int, int]:
    counts = volume.tally.counts()
    return counts[f"{what}_total"], counts[f"{what}_success"]


@pytest.mark.parametrize("command", [UPLOAD, APPENDER, SLAVE])
def test_a_disk_error_in_the_middle_is_answered_and_leaves_nothing(volume: Volume, command: int) -> None:
    content = bytes(2 << 20)
    master = keep(volume).name.encode()
    body = slave(master, content) if command == SLAVE else upload(content)
    with disk_full_after(1 << 20):
        reply = Storage(volume).answer(command, body)

    assert reply.status == 5
    assert len(list(volume.files())) == 1
    assert not list((volume.data / ".incoming").iterdir())
    assert counts_of(volume, "upload") == (2, 1)


@pytest.mark.parametrize("size", [200_000, 2 << 20])
@pytest.mark.parametrize(
    ("command", "what", "body"),
    [
        (APPEND, "append", append),
        (MODIFY, "modify", lambda name, content: modify(name, 900_000, content)),
        (MODIFY, "modify", lambda name, content: modify(name, 1_000_000, content)),
    ],
)
def test_an_appender_is_as_it_was_after_a_disk_error(
    volume: Volume, command: int, what: str, body: Callable[[bytes, bytes], bytes], size: int
) -> None:
    name, before = keep_appender(volume, b"a" * 1_000_000), list(volume.files())
    with disk_full_after(1 << 20):
        reply = Storage(volume).answer(command, body(name, b"b" * size))

    assert reply.status == 5
    assert list(volume.files()) == before
    assert before[0].read_bytes() == b"a" * 1_000_000
    assert not list((volume.data / ".incoming").iterdir())
    assert counts_of(volume, what) == (1, 0)


def test_a_truncation_that_fails_is_counted_as_failed(volume: Volume) -> None:
    name = keep_appender(volume, b"12345")
    with disk_full_after(1 << 20):
        reply = Storage(volume).answer(TRUNCATE, truncate(name, 2 << 20))

    assert reply.status == 5
    assert next(volume.files()).read_bytes() == b"12345"
    assert counts_of(volume, "truncate") == (1, 0)


def test_metadata_is_the_old_or_the_new(volume: Volume) -> None:
    storage, name = Storage(volume), keep(volume).name.encode()
    storage.answer(SET_METADATA, metadata(name, b"a\2old"))
    with disk_full_after(100):
        reply = storage.answer(SET_METADATA, metadata(name, b"a\2" + b"n" * 200))

    assert reply.status == 5
    assert storage.answer(GET_METADATA, group() + name).body == b"a\2old"
    assert not list((volume.data / ".incoming").iterdir())
    assert counts_of(volume, "set_metadata") == (2, 1)


def test_a_file_that_vanishes_before_it_is_opened_is_missing(volume: Volume) -> None:
    name = keep_appender(volume, b"12345")
    outcome = Storage(volume).begin(Request.of(APPEND, append(name, b"678")))
    next(volume.files()).unlink()

    assert not isinstance(outcome, Reply)
    assert outcome.finish().status == 2
    assert counts_of(volume, "file_open") == (2, 1)


def test_room_is_what_the_reserve_leaves(tmp_path: Path) -> None:
    volume = Volume(tmp_path, space=lambda path: Space(total_mb=100, free_mb=11))
    volume.reserved_mb = 10

    volume.check_room(1 << 19)
    with pytest.raises(RefusedError) as refused:
        volume.check_room(1 << 20)

    assert refused.value.status == 28


def test_a_file_that_cannot_be_deleted_is_counted_as_failed(volume: Volume) -> None:
    with pytest.raises(FileNotFoundError):
        volume.delete(volume.data / "00/00/gone")

    counts = volume.tally.counts()
    assert (counts["delete_total"], counts["delete_success"]) == (1, 0)


def test_a_volume_that_cannot_open_lets_the_folder_go(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(NotADirectoryError):
        Volume(tmp_path).open()

    (tmp_path / "data").unlink()
    volume = Volume(tmp_path)
    volume.open()
    volume.close()


def test_a_folder_that_vanished_does_not_hinder_the_end(tmp_path: Path) -> None:
    base = tmp_path / "gone"
    volume = Volume(base)
    volume.open()
    for path in sorted(base.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    base.rmdir()

    volume.close()
    volume.close()
