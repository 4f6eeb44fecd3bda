"""Binlogs and marks: FastDFS's format, whole lines, and what a crash may leave of them."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fdfs_storage.devserver.binlog import Binlog, Mark, Position, Record

NAME = "M00/00/0F/Ck0AFWsEqX2APPhcAAAAE8e8Khc334.txt"
RECORDS = [
    Record(1, "C", NAME),
    Record(1795551433, "A", NAME, "3 30"),
    Record(2, "L", NAME, NAME),
    Record(0, "d", NAME),
]


@pytest.fixture
def binlog(tmp_path: Path) -> Iterator[Binlog]:
    binlog = Binlog(tmp_path / "sync")
    binlog.open()
    yield binlog
    binlog.close()


def records(binlog: Binlog, start: Position | None = None) -> list[Record | None]:
    return [record for record, _ in binlog.read(start or Position())]


def test_lines_are_those_of_fastdfs(binlog: Binlog) -> None:
    for record in RECORDS:
        binlog.append(record)

    assert (binlog.folder / "binlog.000").read_text().splitlines() == [
        f"1 C {NAME}",
        f"1795551433 A {NAME} 3 30",
        f"2 L {NAME} {NAME}",
        f"0 d {NAME}",
    ]


def test_what_was_written_is_read_from_any_place_on(binlog: Binlog) -> None:
    for record in RECORDS:
        binlog.append(record)
    places = [Position(), *(end for _, end in binlog.read(Position()))]

    assert [records(binlog, place) for place in places] == [RECORDS[count:] for count in range(5)]
    assert places[-1] == binlog.end


def test_it_goes_on_where_it_ended(binlog: Binlog) -> None:
    binlog.append(RECORDS[0])
    binlog.close()
    binlog.open()
    binlog.append(RECORDS[1])

    assert records(binlog) == RECORDS[:2]


def test_only_its_owner_may_look_into_the_folder(binlog: Binlog) -> None:
    assert binlog.folder.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_long_enough_is_followed_by_the_next(tmp_path: Path) -> None:
    binlog = Binlog(tmp_path, file_bytes=130)
    binlog.open()
    for _ in range(3):
        for record in RECORDS:
            binlog.append(record)

    assert records(binlog) == RECORDS * 3
    assert binlog.end.file > 3
    assert (tmp_path / "binlog_index.dat").read_text().startswith(f"current_write={binlog.end.file}\n")
    end = binlog.end
    binlog.close()
    binlog.open()
    assert binlog.end == end
    binlog.close()


def test_a_file_that_was_removed_hides_no_other(tmp_path: Path) -> None:
    binlog = Binlog(tmp_path, file_bytes=60)
    binlog.open()
    for _ in range(3):
        binlog.append(RECORDS[0])
    (tmp_path / "binlog.001").unlink()

    assert records(binlog) == [RECORDS[0]] * 2
    binlog.close()


@pytest.mark.parametrize("rest", ["1795551433 C M00/00", "1", " "])
def test_a_line_that_a_crash_cut_off_is_gone(binlog: Binlog, rest: str) -> None:
    binlog.append(RECORDS[0])
    binlog.close()
    with (binlog.folder / "binlog.000").open("a") as file:
        file.write(rest)

    binlog.open()
    binlog.append(RECORDS[1])

    assert records(binlog) == RECORDS[:2]


@pytest.mark.parametrize("line", ["", "x", "1 C", f"x C {NAME}", f"1 X {NAME}", f"1 CC {NAME}", "\xff" * 9])
def test_a_damaged_line_hides_no_other(binlog: Binlog, line: str) -> None:
    binlog.append(RECORDS[0])
    binlog.close()
    with (binlog.folder / "binlog.000").open("a", encoding="latin-1") as file:
        file.write(line + "\n")
    binlog.open()
    binlog.append(RECORDS[1])

    assert records(binlog) == [RECORDS[0], None, RECORDS[1]]


@contextlib.contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_part_of_a_line(binlog: Binlog) -> None:
    binlog.append(RECORDS[0])
    with no_file_longer_than(binlog.end.offset + 10), pytest.raises(OSError, match="no space left"):
        binlog.append(RECORDS[1])

    binlog.append(RECORDS[2])

    assert records(binlog) == [RECORDS[0], RECORDS[2]]


@given(st.binary(max_size=300))
@example(b"1 C M00/00/00/x 1 2 3")
def test_any_line_is_a_record_or_a_value_error(line: bytes) -> None:
    with contextlib.suppress(ValueError, TypeError):
        record = Record.parse(line)
        assert Record.parse(record.pack().rstrip(b"\n")) == record


# --- marks --------------------------------------------------------------------------------------


def opened(path: Path) -> Mark:
    mark = Mark(path)
    mark.open()
    return mark


def test_a_mark_remembers_the_place_and_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "100002.mark"
    mark = opened(path)
    assert mark.is_new
    mark.advance(Position(0, 10), synced=True)
    mark.advance(Position(1, 20), synced=False)
    mark.save()
    mark.close()

    again = opened(path)
    assert (again.position, again.is_new) == (Position(1, 20), False)
    assert "scan_row_count=2\nsync_row_count=1\n" in path.read_text()
    again.close()


def test_a_mark_that_gets_shorter_keeps_nothing_of_the_longer(tmp_path: Path) -> None:
    mark = opened(tmp_path / "1.mark")
    for place in (Position(0, 1 << 30), Position(1, 5)):
        mark.advance(place, synced=True)
        mark.save()
    mark.close()

    assert (tmp_path / "1.mark").read_text().splitlines()[1] == "binlog_offset=5"
    assert len((tmp_path / "1.mark").read_text().splitlines()) == 7


@given(content=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content=b"binlog_index=1\nbinlog_offset=x\n")
@example(content=b"binlog_index=0\nbinlog_offset=5\n")
def test_a_damaged_mark_begins_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "1.mark").write_bytes(content)

    mark = opened(tmp_path / "1.mark")
    mark.close()

    assert mark.is_new
    assert mark.position == Position()
