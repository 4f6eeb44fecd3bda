import gzip
import io
import pickle
import random
import subprocess
import sys
import threading
import zipfile
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.images import get_image_dimensions
from django.core.files.storage import storages
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from django.db.migrations.writer import MigrationWriter
from django.http import FileResponse
from django.utils import timezone

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import FastDFSError, NoServerError
from fdfs_storage.storage import FastDFSStorage

CONTENT = random.Random(4).randbytes(3_000_003)
MISSING = "group1/M00/00/00/CgAAAWsEummAAVjNAAAAZIN-b7g764.jpg"


def read(storage, name):
    with storage.open(name) as file:
        return file.read()


# --- saving -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("西湖 晨雾.jpg", "jpg"),
        ("two words.PNG", "PNG"),
        ("noextension", ""),
        ("site.tar.gz", "tar.gz"),
        ("my.photo.jpg", "jpg"),
        ("v1.2.png", "png"),
        ("archive.tar.bz2", "bz2"),
        ("dots...", ""),
        ("photo.中文", ""),
        ("albums/2026/photo.jpeg", "jpeg"),
        (".bashrc", "bashrc"),
        ("page.xhtml1", "xhtml1"),
    ],
)
def test_of_the_name_only_the_extension_lives_on(storage, name, extension):
    saved = storage.save(name, ContentFile(b"content"))

    assert FileId.parse(saved).extension == extension
    assert read(storage, saved) == b"content"


def test_an_extension_that_is_too_long_is_left_out_and_logged(storage, caplog):
    with caplog.at_level("INFO", "fdfs_storage"):
        saved = storage.save("notes.markdown", ContentFile(b"content"))

    assert FileId.parse(saved).extension == ""
    assert "notes.markdown" in caplog.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.jpg", "..", ""])
def test_a_name_that_climbs_is_refused_before_anything_is_sent(broken, name):
    with pytest.raises(SuspiciousFileOperation):
        FastDFSStorage().save(name, ContentFile(b"content"))

    assert list(broken.volume.files()) == []


def in_memory(content):
    return InMemoryUploadedFile(io.BytesIO(content), "file", "a.bin", "application/x", len(content), None)


def temporary(content):
    upload = TemporaryUploadedFile("a.bin", "application/x", len(content), None)
    upload.write(content)
    return upload


class Chunked(File):
    """A file whose chunks() says something else than its inner file."""

    def chunks(self, chunk_size=None):
        for piece in super().chunks(chunk_size):
            yield piece.swapcase()


class Shouting(File):
    """A file that says something else than its inner file, by read() and so by chunks()."""

    def read(self, count=-1):
        return self.file.read(count).swapcase()


class Duck:
    """No File, and nothing but chunks()."""

    closed = False
    name = "a.bin"

    def __init__(self, content):
        self._content = content

    def chunks(self, chunk_size=None):
        yield self._content

    def seek(self, *_):
        pass

    def close(self):
        pass


FORMS = {
    "ContentFile": ContentFile,
    "InMemoryUploadedFile": in_memory,
    "TemporaryUploadedFile": temporary,
    "SimpleUploadedFile": lambda content: SimpleUploadedFile("a.bin", content),
    "File of BytesIO": lambda content: File(io.BytesIO(content), "a.bin"),
    "bare BytesIO": io.BytesIO,
    "gzip": lambda content: File(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content, 1))), "a.bin"),
    "own chunks": lambda content: Chunked(io.BytesIO(content.swapcase()), "a.bin"),
    "own read": lambda content: Shouting(io.BytesIO(content.swapcase()), "a.bin"),
    "only chunks": Duck,
    "File of File": lambda content: File(File(io.BytesIO(content), "inner.bin"), "a.bin"),
}


