"""HTTP as the cluster's nginx with fastdfs-nginx-module serves it, and the embedded server like it."""

import http.client
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import pytest

from fdfs_storage.fastdfs.links import Links
from tests.conftest import eventually

CONTENT = b"0123456789"


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def fetch(url, method="GET", **headers):
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=10)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, urlunsplit(("", "", parts.path, parts.query, "")), headers=named)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())


@pytest.fixture
def base_url(cluster):
    if cluster.base_url is None:
        pytest.skip("FDFS_TEST_BASE_URL does not name the real cluster's nginx")
    return cluster.base_url


@pytest.fixture
def url(client, base_url):
    """The URL of a file that is served."""
    url = Links(base_url).url(str(client.upload(CONTENT, "txt")), 0)
    assert eventually(lambda: fetch(url).status == 200)
    return url


def test_an_uploaded_file_is_served_at_its_id(client, base_url):
    content = bytes(range(256)) * 400
    url = Links(base_url).url(str(client.upload(content, "jpg")), 0)

    assert eventually(lambda: fetch(url).body == content)


def test_a_deleted_file_is_not_served(client, base_url):
    file_id = client.upload(b"content", "txt")
    url = Links(base_url).url(str(file_id), 0)
    assert eventually(lambda: fetch(url).status == 200)

    client.delete(file_id)

    assert eventually(lambda: fetch(url).status in (400, 404))


@pytest.mark.parametrize("kind", ["appender", "slave", "empty", "bare"])
def test_every_kind_of_file_is_served(client, base_url, kind):
    make = {
        "appender": lambda: (client.upload_appender(CONTENT, "log"), CONTENT),
        "slave": lambda: (client.upload_slave(client.upload(b"master", "txt"), "_big", b"slave"), b"slave"),
        "empty": lambda: (client.upload(b"", "txt"), b""),
        "bare": lambda: (client.upload(CONTENT), CONTENT),
    }[kind]
    file_id, content = make()
    url = Links(base_url).url(str(file_id), 0)

    assert eventually(lambda: fetch(url).status == 200)
    assert fetch(url).body == content


def test_an_appender_is_served_as_it_is_now(client, base_url):
    file_id = client.upload_appender(CONTENT, "log")
    url = Links(base_url).url(str(file_id), 0)
    assert eventually(lambda: fetch(url).body == CONTENT)

    client.append(file_id, b"more")

    assert eventually(lambda: fetch(url).body == CONTENT + b"more")


def test_head_has_the_headers_and_no_body(url):
    get, head = fetch(url), fetch(url, "HEAD")

    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name]
    assert (head.headers["Content-Length"], head.headers["Accept-Ranges"]) == ("10", "bytes")


def test_the_date_is_that_in_the_id(client, base_url):
    file_id = client.upload(CONTENT, "txt")
    url = Links(base_url).url(str(file_id), 0)
    assert eventually(lambda: fetch(url).status == 200)

    assert fetch(url).headers["Last-Modified"] == file_id.created.strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_an_unmodified_file_is_304(url):
    modified = fetch(url).headers["Last-Modified"]

    assert fetch(url, If_Modified_Since=modified).status == 304
    assert fetch(url, If_Modified_Since=modified).body == b""
    assert fetch(url, If_Modified_Since="Fri, 01 Jan 1999 00:00:00 GMT").body == CONTENT
    assert fetch(url, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT").body == CONTENT


@pytest.mark.parametrize(
    ("wanted", "body", "told"),
    [
        ("2-4", b"234", "bytes 2-4/10"),
        ("7-", b"789", "bytes 7-9/10"),
        ("0-", CONTENT, "bytes 0-9/10"),
        ("8-99", b"89", "bytes 8-9/10"),
        ("-3", b"789", "bytes 7-9/10"),
        ("-99", CONTENT, "bytes 0-9/10"),
    ],
)
def test_a_range_is_served(url, wanted, body, told):
    reply = fetch(url, Range=f"bytes={wanted}")

    assert (reply.status, reply.body) == (206, body)
    assert (reply.headers["Content-Range"], reply.headers["Content-Length"]) == (told, str(len(body)))


@pytest.mark.parametrize("ranges", [[(0, 1), (4, 5)], [(8, 9), (0, 1)], [(n, n + 1) for n in range(5)]])
def test_several_ranges_are_served_in_parts(url, ranges):
    reply = fetch(url, Range="bytes=" + ",".join(f"{first}-{last}" for first, last in ranges))

    kind, _, boundary = reply.headers["Content-Type"].partition("; boundary=")
    parts = reply.body.split(f"\r\n--{boundary}".encode())
    assert (reply.status, kind) == (206, "multipart/byteranges")
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    for part, (first, last) in zip(parts[1:-1], ranges, strict=True):
        assert f"\r\nContent-range: bytes {first}-{last}/10\r\n\r\n".encode() in part
        assert part.endswith(b"\r\n\r\n" + CONTENT[first : last + 1])


@pytest.mark.parametrize("wanted", ["10-", "5-4", "a-b", "-", "1-2-3", "0-1,99-", "0-1,", "1-2," * 5 + "1-2"])
def test_a_range_that_the_file_does_not_have_is_416(url, wanted):
    assert fetch(url, Range=f"bytes={wanted}").status == 416


def test_a_range_header_of_64_bytes_is_400(url):
    assert fetch(url, Range="bytes=2-4,".ljust(61) + "5-6").status == 400


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("filename=cat.jpg", 'attachment; filename="cat.jpg"'),
        ("filename=my%20cat.jpg", 'attachment; filename="my cat.jpg"'),
        ("filename=my+cat.jpg&filename=x", 'attachment; filename="my cat.jpg"'),
        ("attname=cat.jpg", None),
    ],
)
def test_a_file_is_offered_under_another_name(url, query, told):
    reply = fetch(f"{url}?{query}")

    assert (reply.body, reply.headers["Content-Disposition"]) == (CONTENT, told)


# Where nginx has not got the file it asks another, with `&redirect=1` more: so only 499 are sure to do.
@pytest.mark.parametrize(("length", "status"), [(499, 200), (511, 400)])
def test_path_and_query_have_499_bytes_and_not_more_than_510(url, length, status):
    path = urlsplit(url).path

    assert fetch(f"{url}?{'x' * (length - len(path) - 1)}").status == status


@pytest.mark.parametrize("name", ["M00/00/00/short.txt", "M00/0a/00/" + "x" * 34, "MZZ/00/00/" + "x" * 34])
def test_what_no_file_is_called_is_400(url, name):
    group = urlsplit(url).path.split("/")[1]

    assert fetch(f"{url[: url.index(group)]}{group}/{name}").status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_405(url, method):
    assert fetch(url, method).status == 405
