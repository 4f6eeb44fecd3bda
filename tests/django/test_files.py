"""FastDFSFile among its readers, and what it writes."""

import csv
import io
import random
import shutil
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.http import FileResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fdfs_storage.appending import AppendError, AppendStream
from fdfs_storage.fastdfs import protocol
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.storage import FastDFSStorage

CONTENT = random.Random(5).randbytes(700_001)
BLOCK = 256 * 1024


@pytest.fixture(scope="module")
def name(cluster):
    storage = FastDFSStorage(trackers=cluster.trackers)
    yield (name := storage.save("a.bin", ContentFile(CONTENT)))
    storage.delete(name)


def save(storage, content, name="a.bin"):
    return storage.save(name, ContentFile(content))


def appender(storage, content=b"begin"):
    return str(storage.client.upload_appender(content, "log"))


# --- reading ------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 400_000)),
        st.tuples(st.just("seek"), st.integers(0, len(CONTENT) + 10)),
        st.tuples(st.just("back"), st.integers(0, len(CONTENT))),
        st.tuples(st.just("readline"), st.integers(0, 5000)),
        st.tuples(st.just("readinto"), st.integers(0, 300_000)),
    ),
    max_size=8,
)


def perform(file, what, number):
    if what == "readinto":
        buffer = bytearray(number)
        return file.readinto(buffer), bytes(buffer), file.tell()
    if what == "back":
        return file.seek(-number, io.SEEK_END), file.tell()
    return getattr(file, what)(number), file.tell()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_of_reads_and_seeks_is_that_of_a_file_on_disk(storage, name, steps):
    on_disk = io.BytesIO(CONTENT)

    with storage.open(name) as file:
        for what, number in steps:
            assert perform(file, what, number) == perform(on_disk, what, number)


def test_reading_through_asks_for_a_block_at_a_time(broken):
    storage = FastDFSStorage()
    saved = save(storage, CONTENT)
    asked = len(broken.storage_server.requests)

    with storage.open(saved) as file:
        assert b"".join(iter(lambda: file.read(4096), b"")) == CONTENT

    requests = list(broken.storage_server.requests)[asked:]
    assert requests.count(Command.DOWNLOAD_FILE) == -(-len(CONTENT) // BLOCK)


class Counted:
    """Counts what a client downloads."""

    def __init__(self, client, monkeypatch):
        self.total = 0
        download = client.download

        def counting(*arguments):
            content = download(*arguments)
            self.total += len(content)
            return content

        monkeypatch.setattr(client, "download", counting)


def big_zip(path):
    """A zip file of 1 GB, most of it a hole in the disk."""
    with path.open("wb") as file:
        file.seek(1_000_000_000)
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(500):
                archive.writestr(f"chapter-{number}.txt", f"text {number}")
    return path


def test_listing_a_zip_of_1_gb_downloads_less_than_1_mb(storage, tmp_path, monkeypatch):
    saved = str(storage.client.upload(big_zip(tmp_path / "big.zip"), "zip"))
    counted = Counted(storage.client, monkeypatch)

    with storage.open(saved) as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 500
        assert archive.read("chapter-499.txt") == b"text 499"
        assert file.size > 1_000_000_000

    assert 0 < counted.total < 1_000_000
    storage.delete(saved)


def test_pillow_opens_it(storage, picture):
    with storage.open(save(storage, picture, "a.jpg")) as file, Image.open(file) as image:
        assert image.convert("RGB").size == (320, 200)


def test_shutil_copies_it(storage, name):
    target = io.BytesIO()

    with storage.open(name) as file:
        shutil.copyfileobj(file, target)

    assert target.getvalue() == CONTENT


@pytest.mark.django_db  # closing a response closes old database connections
@pytest.mark.parametrize("headers", [{}, {"HTTP_RANGE": "bytes=0-9"}])
def test_a_file_response_tells_its_length_and_sends_all_of_it(storage, name, headers):
    response = FileResponse(storage.open(name), as_attachment=True, filename="报告.bin")
    RequestFactory().get("/", **headers)

    assert int(response["Content-Length"]) == len(CONTENT)
    assert b"".join(response.streaming_content) == CONTENT
    response.close()


@pytest.mark.django_db
def test_a_file_response_begins_where_the_file_stands(storage, name):
    file = storage.open(name)
    file.seek(700_000)

    response = FileResponse(file)

    assert (response["Content-Length"], b"".join(response.streaming_content)) == ("1", CONTENT[700_000:])
    response.close()
    assert file.closed


# --- a part as a stream -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, None), (0, 0), (5, 10), (700_000, 99), (700_001, None), (900_000, 5), (1, 600_000)],
)
def test_a_part_is_a_stream_of_its_own(storage, name, start, length):
    with storage.open(name) as file:
        file.seek(3)
        with file.open_stream(start, length) as part:
            expected = CONTENT[start:] if length is None else CONTENT[start : start + length]

            assert part.read() == expected
            assert part.seek(-1 if expected else 0, io.SEEK_END) == max(len(expected) - 1, 0)
            assert part.read() == expected[-1:]
        assert file.tell() == 3


def test_a_part_fetches_no_more_than_itself(storage, name, monkeypatch):
    counted = Counted(storage.client, monkeypatch)

    with storage.open(name) as file, file.open_stream(100, 1000) as part:
        part.read(1)
        part.read()

    assert counted.total == 1000


@pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
def test_a_part_that_begins_before_the_file_is_refused(storage, name, start, length):
    with storage.open(name) as file, pytest.raises(ValueError, match="negative"):
        file.open_stream(start, length)


# --- text ---------------------------------------------------------------------------------------

ROWS = [["题目", "页数"], ["西湖\u2028梦寻", "1"], ["two\nlines", "2"]]


def as_csv(encoding, newline="\r\n"):
    target = io.StringIO()
    csv.writer(target, lineterminator=newline).writerows(ROWS)
    return target.getvalue().encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_csv_reads_it_in_any_encoding(storage, encoding):
    saved = save(storage, as_csv(encoding), "a.csv")

    with storage.open(saved, "r", encoding=encoding, newline="") as file:
        assert list(csv.reader(file)) == ROWS


def test_text_is_utf_8_unless_told_otherwise(storage):
    saved = save(storage, "第一行\r\n第二行".encode(), "a.txt")

    with storage.open(saved, "r") as file:
        assert list(file) == ["第一行\n", "第二行"]
        assert list(file.chunks(4)) == ["第一行\n", "第二行"]
        assert file.open("rt", encoding="latin-1").read(1) == "\xe7"
        assert file.open("rb").read(3) == "第".encode()


def test_bytes_that_are_not_of_the_encoding_are_an_error_or_what_was_asked_for(storage):
    saved = save(storage, b"\xff\xfe\xff", "a.txt")

    with storage.open(saved, "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()
    with storage.open(saved, "r", errors="replace") as file:
        assert file.read() == "\ufffd" * 3


def test_binary_takes_no_encoding(storage, name):
    with pytest.raises(ValueError, match="binary"):
        storage.open(name, "rb", encoding="utf-8")


def test_a_closed_file_says_so(storage, name):
    file = storage.open(name)
    file.close()
    file.close()

    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read()
    with file.open() as again:
        assert again.read(5) == CONTENT[:5]


# --- appending ----------------------------------------------------------------------------------


def test_what_is_written_is_appended_when_it_is_closed(storage):
    saved = appender(storage)

    with storage.open(saved, "ab") as file:
        file.write(b" middle")
        file.writelines([b" e", b"nd"])
        assert (file.tell(), storage.size(saved)) == (16, 5)
        assert (file.readable(), file.seekable(), file.writable()) == (False, False, True)

    with storage.open(saved) as file:
        assert file.read() == b"begin middle end"


def test_writing_sends_a_block_at_a_time_and_flush_the_rest(broken):
    storage = FastDFSStorage()
    saved = appender(storage, b"")
    file = storage.open(saved, "ab")

    for _ in range(3):
        file.write(b"x" * 600_000)
    assert (file.size, file.tell()) == (1_200_000, 1_800_000)
    file.flush()

    assert file.size == storage.size(saved) == 1_800_000
    assert list(broken.storage_server.requests).count(Command.APPEND_FILE) == 2
    file.close()


def test_an_appender_is_read_as_long_as_it_is_now(storage):
    saved = appender(storage)
    with storage.open(saved) as reader, storage.open(saved, "ab") as writer:
        writer.write(b" more")
        writer.flush()

        assert reader.read() == b"begin"
        reader.close()
        assert reader.open().read() == b"begin more"


@pytest.mark.parametrize(
    ("fault", "fate", "unsure"),
    [
        (lambda server: server.answer_next(protocol.refusal(28), Command.APPEND_FILE), "were not", 0),
        (lambda server: server.drop_next_reply(command=Command.APPEND_FILE), "may have been", 4),
    ],
    ids=["refused", "unknown"],
)
def test_a_failure_says_how_much_is_there(broken, fault, fate, unsure):
    storage = FastDFSStorage()
    file = storage.open(appender(storage), "ab")
    file.write(b"first")
    file.flush()
    file.write(b"last")
    fault(broken.storage_server)

    with pytest.raises(AppendError, match=f"^5 bytes were appended .* the next 4 {fate}") as caught:
        file.close()

    assert (caught.value.appended, caught.value.unsure, file.closed) == (5, unsure, True)


def test_after_a_failure_nothing_is_sent_again(broken):
    storage = FastDFSStorage()
    saved = appender(storage)
    file = storage.open(saved, "ab")
    file.write(b"1")
    broken.storage_server.drop_next_reply(command=Command.APPEND_FILE)

    for attempt in (file.flush, lambda: file.write(b"2"), file.flush):
        with pytest.raises(AppendError):
            attempt()
    file.close()

    assert storage.size(saved) == len(b"begin1")


def test_a_stream_that_is_dropped_sends_nothing_and_says_so(storage):
    saved = appender(storage)
    stream = AppendStream(storage.client, storage.open(saved)._file_id, 5)
    stream.write(b"lost")

    with pytest.warns(ResourceWarning, match="4 bytes"):
        del stream

    assert storage.size(saved) == 5


@pytest.mark.parametrize("mode", ["wb", "w", "a", "at", "r+b", "rb+", "ab+", "x", "xb", "", "q"])
def test_any_other_mode_names_the_way_that_works(storage, mode):
    with pytest.raises(io.UnsupportedOperation, match=r"storage\.save\(\).*ab"):
        storage.open("new.txt", mode)


def test_a_file_that_is_no_appender_is_not_appended_to(storage, name):
    with pytest.raises(io.UnsupportedOperation, match="upload_appender"):
        storage.open(name, "ab")
    with storage.open(name) as file, pytest.raises(io.UnsupportedOperation, match="upload_appender"):
        file.open("ab")
