import gzip
import io
import os
import random
import threading
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from fdfs_storage.fastdfs import Client, FileId, Kind
from fdfs_storage.fastdfs.errors import InvalidArgumentError, NoServerError

LARGE = random.Random(1).randbytes(5_000_017)


@pytest.fixture(params=[b"", b"x", LARGE[:65536], LARGE[:65537], LARGE], ids=["0", "1", "64K", "64K+1", "5M"])
def content(request):
    return request.param


def gzipped(content, tmp_path):
    path = tmp_path / "content.gz"
    path.write_bytes(gzip.compress(content, 1))
    return gzip.open(path)  # has a descriptor, with other bytes behind it


def piped(content, tmp_path):
    reader, writer = os.pipe()

    def feed():
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(content)

    threading.Thread(target=feed).start()
    return os.fdopen(reader, "rb")


def on_disk(content, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(content)
    return path


FORMS = {
    "bytes": lambda content, _: content,
    "bytearray": lambda content, _: bytearray(content),
    "memoryview": lambda content, _: memoryview(content),
    "BytesIO": lambda content, _: io.BytesIO(content),
    "path": on_disk,
    "file": lambda content, tmp_path: on_disk(content, tmp_path).open("rb"),
    "raw file": lambda content, tmp_path: on_disk(content, tmp_path).open("rb", buffering=0),
    "gzip": gzipped,
    "pipe": piped,
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_uploaded_comes_back(client, content, form, tmp_path):
    source = FORMS[form](content, tmp_path)

    file_id = client.upload(source, "bin")

    assert client.download(file_id) == content
    if hasattr(source, "close"):
        assert not source.closed, "the caller's stream is the caller's to close"
        source.close()


def test_the_id_tells_what_was_uploaded(client):
    before = datetime.now(timezone.utc) - timedelta(minutes=5)

    file_id = client.upload(LARGE, "jpg")

    assert (file_id.kind, file_id.size, file_id.extension) == (Kind.NORMAL, len(LARGE), "jpg")
    assert file_id.crc32 == zlib.crc32(LARGE)
    assert before < file_id.created < before + timedelta(minutes=10)


@pytest.mark.parametrize("extension", ["", "c", "JPG", "tar.gz", "jpeg", "a-b_c"])
def test_the_extension_is_kept(client, extension):
    file_id = client.upload(b"content", extension)

    assert file_id.extension == extension
    assert FileId.parse(str(file_id)) == file_id


@pytest.mark.parametrize("extension", ["toolong", "a/b", "a b", "中文", "\0", ".." * 4, ".jpg"])
def test_an_extension_that_no_storage_takes_is_refused_before_it_is_sent(client, extension):
    with pytest.raises(InvalidArgumentError):
        client.upload(b"content", extension)


def test_a_stream_is_uploaded_from_its_position_on(client, tmp_path):
    path = on_disk(LARGE, tmp_path)
    with path.open("rb") as file, path.open("r+b") as both:
        file.seek(1_000_000)
        both.seek(4_999_999)

        first, second = client.upload(file), client.upload(both)

    assert client.download(first) == LARGE[1_000_000:]
    assert client.download(second) == LARGE[4_999_999:]


def test_what_was_written_but_not_flushed_is_uploaded_too(client, tmp_path):
    with on_disk(b"", tmp_path).open("w+b") as file:
        file.write(b"buffered")
        file.seek(0)

        file_id = client.upload(file)

    assert client.download(file_id) == b"buffered"


@pytest.mark.parametrize(
    "wrong", ["text", 5, None, io.StringIO("text")], ids=["str", "int", "None", "StringIO"]
)
def test_what_is_no_binary_content_is_refused(client, wrong):
    with pytest.raises(InvalidArgumentError, match="binary"):
        client.upload(wrong)


@pytest.mark.parametrize("form", ["bytes", "BytesIO", "file", "gzip"])
@pytest.mark.parametrize("promised", [-1, 1, 99, 101, 300_000, (1 << 63) - 1, 1 << 64])
def test_a_content_of_another_length_than_promised_stores_nothing(client, promised, form, tmp_path):
    content = FORMS[form](bytes(100), tmp_path)

    with pytest.raises(InvalidArgumentError, match=str(promised)):
        client.upload(content, size=promised)

    assert client.download(client.upload(b"next")) == b"next"
    if hasattr(content, "close"):
        content.close()


def test_what_says_to_be_larger_than_any_file_is_refused(client):
    class Endless(io.BytesIO):
        def tell(self):
            return super().tell() and (1 << 63) - 1

    with pytest.raises(InvalidArgumentError, match="not a size of a file"):
        client.upload(Endless(b"content"))


def test_of_a_pipe_no_more_is_read_than_was_promised(client):
    reader, writer = os.pipe()
    os.write(writer, b"content, and the writer keeps it open")
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        file_id = client.upload(pipe, size=7)
    os.close(writer)

    assert client.download(file_id) == b"content"


@pytest.mark.parametrize(
    "read", [lambda count: "text", lambda count: bytes(count + 1)], ids=["str", "too much"]
)
def test_a_stream_that_reads_nonsense_stores_nothing(client, read):
    class Stream:
        pass

    stream = Stream()
    stream.read = read

    with pytest.raises(InvalidArgumentError):
        client.upload(stream, size=10)


def test_a_memoryview_with_gaps_is_refused(client):
    with pytest.raises(InvalidArgumentError, match="gaps"):
        client.upload(memoryview(b"content")[::2])


def test_a_file_that_hides_its_size_is_stored_whole(client):
    version = Path("/proc/version")

    assert client.download(client.upload(version)) == version.read_bytes()


def test_a_group_can_be_chosen(client):
    for group in client.groups():
        assert client.upload(b"content", group=group.name).group == group.name


def test_an_unknown_group_is_no_server(client):
    with pytest.raises(NoServerError, match="nogroup"):
        client.upload(b"content", group="nogroup")


@pytest.mark.parametrize("group", ["no_group", "g" * 17, "../group1", "grüppe"])
def test_a_name_that_no_group_can_have_is_refused(client, cluster, group):
    with pytest.raises(InvalidArgumentError):
        client.upload(b"content", group=group)
    with pytest.raises(InvalidArgumentError):
        Client(cluster.trackers, group=group)


def test_threads_get_their_own_files(client):
    results = {}

    def work(number):
        content = str(number).encode() * 1000
        results[number] = client.download(client.upload(content, "txt")) == content

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == dict.fromkeys(range(24), True)
