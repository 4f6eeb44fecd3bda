"""Files on disk: PROTOCOL 7.4 and 11."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver.daemons import Storage
from fdfs_storage.devserver.refusal import RefusedError
from fdfs_storage.devserver.volume import Rotation, Space, Volume
from fdfs_storage.fastdfs.file_id import FileId
from fdfs_storage.fastdfs.protocol import Command

from .wire import upload


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

    def name_for(self, *facts: int | str) -> FileId:
        self.repetitions -= 1
        return self.taken if self.repetitions >= 0 else super().name_for(*facts)


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


def test_a_disk_error_in_the_middle_is_answered_and_leaves_nothing(volume: Volume) -> None:
    storage = Storage(volume)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        reply = storage.answer(Command.UPLOAD_FILE, upload(bytes(2 << 20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert reply.status == 5
    assert not list(volume.files())
    assert not list((volume.data / ".incoming").iterdir())
    counts = volume.tally.counts()
    assert (counts["upload_total"], counts["upload_success"]) == (1, 0)


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