@pytest.mark.parametrize("content", [b"", b"small", CONTENT], ids=["empty", "small", "3M"])
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_django_file_is_saved_whole_and_left_open(storage, form, content):
    file = FORMS[form](content)
    file.seek(0, 2)

    saved = storage.save("a.bin", file)

    assert read(storage, saved) == content
    assert not file.closed
    file.close()


def test_text_is_saved_as_utf_8(storage):
    saved = storage.save("诗.txt", ContentFile("床前明月光"))

    assert read(storage, saved) == "床前明月光".encode()
    assert storage.size(saved) == 15
    with storage.open(saved, "r") as file:
        assert file.read() == "床前明月光"


def test_a_file_of_the_storage_can_be_saved_again(storage):
    first = storage.save("a.bin", ContentFile(CONTENT))

    with storage.open(first) as file:
        second = storage.save("copy.bin", file)

    assert second != first
    assert read(storage, second) == CONTENT


@pytest.mark.parametrize(("group", "max_length"), [("group1", 50), (None, 60)])
def test_a_column_too_short_for_an_id_is_refused_before_the_upload(broken, group, max_length):
    storage = FastDFSStorage(group=group)

    with pytest.raises(ImproperlyConfigured, match="max_length=100"):
        storage.save("a.jpg", ContentFile(b"content"), max_length=max_length)

    assert list(broken.volume.files()) == []
    storage.save("a.jpg", ContentFile(b"content"), max_length=max_length + 1)


def test_the_group_can_be_pinned(storage):
    assert FastDFSStorage(group="group1").save("a", ContentFile(b"x")).startswith("group1/")
    with pytest.raises(NoServerError, match="nogroup"):
        FastDFSStorage(group="nogroup").save("a", ContentFile(b"x"))


# --- opening ------------------------------------------------------------------------------------


@pytest.fixture
def saved(storage):
    return storage.save("a.bin", ContentFile(CONTENT))


def test_a_file_is_lazy_and_asks_for_no_more_than_is_read(broken):
    storage = FastDFSStorage()
    saved = storage.save("a.bin", ContentFile(CONTENT))
    file = storage.open(saved)
    asked = len(broken.storage_server.requests)

    assert (len(file), file.size, file.tell()) == (len(CONTENT), len(CONTENT), 0)
    assert len(broken.storage_server.requests) == asked
    assert file.read(10) + file.read(100_000) == CONTENT[:100_010]
    assert len(broken.storage_server.requests) == asked + 1
    file.close()


def test_a_file_seeks(storage, saved):
    with storage.open(saved) as file:
        assert file.seek(-5, io.SEEK_END) == len(CONTENT) - 5
        assert file.read() == CONTENT[-5:]
        assert file.read() == b""
        file.seek(1_000_000)
        file.seek(7, io.SEEK_CUR)
        assert (file.tell(), file.read(3)) == (1_000_007, CONTENT[1_000_007:1_000_010])
        assert file.seek(len(CONTENT) + 10) == len(CONTENT) + 10
        assert file.read(5) == b""
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)


def test_a_file_is_read_by_chunks_lines_and_into_buffers(storage):
    lines = [b"%d\n" % number for number in range(1000)]
    saved = storage.save("a.txt", ContentFile(b"".join(lines)))

    with storage.open(saved) as file:
        assert list(file) == lines
        assert b"".join(file.chunks(1000)) == b"".join(lines)
        file.seek(2)
        assert file.readline() == b"1\n"
        buffer = bytearray(4)
        assert (file.readinto(buffer), bytes(buffer)) == (4, b"2\n3\n")
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)


def test_a_file_can_be_closed_twice_and_opened_again(storage, saved):
    file = storage.open(saved)
    file.close()
    file.close()
    assert file.closed

    with file.open() as again:
        assert again is file
        assert again.read(3) == CONTENT[:3]
    assert file.closed


