"""Anti-steal tokens over HTTP: PROTOCOL 9.1; and the options of the HTTP server."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdfs_storage.devserver import HttpOptions
from fdfs_storage.fastdfs.token import anti_steal_token

from .browser import Browser, put, served

CONTENT = b"0123456789"
SECRET = "FastDFS1234567890"
PICTURE = b"not for you"


def tokened(url: str, when: int, secret: str = SECRET) -> str:
    name = url.removeprefix("/group1/")
    return f"{url}?token={anti_steal_token(name, secret, when)}&ts={when}"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Browser, str]]:
    """A browser at a server that wants tokens, and the URL of a file there."""
    with served(tmp_path, HttpOptions(token_secret=SECRET)) as (browser, volume):
        yield browser, f"/{put(volume, CONTENT)}"


@pytest.fixture
def pictured(tmp_path: Path) -> Iterator[tuple[Browser, str]]:
    """Likewise, with a picture for wrong tokens."""
    picture = tmp_path / "no.jpg"
    picture.write_bytes(PICTURE)
    options = HttpOptions(token_secret=SECRET, token_fail=picture)
    with served(tmp_path / "files", options) as (browser, volume):
        yield browser, f"/{put(volume, CONTENT)}"


@pytest.mark.parametrize("ago", [0, 590, -100_000])
def test_a_token_opens_its_file(guarded: tuple[Browser, str], ago: int) -> None:
    browser, url = guarded

    assert browser.get(tokened(url, int(time.time()) - ago)).body == CONTENT


def test_a_token_for_the_time_0_opens_it_for_ever(guarded: tuple[Browser, str]) -> None:
    browser, url = guarded

    assert browser.get(tokened(url, 0)).body == CONTENT


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_token_the_answer_is_400(guarded: tuple[Browser, str], method: str) -> None:
    browser, url = guarded

    assert browser.get(url, method).status == 400
    assert browser.get(tokened(url, 0).partition("&")[0], method).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_token_that_has_expired_or_is_anothers_is_400(guarded: tuple[Browser, str], method: str) -> None:
    browser, url = guarded

    assert browser.get(tokened(url, int(time.time()) - 610), method).status == 400
    assert browser.get(tokened(url, 0, "another secret"), method).status == 400
    assert browser.get(tokened(url, 0).replace(".txt?", ".jpg?"), method).status == 400


def test_the_time_to_live_is_an_option(tmp_path: Path) -> None:
    with served(tmp_path, HttpOptions(token_secret=SECRET, token_ttl=60)) as (browser, volume):
        url, now = f"/{put(volume, CONTENT)}", int(time.time())

        assert browser.get(tokened(url, now - 50)).status == 200
        assert browser.get(tokened(url, now - 70)).status == 400


def test_a_token_goes_with_ranges_and_download_names(guarded: tuple[Browser, str]) -> None:
    browser, url = guarded

    reply = browser.get(tokened(url, 0) + "&filename=cat.txt", Range="bytes=2-3")

    assert (reply.status, reply.body) == (206, b"23")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="cat.txt"'


def test_a_token_does_not_make_a_file_or_open_metadata(guarded: tuple[Browser, str]) -> None:
    browser, url = guarded

    assert browser.get(tokened(url[:-7] + "000.txt", 0)).status == 404
    assert browser.get(tokened(url + "-m", 0)).status == 404


@pytest.mark.parametrize(("method", "body"), [("GET", PICTURE), ("HEAD", b"")])
def test_a_wrong_token_gets_the_picture_where_there_is_one(
    pictured: tuple[Browser, str], method: str, body: bytes
) -> None:
    browser, url = pictured

    reply = browser.get(tokened(url, 1) + "&filename=x", method, Range="bytes=0-0")

    assert (reply.status, reply.body) == (200, body)
    assert (reply.headers["Content-Type"], reply.headers["Content-Length"]) == ("image/jpeg", "11")
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Last-Modified" not in reply.headers


def test_no_token_at_all_gets_no_picture(pictured: tuple[Browser, str]) -> None:
    browser, url = pictured

    assert browser.get(url).status == 400
    assert browser.get(tokened(url, 0)).body == CONTENT


def test_a_picture_that_was_removed_is_404(tmp_path: Path, pictured: tuple[Browser, str]) -> None:
    browser, url = pictured
    (tmp_path / "no.jpg").unlink()

    assert browser.get(tokened(url, 1)).status == 404


@pytest.mark.parametrize("query", ["?token={}&ts=0", "?a=b&ts=0&token={}", "?token={}&token=x&ts=0"])
def test_no_token_is_logged(
    guarded: tuple[Browser, str], caplog: pytest.LogCaptureFixture, query: str
) -> None:
    browser, url = guarded
    token = anti_steal_token(url.removeprefix("/group1/"), SECRET, 0)
    caplog.set_level(logging.DEBUG)

    assert browser.get(url + query.format(token)).status == 200
    browser.get(url)  # when this is answered, the line of the first one has been written

    assert "?" in caplog.text
    assert token not in caplog.text
    assert SECRET not in caplog.text


# --- options ------------------------------------------------------------------------------------


def test_urls_may_be_without_the_group(tmp_path: Path) -> None:
    with served(tmp_path, HttpOptions(with_group=False, token_secret=SECRET)) as (browser, volume):
        url = put(volume, CONTENT).removeprefix("group1")

        assert browser.get(tokened(url, 0)).body == CONTENT
        assert browser.get(tokened(f"/group1{url}", 0)).status == 400


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"token_ttl": 0}, "1 or more"),
        ({"token_ttl": -1}, "1 or more"),
        ({"token_ttl": True}, "whole number"),
        ({"token_ttl": "600"}, "whole number"),
        ({"token_ttl": 1.5}, "whole number"),
        ({"token_secret": "x" * 182}, "shorter"),
        ({"token_secret": "照" * 61}, "shorter"),
        ({"token_fail": Path("/")}, "set token_secret"),
        ({"token_secret": "x", "token_fail": Path("/nowhere.jpg")}, "existing file"),
        ({"token_secret": "x", "token_fail": Path("/")}, "existing file"),
    ],
)
def test_an_option_that_cannot_be_names_the_remedy(wrong: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        HttpOptions(**wrong)


def test_the_secret_is_not_shown() -> None:
    options = HttpOptions(token_secret=SECRET)

    assert SECRET not in repr(options)
    assert pickle.loads(pickle.dumps(options)) == options
