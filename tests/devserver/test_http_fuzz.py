"""Whatever a URL or a header says, there is an answer, and it stays within the file and the folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fdfs_storage.devserver import HttpOptions
from fdfs_storage.devserver.http_conditions import unmet_condition
from fdfs_storage.devserver.http_names import content_type, disposition
from fdfs_storage.devserver.http_ranges import ByteRange, byte_ranges
from fdfs_storage.devserver.http_request import HttpError
from fdfs_storage.devserver.http_site import Site
from fdfs_storage.devserver.http_url import Url, without_token
from fdfs_storage.devserver.names import FileFacts
from fdfs_storage.devserver.refusal import RefusedError
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs.errors import ENOENT

from .browser import put

fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATUSES = {200, 206, 304, 400, 404, 405, 412, 416}

PIECES = ["M00", "M01", "group1", "00", "0a", "FF", "..", ".", "", "%2f", "%00", "%2e", "x" * 34, "-m", "+"]
PATHS = st.builds(lambda parts: "/" + "/".join(parts), st.lists(st.sampled_from(PIECES), max_size=8))
QUERIES = st.lists(
    st.sampled_from(["token=", "ts=", "ts=0", "filename=%0d", "redirect=1", "&", "=", "%", "x" * 32]),
    max_size=4,
).map("".join)
RANGES = st.text(max_size=30) | st.from_regex(r"bytes=[0-9,-]{0,30}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30) | RANGES
HEADERS = st.dictionaries(
    st.sampled_from(
        ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
    ),
    VALUES,
)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    volume = Volume(tmp_path_factory.mktemp("fuzz"))
    volume.open()
    (volume.data / "outside").write_text("no name leads here")
    yield volume
    volume.close()


def answer(site: Site, head: bytes) -> int:
    _, response = site.respond(head)
    assert response.head(keeps_alive=True).count(b"\r\n\r\n") == 1
    response.close()
    return response.status


def nobody(group: str, name: bytes) -> FileFacts:
    raise RefusedError(ENOENT)


@fuzz
@given(st.binary(max_size=200), PATHS, QUERIES, st.booleans(), st.booleans())
def test_http_answers_anything(
    volume: Volume, junk: bytes, path: str, query: str, with_group: bool, guarded: bool
) -> None:
    options = HttpOptions(with_group=with_group, token_secret="secret" if guarded else "")
    site = Site(volume, options, nobody)

    assert answer(site, junk + b"\r\n\r\n") == 400
    assert answer(site, f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) in {400, 404}


@fuzz
@given(HEADERS, st.sampled_from(["GET", "HEAD"]))
def test_a_file_is_an_answer_to_any_headers(volume: Volume, headers: dict[str, str], method: str) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if "\n" not in value)
    head = f"{method} /{put(volume, b'0123456789')} HTTP/1.1\r\nHost: x\r\n{lines}\r\n"

    assert answer(Site(volume), head.encode("utf-8")) in STATUSES


def ranges_of(header: str, size: int) -> list[ByteRange] | int:
    try:
        return byte_ranges(header, size)
    except HttpError as error:
        return error.status


@fuzz
@given(RANGES, st.integers(0, 2**63))
@example("bytes=" + "0-," * 19, 10)
@example("bytes=" + "9" * 57, 10)
def test_all_ranges_lie_within_the_file(header: str, size: int) -> None:
    found = ranges_of(header, size)

    if isinstance(found, list):
        assert len(found) <= 5
        assert all(part.start >= 0 and 0 < part.length <= size - part.start for part in found)
    else:
        assert found in {400, 416}


def path_of(target: str) -> bytes | int:
    try:
        return Url.parse(target).path
    except HttpError as error:
        return error.status


@fuzz
@given(st.text("/.%2feExM0?&=+ ", max_size=60))
def test_no_path_has_a_dot_segment_left(text: str) -> None:
    path = path_of(f"/{text}/0123456789abcdef")

    if isinstance(path, bytes):
        assert path.startswith(b"/")
        assert not {b"", b".", b".."} & set(path.split(b"/")[1:-1])
    else:
        assert path == 400


@fuzz
@given(st.text(max_size=40))
def test_every_name_has_a_type(name: str) -> None:
    assert content_type(name).isascii()


@fuzz
@given(st.text(st.characters(), max_size=60))
def test_a_download_name_stays_within_its_header(name: str) -> None:
    value = disposition(name)

    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


@fuzz
@given(HEADERS, st.integers(0, 2**32))
def test_conditions_never_fail(headers: dict[str, str], modified: int) -> None:
    assert unmet_condition(headers, modified) in {None, 304, 412}


@fuzz
@given(st.text("?&=token1", max_size=40))
def test_no_log_shows_a_token(text: str) -> None:
    assert "5ecret" not in without_token(f"/x?{text}&token=5ecret&{text}")
