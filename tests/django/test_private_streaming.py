"""Private files without nginx in front: HTTP's ranges and conditions, constant memory, lost clusters."""

import logging
import tracemalloc

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.test import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from demo_site.gallery.models import Document
from fdfs_storage.fastdfs.errors import NoServerError
from fdfs_storage.fastdfs.protocol import Command
from fdfs_storage.private.ranges import Part, requested_part

CONTENT = b"0123456789"
PAST = "Fri, 01 Jan 1999 00:00:00 GMT"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"
PIECE = 1024 * 1024


@pytest.fixture(autouse=True)
def urls(settings):
    settings.ROOT_URLCONF = "tests.django.private_urls"


@pytest.fixture
def kept(db):
    """Keep content in a row, and return the URL of its file."""

    def keep(content, name="a.txt"):
        return f"/documents/{Document.objects.create(title='x', file=ContentFile(content, name)).pk}/"

    return keep


@pytest.fixture
def url(kept):
    return kept(CONTENT)


def body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


# --- ranges -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "status", "content", "told"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("Bytes= 7- ", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, CONTENT, "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=999999999999999999-", 416, b"", "bytes */10"),
        ("bytes=5-4", 200, CONTENT, None),
        ("bytes=0-1,4-5", 200, CONTENT, None),
        ("bytes=-", 200, CONTENT, None),
        ("bytes=x", 200, CONTENT, None),
        ("bytes=٣-٤", 200, CONTENT, None),
        ("lines=0-1", 200, CONTENT, None),
        ("bytes=" + "9" * 5000 + "-", 200, CONTENT, None),
    ],
)
def test_one_range_is_served(admin_client, url, wanted, status, content, told):
    response = admin_client.get(url, headers={"Range": wanted})

    assert (response.status_code, body(response), response.get("Content-Range")) == (status, content, told)
    assert status == 416 or response["Content-Length"] == str(len(content))
    assert status == 416 or response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "status"), [("", 200), ("bytes=0-", 416), ("bytes=-5", 200), ("bytes=-0", 416)]
)
def test_an_empty_file_is_served(admin_client, kept, wanted, status):
    response = admin_client.get(kept(b""), headers={"Range": wanted})

    assert (response.status_code, body(response)) == (status, b"")


@given(
    st.one_of(st.text(), st.from_regex(r"bytes=[0-9]{0,19}-[0-9]{0,19}", fullmatch=True)), st.integers(0, 99)
)
def test_any_text_asks_for_a_part_that_the_file_has_or_for_none(text, size):
    part = requested_part(text, size)

    if part and part.length:
        assert 0 <= part.start < part.start + part.length <= size


@given(st.data(), st.integers(1, 10**12))
def test_any_part_of_a_file_can_be_asked_for(data, size):
    start = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - start))
    part = Part(start, length)

    assert requested_part(part.told(size).partition("/")[0].replace(" ", "="), size) == part
    assert requested_part(f"bytes=-{size - start}", size) == requested_part(f"bytes={start}-", size)


def test_head_tells_all_and_fetches_nothing(broken, admin_client, kept):
    url = kept(CONTENT)

    response = admin_client.head(url, headers={"Range": "bytes=0-0"})

    assert (response.status_code, response["Content-Length"], response.content) == (200, "10", b"")
    assert Command.DOWNLOAD_FILE not in broken.storage_server.requests


def test_a_part_is_not_compressed(admin_client, kept, settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    url = kept(b"x" * 5000)

    response = admin_client.get(url, headers={"Range": "bytes=0-999", "Accept-Encoding": "gzip"})

    assert ("Content-Encoding" in response, response["Content-Length"]) == (False, "1000")
    assert body(response) == b"x" * 1000


# --- conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": 'W/{etag}, "x"'}, 304),
        ({"If-None-Match": '"x"', "If-Modified-Since": "{modified}"}, 200),
        ({"If-Modified-Since": "{modified}"}, 304),
        ({"If-Modified-Since": FUTURE}, 304),
        ({"If-Modified-Since": PAST}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Unmodified-Since": PAST}, 412),
        ({"If-Range": "{etag}", "Range": "bytes=0-0"}, 206),
        ({"If-Range": "{modified}", "Range": "bytes=0-0"}, 206),
        ({"If-Range": '"x"', "Range": "bytes=0-0"}, 200),
        ({"If-Range": "W/{etag}", "Range": "bytes=0-0"}, 200),
        ({"If-Range": FUTURE, "Range": "bytes=0-0"}, 200),
        ({"If-None-Match": "{etag}", "Range": "bytes=0-0"}, 304),
    ],
)
@pytest.mark.parametrize("use_tz", [True, False])
def test_conditions_are_held(admin_client, url, settings, conditions, status, use_tz):
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Shanghai"
    known = admin_client.get(url)
    values = {"etag": known["ETag"], "modified": known["Last-Modified"]}

    response = admin_client.get(url, headers={k: v.format(**values) for k, v in conditions.items()})

    assert response.status_code == status
    assert response["ETag"] == known["ETag"] or status == 412
    assert response["Cache-Control"] == "private, no-cache"