@pytest.mark.django_db  # closing a response closes old database connections
def test_libraries_read_it(storage):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.txt", "text")
    saved = storage.save("a.zip", ContentFile(packed.getvalue()))

    with storage.open(saved) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("inner.txt") == b"text"
    response = FileResponse(storage.open(saved))
    assert int(response["Content-Length"]) == len(packed.getvalue())
    assert b"".join(response.streaming_content) == packed.getvalue()
    response.close()


def test_an_image_tells_its_dimensions(storage, picture):
    saved = storage.save("a.jpg", ContentFile(picture))

    with storage.open(saved) as file:
        assert get_image_dimensions(file) == (320, 200)


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "r+b", "x", "", "q"])
def test_a_file_is_not_written_in_place(storage, saved, mode):
    with pytest.raises(io.UnsupportedOperation, match="save"):
        storage.open(saved, mode)


MALFORMED = [
    "photo.jpg",
    "",
    "group1",
    "../../etc/passwd",
    "http://x/group1/M00",
    "group1/M00/00/00/a.jpg",
    "\0",
]


@pytest.mark.parametrize("name", [MISSING, *MALFORMED])
def test_what_is_not_there_cannot_be_opened(storage, name):
    with pytest.raises(FileNotFoundError):
        storage.open(name)


# --- asking -------------------------------------------------------------------------------------


def test_exists_and_delete(storage, saved):
    assert storage.exists(saved)

    storage.delete(saved)

    assert not storage.exists(saved)
    storage.delete(saved)
    with pytest.raises(FileNotFoundError):
        storage.open(saved)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_name_does_not_exist_and_costs_no_request(broken, name):
    storage = FastDFSStorage()

    assert not storage.exists(name)
    if name:
        storage.delete(name)
    else:
        with pytest.raises(ValueError, match="name"):
            storage.delete(name)

    assert len(broken.tracker_servers[0].requests) == 0


def test_unreachable_is_not_absent(broken):
    storage = FastDFSStorage()
    saved = storage.save("a.bin", ContentFile(b"content"))
    broken.tracker_servers[0].stop()
    broken.storage_server.stop()

    for operation in (storage.exists, storage.open, storage.delete):
        with pytest.raises(NoServerError):
            operation(saved)


@pytest.mark.parametrize("use_tz", [True, False])
def test_times_are_aware_exactly_when_the_project_is(storage, saved, settings, use_tz):
    settings.USE_TZ = use_tz

    for moment in (storage.get_created_time(saved), storage.get_modified_time(saved)):
        assert timezone.is_aware(moment) == use_tz
        assert abs(moment - timezone.now()) < timedelta(minutes=5)


def test_a_path_is_a_name_too(storage, saved):
    path = PurePosixPath(saved)

    assert storage.exists(path)
    assert storage.url(path) == storage.url(saved)
    assert storage.size(path) == len(CONTENT)
    assert read(storage, path) == CONTENT
    assert storage.save(Path("p.txt"), ContentFile(b"x")).endswith(".txt")
    storage.delete(path)
    assert not storage.exists(saved)


def test_copies_inside_the_cluster_need_one_connection_at_a_time(broken, settings):
    settings.FDFS_POOL_SIZE = 1
    storage = FastDFSStorage()
    first = storage.save("a.bin", ContentFile(CONTENT))

    with storage.open(first) as file:
        second = storage.save("b.bin", file)

    assert read(storage, second) == CONTENT


def test_a_path_that_the_storage_has_not_got_is_a_missing_file(storage, saved):
    elsewhere = saved.replace("/M00/", "/M77/")

    assert not storage.exists(elsewhere)
    storage.delete(elsewhere)
    with pytest.raises(FileNotFoundError):
        storage.open(elsewhere)


def test_what_fastdfs_cannot_do_says_why(storage, saved):
    for operation in (storage.path, storage.listdir, storage.get_accessed_time):
        with pytest.raises(NotImplementedError, match=r"FastDFS"):
            operation(saved)


