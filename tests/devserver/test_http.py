"""HTTP as nginx with fastdfs-nginx-module serves it: PROTOCOL, section 9."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.http_site import Site
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs.file_id import FileId

from .browser import Browser, raw
from .wire import DELETE, Wire, group

CONTENT = b"0123456789"


@pytest.fixture
def browser(embedded: EmbeddedCluster) -> Iterator[Browser]:
    browser = Browser(embedded.http_server.address)
    yield browser
    browser.close()


@pytest.fixture
def url(storage: Wire) -> str:
    return "/group1/" + storage.store(CONTENT, "txt").decode()


# --- whole files --------------------------------------------------------------------------------


def test_a_file_is_served_at_its_id(embedded: EmbeddedCluster, browser: Browser, url: str) -> None:
    reply = browser.get(url)

    assert (reply.status, reply.body) == (200, CONTENT)
    assert reply.headers["Content-Length"] == "10"
    assert reply.headers["Content-Type"] == "text/plain"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    created = FileId.parse(url[1:]).created
    assert reply.headers["Last-Modified"] == created.strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_the_time_is_the_names_own_where_a_copy_has_another(
    embedded: EmbeddedCluster, browser: Browser, url: str
) -> None:
    before = browser.get(url).headers["Last-Modified"]
    next(embedded.volume.files()).touch()

    assert browser.get(url).headers["Last-Modified"] == before


def test_head_has_the_same_headers_and_no_body(browser: Browser, url: str) -> None:
    get, head = browser.get(url), browser.get(url, "HEAD")

    assert (head.status, head.body) == (200, b"")
    assert sorted(set(get.headers) - {"Date"}) == sorted(set(head.headers) - {"Date"})
    assert head.headers["Content-Length"] == "10"


def test_a_large_file_comes_whole(browser: Browser, storage: Wire) -> None:
    content = bytes(range(256)) * 20_000
    name = storage.store(content).decode()

    assert browser.get(f"/group1/{name}").body == content


def test_an_empty_file_is_served_although_it_cannot_be_downloaded(browser: Browser, storage: Wire) -> None:
    reply = browser.get("/group1/" + storage.store(b"").decode())

    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")


def test_a_connection_serves_many_requests(embedded: EmbeddedCluster, browser: Browser, url: str) -> None:
    statuses = [browser.get(each).status for each in (url, url[:-1] + "x", url, url)]

    assert statuses == [200, 404, 200, 200]
    assert embedded.http_server.connections == 1


def test_pipelined_requests_are_answered_in_order(embedded: EmbeddedCluster, url: str) -> None:
    one = f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    two = f"GET {url}?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()

    assert raw(embedded, one + one + two).count(CONTENT) == 3


@pytest.mark.parametrize("head", ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"])
def test_the_connection_closes_where_that_is_asked(embedded: EmbeddedCluster, url: str, head: str) -> None:
    with Wire(embedded.http_server.address) as wire:
        wire.sendall(f"GET {url} {head}\r\n".encode())

        reply = wire.read(1 << 20)

    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in reply
    assert reply.endswith(CONTENT)


@pytest.mark.parametrize(
    ("ext", "kind"),
    [
        ("jpg", "image/jpeg"),
        ("JPG", "image/jpeg"),
        ("png", "image/png"),
        ("webp", "image/webp"),
        ("pdf", "application/pdf"),
        ("mp4", "video/mp4"),
        ("html", "text/html"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("js", "application/javascript"),
        ("gz", "application/octet-stream"),
        ("tar.gz", "application/octet-stream"),
        ("nobody", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_the_type_follows_the_extension(browser: Browser, storage: Wire, ext: str, kind: str) -> None:
    assert browser.get("/group1/" + storage.store(b"x", ext).decode()).headers["Content-Type"] == kind


# --- what is not served -------------------------------------------------------------------------


def test_a_missing_file_is_404_without_a_clue(browser: Browser, url: str) -> None:
    reply = browser.get(url[:-7] + "000.txt")

    assert reply.status == 404
    assert b"group1" not in reply.body


def test_a_deleted_file_is_404(browser: Browser, storage: Wire, url: str) -> None:
    storage.ask(DELETE, group() + url.removeprefix("/group1/").encode())

    assert browser.get(url).status == 404


def test_another_group_is_404(browser: Browser, url: str) -> None:
    assert browser.get(url.replace("group1", "group2")).status == 404


def test_metadata_is_not_public(embedded: EmbeddedCluster, browser: Browser, url: str) -> None:
    (path,) = embedded.volume.files()
    path.with_name(path.name + "-m").write_bytes(b"owner\2secret")

    assert browser.get(url + "-m").status == 404
    assert browser.get(url + "%2dm").status == 404


@pytest.mark.parametrize(
    "make",
    [  # each makes a bad URL of a good one
        lambda url: "/",
        lambda url: "/group1/M00/",
        lambda url: url[:-8],
        lambda url: url.replace("M00", "M01"),
        lambda url: url.replace("M00", "MZZ"),
        lambda url: url.replace("/00/00/", "/0a/00/"),
        lambda url: url + "/x",
        lambda url: url + "%zz",
        lambda url: url + "%",
        lambda url: "/.." + url,
        lambda url: url.replace("/00/00/", "/00/00/../../../../../etc/passwd"),
        lambda url: url.replace("/00/00/", "/00/00/..%2f..%2f..%2f"),
        lambda url: url.replace("/00/00/", "/%2e%2e/%2e%2e/"),
        lambda url: url + "%00.jpg",
        lambda url: "/group1group1group1" + url,
        lambda url: url + "?" + "x" * 500,
        lambda url: url + "x" * 100,
    ],
)
def test_a_malformed_url_is_400(browser: Browser, url: str, make: Callable[[str], str]) -> None:
    assert browser.get(make(url)).status == 400


@pytest.mark.parametrize(
    "make",
    [  # each writes a URL in another way
        lambda url: "/" + url,
        lambda url: url.replace("/M00/", "//M00//"),
        lambda url: "/./group2/.." + url,
        lambda url: url.replace("/00/00/", "/00/00/../00/"),
        lambda url: url.replace("/M00/", "%2f%4d00%2F"),
        lambda url: url + "?a=b&&=c&d",
    ],
)
def test_a_path_is_resolved_as_nginx_does(browser: Browser, url: str, make: Callable[[str], str]) -> None:
    assert browser.get(make(url)).body == CONTENT


@pytest.mark.parametrize(("length", "status"), [(510, 200), (511, 400)])
def test_path_and_query_have_510_bytes(browser: Browser, url: str, length: int, status: int) -> None:
    assert browser.get(f"{url}?{'x' * (length - len(url) - 1)}").status == status
    assert browser.get(f"{url.replace('M00', '%4d00')}?{'x' * (length - len(url) - 1)}").status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_405(browser: Browser, url: str, method: str) -> None:
    reply = browser.get(url, method)

    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET {url}\r\n\r\n",
        b"GET {url} HTTP/2.0\r\n\r\n",
        b"GET {url} HTTP/1.1\r\n\r\n",
        b"get {url} HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x{url} HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nname : x\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\nbody",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET {url} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    ],
)
def test_a_malformed_request_is_400_and_the_connection_closed(
    embedded: EmbeddedCluster, url: str, request_: bytes
) -> None:
    reply = raw(embedded, request_.replace(b"{url}", url.encode()))

    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close\r\n" in reply
    assert reply.count(b"HTTP/1.1") == 1


def test_an_endless_head_is_431(embedded: EmbeddedCluster) -> None:
    assert raw(embedded, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000).startswith(b"HTTP/1.1 431 ")


def test_an_upload_over_http_reads_its_refusal(embedded: EmbeddedCluster, browser: Browser) -> None:
    browser.connection.request("POST", "/group1/M00/00/00/upload", body=bytes(50_000))

    assert browser.connection.getresponse().status == 405


@pytest.mark.parametrize("sent", [b"", b"GET /group1/M00", b"GET / HTTP/1.1\r\nA: b\r\n"])
def test_a_slow_client_is_timed_out(sent: bytes) -> None:
    with EmbeddedCluster(timeout=0.1) as cluster, Wire(cluster.http_server.address) as wire:
        wire.sendall(sent)

        assert wire.ends()


def test_a_client_that_drips_is_timed_out_as_a_whole() -> None:
    with EmbeddedCluster(timeout=0.2) as cluster, Wire(cluster.http_server.address) as wire:
        for _ in range(100):
            wire.sendall(b"x")
            if select.select([wire], [], [], 0.05)[0]:
                break

        assert wire.ends()


# --- caching, names -----------------------------------------------------------------------------


def test_an_unmodified_file_is_304(browser: Browser, url: str) -> None:
    modified = browser.get(url).headers["Last-Modified"]

    reply = browser.get(url, If_Modified_Since=modified)

    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["Last-Modified"] == modified
    assert browser.get(url).status == 200


@pytest.mark.parametrize("date", ["Fri, 01 Jan 2100 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT", "x", ""])
def test_the_date_is_compared_as_text(browser: Browser, url: str, date: str) -> None:
    assert browser.get(url, If_Modified_Since=date).status == 200


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"another"'}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": '"another"'}, 412),
        ({"If_Unmodified_Since": "Fri, 01 Jan 1999 00:00:00 GMT"}, 412),
        ({"If_Unmodified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
        ({"If_Unmodified_Since": "Fri, 01 Jan 99999999 00:00:00 GMT"}, 200),
        ({"If_Unmodified_Since": "yesterday"}, 200),
        ({"If_Match": "*", "If_Unmodified_Since": "Fri, 01 Jan 1999 00:00:00 GMT"}, 200),
    ],
)
def test_conditions_are_held(browser: Browser, url: str, conditions: dict[str, str], status: int) -> None:
    assert browser.get(url, **conditions).status == status


def test_a_tag_outweighs_a_date(browser: Browser, url: str) -> None:
    modified = browser.get(url).headers["Last-Modified"]

    assert browser.get(url, If_Modified_Since=modified, If_None_Match='"nginx"').status == 200


def test_a_file_that_is_gone_is_not_unmodified(browser: Browser, storage: Wire, url: str) -> None:
    modified = browser.get(url).headers["Last-Modified"]
    storage.ask(DELETE, group() + url.removeprefix("/group1/").encode())

    assert browser.get(url, If_Modified_Since=modified).status == 404


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("cat.jpg", 'attachment; filename="cat.jpg"'),
        ("my cat.jpg", 'attachment; filename="my cat.jpg"'),
        ('a"b\\c.jpg', 'attachment; filename="a_b_c.jpg"'),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="a__Set-Cookie: x=1"'),
        ("a\0\x7f.jpg", 'attachment; filename="a__.jpg"'),
        ("照片.jpg", "attachment; filename=\"__.jpg\"; filename*=UTF-8''%E7%85%A7%E7%89%87.jpg"),
        ("é\u0085.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9_.txt"),
    ],
)
def test_a_download_name_is_made_safe(browser: Browser, url: str, wanted: str, told: str) -> None:
    reply = browser.get(f"{url}?filename={quote(wanted)}")

    assert reply.headers["Content-Disposition"] == told
    assert "Set-Cookie" not in reply.headers
    assert reply.body == CONTENT


@pytest.mark.parametrize(
    "query",
    ["?filename=", "?attname=x", "?&&=&filename", "?%", "?%66ilename=x", "?redirect=1", "?start=2&end=3"],
)
def test_other_parameters_have_no_effect(browser: Browser, url: str, query: str) -> None:
    reply = browser.get(url + query)

    assert (reply.status, reply.body) == (200, CONTENT)
    assert "Content-Disposition" not in reply.headers


def test_the_first_of_two_download_names_counts(browser: Browser, url: str) -> None:
    reply = browser.get(f"{url}?filename=a+b.txt&filename=c.txt")

    assert reply.headers["Content-Disposition"] == 'attachment; filename="a b.txt"'


def test_a_download_name_in_another_encoding_does_no_harm(browser: Browser, url: str) -> None:
    reply = browser.get(f"{url}?filename=%FF.txt")

    assert reply.headers["Content-Disposition"].startswith('attachment; filename="_.txt"; ')


# --- a disk that fails --------------------------------------------------------------------------


class Haunted(Volume):
    """A volume that finds what is not there."""

    found = Path()

    def find(self, name: bytes, *, folder: int = 22, follow: bool = True) -> Path:
        return self.found


@pytest.mark.parametrize(("found", "status"), [("gone", 404), ("x" * 300, 500)], ids=["gone", "broken"])
def test_a_file_that_fails_meanwhile_is_an_answer_too(tmp_path: Path, found: str, status: int) -> None:
    volume = Haunted(tmp_path)
    volume.found = tmp_path / found

    _, response = Site(volume).respond(
        b"GET /group1/M00/00/00/" + b"x" * 34 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    )

    assert response.status == status