def test_an_answer_of_not_modified_asks_fastdfs_for_nothing(broken, admin_client, kept):
    url = kept(CONTENT)
    known = admin_client.get(url)
    asked = len(broken.storage_server.requests)

    response = admin_client.get(url, headers={"If-None-Match": known["ETag"]})

    assert (response.status_code, response.content) == (304, b"")
    assert len(broken.storage_server.requests) == asked


def test_content_that_may_change_gives_no_promise_for_its_parts(admin_client, url, storage):
    appender = storage.client.upload_appender(CONTENT, "log")
    Document.objects.update(file=str(appender))
    known = admin_client.get(url)

    response = admin_client.get(url, headers={"If-Range": known["Last-Modified"], "Range": "bytes=0-0"})

    assert known["ETag"].startswith('W/"')
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert admin_client.get(url, headers={"If-None-Match": known["ETag"]}).status_code == 304


# --- in pieces ----------------------------------------------------------------------------------


def test_a_large_file_never_lies_in_memory_whole(broken, admin_client, kept):
    size = 24 * PIECE + 1
    url = kept(bytes(size))

    tracemalloc.start()
    received = sum(map(len, admin_client.get(url).streaming_content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert received == size
    assert peak < 8 * PIECE


def test_an_event_loop_gets_pieces_too_when_it_wants_them(broken, kept, admin_user, admin_client):
    url = kept(bytes(3 * PIECE))
    cookies = admin_client.cookies

    async def read():
        client = AsyncClient()
        client.cookies = cookies
        response = await client.get(url)
        asked = broken.storage_server.requests.count(Command.DOWNLOAD_FILE)
        return asked, response.is_async, [len(piece) async for piece in response.streaming_content]

    assert async_to_sync(read)() == (1, True, [PIECE] * 3)


def test_another_storage_is_streamed_from(admin_client, url, settings, monkeypatch):
    settings.FDFS_X_ACCEL = "/_fdfs/"
    memory = InMemoryStorage()
    memory.save("a.txt", ContentFile(CONTENT))
    monkeypatch.setattr(Document._meta.get_field("file"), "storage", memory)
    Document.objects.update(file="a.txt")

    response = admin_client.get(url, headers={"Range": "bytes=-2"})

    assert (response.status_code, body(response)) == (206, b"89")
    assert response["ETag"].startswith("W/")


class Timeless(InMemoryStorage):
    def get_modified_time(self, name):
        raise NotImplementedError


def test_a_storage_that_knows_no_times_is_streamed_from(admin_client, url, monkeypatch):
    memory = Timeless()
    memory.save("a.txt", ContentFile(CONTENT))
    monkeypatch.setattr(Document._meta.get_field("file"), "storage", memory)
    Document.objects.update(file="a.txt")

    response = admin_client.get(url, headers={"If-Modified-Since": FUTURE, "Range": "bytes=99-"})

    assert (response.status_code, "Last-Modified" in response) == (416, False)
    assert body(admin_client.get(url)) == CONTENT


# --- what is lost -------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["tracker and storage", "storage"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_cluster_that_does_not_answer_is_503_and_a_line_in_the_log(
    broken, admin_client, kept, caplog, lost, method
):
    url = kept(CONTENT)
    broken.storage_server.stop()
    if lost == "tracker and storage":
        broken.tracker_servers[0].stop()

    response = getattr(admin_client, method)(url)

    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert response["Cache-Control"] == "no-store"
    assert "the private file of gallery.Document" in caplog.text


def test_a_storage_that_is_lost_before_the_first_byte_is_503(broken, admin_client, kept, caplog):
    url = kept(CONTENT)
    for _ in range(8):
        broken.storage_server.drop_next_reply(command=Command.DOWNLOAD_FILE)

    response = admin_client.get(url)

    assert response.status_code == 503
    assert [record.levelno for record in caplog.records if record.name == "fdfs_storage.private.view"] == [
        logging.ERROR
    ]


def test_a_storage_that_is_lost_later_cuts_the_answer_short(broken, admin_client, kept):
    response = admin_client.get(kept(bytes(3 * PIECE)))
    pieces = response.streaming_content
    received = len(next(pieces))
    broken.storage_server.stop()

    with pytest.raises(NoServerError):
        received += sum(map(len, pieces))

    assert received < int(response["Content-Length"])


def test_a_file_that_shrinks_meanwhile_cuts_the_answer_short(admin_client, url, storage):
    appender = storage.client.upload_appender(bytes(3 * PIECE), "log")
    Document.objects.update(file=str(appender))
    pieces = admin_client.get(url).streaming_content
    next(pieces)
    storage.client.truncate(appender, PIECE)

    with pytest.raises(EOFError, match="too early"):
        b"".join(pieces)
