"""Byte ranges, one and several: PROTOCOL, section 9."""

from __future__ import annotations

import email
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fdfs_storage.devserver import http_response
from fdfs_storage.devserver.replies import Content

from .browser import Browser, Reply, put, served

CONTENT = b"0123456789"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Browser, str, str]]:
    """A browser, and the URLs of a file of ten bytes and of an empty one."""
    with served(tmp_path) as (browser, volume):
        yield browser, f"/{put(volume, CONTENT)}", f"/{put(volume, b'')}"


@pytest.fixture
def browser(site: tuple[Browser, str, str]) -> Browser:
    return site[0]


@pytest.fixture
def url(site: tuple[Browser, str, str]) -> str:
    return site[1]


@pytest.fixture
def empty(site: tuple[Browser, str, str]) -> str:
    return site[2]


@pytest.mark.parametrize(
    ("wanted", "body", "told"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=0-", CONTENT, "bytes 0-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", CONTENT, "bytes 0-9/10"),
        ("Bytes= 2-4 ", b"234", "bytes 2-4/10"),
    ],
)
def test_a_range_is_served(browser: Browser, url: str, wanted: str, body: bytes, told: str) -> None:
    reply = browser.get(url, Range=wanted)

    assert (reply.status, reply.body) == (206, body)
    assert reply.headers["Content-Range"] == told
    assert reply.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    "wanted",
    ["10-", "10-12", "5-4", "5-0", "-0", "-", "", "2", "a-b", "1-2-3", "+1-2", "0-1;2-3", "9" * 20 + "-"],
)
def test_a_range_that_the_file_does_not_have_is_416(browser: Browser, url: str, wanted: str) -> None:
    reply = browser.get(url, Range=f"bytes={wanted}")

    assert reply.status == 416
    assert reply.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("wanted", ["lines=0-1", "bytes", "0-1", ""])
def test_what_are_no_ranges_of_bytes_get_the_whole_file(browser: Browser, url: str, wanted: str) -> None:
    reply = browser.get(url, Range=wanted)

    assert (reply.status, reply.body) == (200, CONTENT)


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_an_empty_file_has_no_range(browser: Browser, empty: str, wanted: str) -> None:
    assert browser.get(empty, Range=wanted).status == 416


def test_a_range_is_for_get_only(browser: Browser, url: str) -> None:
    reply = browser.get(url, "HEAD", Range="bytes=0-0")

    assert (reply.status, reply.headers["Content-Length"]) == (200, "10")


def test_if_range_with_another_date_gets_the_whole_file(browser: Browser, url: str) -> None:
    modified = browser.get(url).headers["Last-Modified"]

    assert browser.get(url, Range="bytes=0-0", If_Range=modified).status == 206
    assert browser.get(url, Range="bytes=0-0", If_Range="Thu, 01 Jan 1970 00:00:00 GMT").status == 200


def test_a_range_of_an_unmodified_file_is_304(browser: Browser, url: str) -> None:
    modified = browser.get(url).headers["Last-Modified"]

    assert browser.get(url, Range="bytes=0-0", If_Modified_Since=modified).status == 304


@pytest.mark.parametrize(("length", "status"), [(63, 206), (64, 400)])
def test_a_range_header_has_at_most_63_bytes(browser: Browser, url: str, length: int, status: int) -> None:
    assert browser.get(url, Range="bytes=2-4,".ljust(length - 3) + "5-6").status == status


# --- several ------------------------------------------------------------------------------------


def parts_of(reply: Reply) -> list[tuple[str, Any]]:
    """Read a multipart body as a mail program does; return range and content of each part."""
    head = f"Content-Type: {reply.headers['Content-Type']}\n\n".encode()
    message = email.message_from_bytes(head + reply.body)
    assert message.is_multipart()
    assert not message.defects
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in list(message.walk())[1:]]


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        ("0-1,4-5", [("bytes 0-1/10", b"01"), ("bytes 4-5/10", b"45")]),
        ("0-1, 4-5", [("bytes 0-1/10", b"01"), ("bytes 4-5/10", b"45")]),
        ("-2,0-0", [("bytes 8-9/10", b"89"), ("bytes 0-0/10", b"0")]),
        ("0-,0-", [("bytes 0-9/10", CONTENT)] * 2),
        (
            "0-0,1-1,2-2,3-3,8-99",
            [*[(f"bytes {n}-{n}/10", b"%d" % n) for n in range(4)], ("bytes 8-9/10", b"89")],
        ),
    ],
)
def test_several_ranges_come_as_parts(
    browser: Browser, url: str, wanted: str, parts: list[tuple[str, bytes]]
) -> None:
    reply = browser.get(url, Range=f"bytes={wanted}")

    assert reply.status == 206
    assert parts_of(reply) == parts
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert "Content-Range" not in reply.headers


@pytest.mark.parametrize("wanted", ["0-1,99-", "99-,0-1", "0-1,", ",", "0-1,,2-3", "0-0,1-1,2-2,3-3,4-4,5-5"])
def test_one_bad_range_or_more_than_five_fail_all(browser: Browser, url: str, wanted: str) -> None:
    reply = browser.get(url, Range=f"bytes={wanted}")

    assert reply.status == 416
    assert reply.headers["Content-Range"] == "bytes */10"


def test_the_parts_are_laid_out_as_the_module_does(browser: Browser, url: str) -> None:
    reply = browser.get(url, Range="bytes=0-1,4-5")

    kind, _, boundary = reply.headers["Content-Type"].partition("; boundary=")
    part = f"\r\n--{boundary}\r\nContent-type: text/plain\r\nContent-range: bytes "
    assert kind == "multipart/byteranges"
    assert reply.body.decode() == f"{part}0-1/10\r\n\r\n01{part}4-5/10\r\n\r\n45\r\n--{boundary}--\r\n"


def test_large_parts_come_whole_and_the_connection_goes_on(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    with served(tmp_path) as (browser, volume):
        url = f"/{put(volume, content)}"

        reply = browser.get(url, Range="bytes=0-499999,-300000,7-7")

        assert [part for _, part in parts_of(reply)] == [content[:500_000], content[-300_000:], b"\7"]
        assert browser.get(url, "HEAD").status == 200


class Vanishing(Content):
    """The file is removed as soon as a part of it was opened."""

    opened: ClassVar[list[Content]] = []

    def __init__(self, path: Path, offset: int, count: int) -> None:
        super().__init__(path, offset, count)
        self.opened.append(self)
        path.unlink()


def test_a_file_that_goes_between_two_parts_is_404(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_response, "Content", Vanishing)
    with served(tmp_path) as (browser, volume):
        assert browser.get(f"/{put(volume, CONTENT)}", Range="bytes=0-1,2-3").status == 404

    assert [content._descriptor for content in Vanishing.opened] == [-1]