def test_the_url_is_the_base_and_the_id(settings, storage, saved):
    settings.FDFS_BASE_URL = "172.16.222.151:8888"

    assert storage.url(saved) == f"http://172.16.222.151:8888/{saved}"


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in MALFORMED if "://" not in name),
        "javascript:alert(1)",
        "a b#c?d.jpg",
        "报告.pdf",
        "/leading",
        "\ud800",
    ],
)
def test_the_url_of_any_name_is_a_quoted_path_below_the_base(settings, storage, name):
    settings.FDFS_BASE_URL = "http://img.example.com"

    url = storage.url(name)

    assert url.startswith("http://img.example.com/")
    assert not set(url[22:]) & set(' #?"<>')


def test_without_a_tracker_or_base_url_the_setting_is_named(settings):
    settings.FDFS_TRACKERS, settings.FDFS_BASE_URL = [], ""
    storage = FastDFSStorage()

    with pytest.raises(ImproperlyConfigured, match="FDFS_TRACKERS"):
        storage.save("a", ContentFile(b"x"))
    with pytest.raises(ImproperlyConfigured, match="FDFS_BASE_URL"):
        storage.url("a")


# --- the instance -------------------------------------------------------------------------------


def test_it_is_reached_through_storages():
    assert isinstance(storages["default"], FastDFSStorage)


def test_it_pickles_in_use(storage, saved):
    again = pickle.loads(pickle.dumps(storage))

    assert read(again, saved) == CONTENT
    made = pickle.loads(pickle.dumps(FastDFSStorage(pool_size=3)))
    assert made.deconstruct() == ("fdfs_storage.storage.FastDFSStorage", (), {"pool_size": 3})


def test_it_goes_into_a_migration_as_it_was_made():
    written, imports = MigrationWriter.serialize(FastDFSStorage(group="group1"))

    assert written == "fdfs_storage.storage.FastDFSStorage(group='group1')"
    assert imports == {"import fdfs_storage.storage"}


def test_making_one_reads_no_setting_and_dials_nothing(settings):
    settings.FDFS_TRACKERS = 5

    storage = FastDFSStorage()

    with pytest.raises(ImproperlyConfigured, match="FDFS_TRACKERS"):
        storage.exists(MISSING)


def test_threads_share_one_client(storage):
    clients = set()
    threads = [threading.Thread(target=lambda: clients.add(storage.client)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(clients) == 1


# --- when it breaks -----------------------------------------------------------------------------


def test_an_upload_that_fails_leaves_nothing(broken):
    broken.storage_server.stop()

    with pytest.raises(FastDFSError):
        FastDFSStorage().save("a.bin", ContentFile(CONTENT))

    assert list(broken.volume.files()) == []


MEMORY = """
import io, resource, sys
import django
from django.conf import settings
settings.configure(USE_TZ=True, FDFS_TRACKERS=[sys.argv[1]], FDFS_BASE_URL="http://127.0.0.1:8888")
django.setup()
from django.core.files.base import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from fdfs_storage.storage import FastDFSStorage

class Endless(io.RawIOBase):
    "200 MB that no descriptor stands behind"
    left = 200_000_000
    def read(self, count=-1):
        count = min(count, self.left)
        self.left -= count
        return bytes(count)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

storage = FastDFSStorage()
with TemporaryUploadedFile("warm", "a/b", 0, None) as warm:
    warm.write(b"x" * 1_000_000)
    storage.save("warm.bin", warm)
before = peak()
with TemporaryUploadedFile("a.bin", "a/b", 0, None) as upload:
    upload.file.truncate(200_000_000)
    first = storage.save("a.bin", upload)
second = storage.save("b.bin", File(Endless(), "b.bin"))
assert storage.size(first) == storage.size(second) == 200_000_000, (storage.size(first), storage.size(second))
storage.delete(first), storage.delete(second)
print(peak() - before)
"""


def test_uploading_200_mb_costs_less_than_8_mb_of_memory(cluster):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, cluster.trackers[0]], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8
