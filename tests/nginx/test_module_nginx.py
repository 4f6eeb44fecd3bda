"""The embedded HTTP server beside what it stands in for: nginx with fastdfs-nginx-module.

FDFS_TEST_NGINX_MODULE names an nginx that has the module, regular expressions and `return`, and reads
`mod_fastdfs.conf` from its working folder (FDFS_MOD_CONF_FILENAME in the module's src/config). It is run
with conf/nginx/fdfs-module.conf and conf/mod_fastdfs.conf, over the embedded cluster's folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.devserver.volume import Volume
from fdfs_storage.fastdfs.token import anti_steal_token
from tests.devserver.browser import Browser, put, served

from .server import running, shipped
from .site import CONTENT, Files, ask

BINARY = os.environ.get("FDFS_TEST_NGINX_MODULE", "")
if not BINARY:
    pytest.skip(
        "FDFS_TEST_NGINX_MODULE does not name an nginx with fastdfs-nginx-module", allow_module_level=True
    )

SECRET = "FastDFS1234567890"
PICTURE = b"not for you"
PAST = "Fri, 01 Jan 1999 00:00:00 GMT"
Make = Callable[[Files], str]


def module_conf(store_path: Path, folder: Path, *, guarded: bool = False, picture: str = "") -> str:
    text = shipped(
        "mod_fastdfs.conf",
        {
            "load_fdfs_parameters_from_tracker = true": "load_fdfs_parameters_from_tracker = false",
            "/data/fastdfs/store0": str(store_path),
            "base_path = /tmp": f"base_path = {folder}",
            "/etc/mime.types": f"{folder}/mime.types",
            "check_token = false": f"check_token = {str(guarded).lower()}",
            "#http.anti_steal.secret_key = a long random text of at most 128 bytes": (
                f"http.anti_steal.secret_key = {SECRET}"
            ),
        },
    )
    if picture:
        text = text.replace("#http.anti_steal.token_check_fail = /etc/fdfs/not-allowed.jpg", picture)
    return text


@pytest.fixture(scope="module")
def module(cluster: EmbeddedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx with the module, over the cluster's folder."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "mime.types").write_text("text/plain txt\napplication/pdf pdf\n")
    (folder / "mod_fastdfs.conf").write_text(module_conf(cluster.data, folder))
    with running(BINARY, folder, shipped("nginx/fdfs-module.conf", {})) as address:
        yield address


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("which", sorted(set(Files._fields)))
def test_every_kind_of_file_is_served_alike(
    module: str, embedded_address: str, files: Files, which: str, method: str
) -> None:
    url = getattr(files, which)

    assert ask(module, url, method) == ask(embedded_address, url, method)


@pytest.mark.parametrize(
    "wanted",
    [
        *["2-4", "7-", "-3", "-99", "8-99", "0-", " 2-4", "0-1,4-5", "0-1, 4-5", "-2,0-1", "0-,0-"],
        *["0-1,2-3,4-5,6-7,8-9", "10-", "5-4", "", "-", "2", "a-b", "1-2-3", "0-1,", "0-1,,2-3", "0-1,99-"],
        *["0-1,1-2,2-3,3-4,4-5,5-6", "2-4,".ljust(54) + "5-6", "2-4,".ljust(55) + "5-6"],
    ],
)
def test_ranges_are_served_alike(module: str, embedded_address: str, files: Files, wanted: str) -> None:
    headers = {"Range": f"bytes={wanted}"}

    assert ask(module, files.text, headers=headers) == ask(embedded_address, files.text, headers=headers)


def test_parts_are_laid_out_alike(module: str, embedded_address: str, files: Files) -> None:
    bodies = set()
    for address in (module, embedded_address):
        browser = Browser(address)
        reply = browser.get(files.large, Range="bytes=0-1,500000-,-2")
        boundary = reply.headers["Content-Type"].partition("boundary=")[2]
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        bodies.add(reply.body.replace(boundary.encode(), b"boundary"))
        browser.close()

    assert len(bodies) == 1


@pytest.mark.parametrize(
    "conditions",
    [
        {"If_Modified_Since": ""},
        {"If_Modified_Since": "", "Range": "bytes=0-1"},
        {"If_Modified_Since": PAST},
        {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"If_Modified_Since": "yesterday"},
        {"If_None_Match": "*"},
        {"If_Match": '"another"'},
        {"If_Unmodified_Since": PAST},
    ],
)
def test_conditions_are_held_alike(
    module: str, embedded_address: str, files: Files, conditions: dict[str, str]
) -> None:
    modified = ask(embedded_address, files.text).headers["Last-Modified"]
    headers = {name: value or modified for name, value in conditions.items()}

    assert ask(module, files.text, headers=headers) == ask(embedded_address, files.text, headers=headers)


@pytest.mark.parametrize(
    "make",
    [
        lambda files: files.text + "?redirect=1",
        lambda files: files.gone + "?redirect=1",
        lambda files: files.text + "?a=b&&=c&d",
        lambda files: files.text + "?" + "x" * (509 - len(files.text)),
        lambda files: files.text + "?" + "x" * (510 - len(files.text)),
        lambda files: "/" + files.text,
        lambda files: files.text.replace("/M00/", "//M00/./x/../"),
        lambda files: files.text.replace("/M00/", "%2f%4d00%2F"),
        lambda files: files.text.replace("M00", "M01"),
        lambda files: files.text.replace("/00/00/", "/0A/0a/"),
        lambda files: files.text[:-1],
        lambda files: files.text[:44],
        lambda files: files.text + "/",
        lambda files: files.text + "/x",
        lambda files: files.text + "%00",
        lambda files: files.text + "%zz",
        lambda files: files.text + "-m",
        lambda files: files.text.replace("/00/00/", "/00/00/../../../../../etc/passwd"),
    ],
)
def test_urls_are_read_alike(module: str, embedded_address: str, files: Files, make: Make) -> None:
    assert ask(module, make(files)) == ask(embedded_address, make(files))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused_alike(
    module: str, embedded_address: str, files: Files, method: str
) -> None:
    assert ask(module, files.text, method) == ask(embedded_address, files.text, method)


@pytest.mark.parametrize("query", ["filename=cat.jpg", "filename=a%20b+c", "%66ilename=x", "filename", "x=y"])
def test_download_names_are_told_alike(module: str, embedded_address: str, files: Files, query: str) -> None:
    told = []
    for address in (module, embedded_address):
        browser = Browser(address)
        told.append(browser.get(f"{files.text}?{query}").headers["Content-Disposition"])
        browser.close()

    assert told[0] == told[1]


# --- tokens -------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["400", "picture"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, Volume]]:
    """The addresses of nginx with the module and of the embedded server; both want tokens."""
    picture = tmp_path / "no.jpg"
    picture.write_bytes(PICTURE)
    (tmp_path / "mime.types").write_text("image/jpeg jpg\n")
    line = f"http.anti_steal.token_check_fail = {picture}" if request.param else ""
    conf = module_conf(tmp_path / "files", tmp_path, guarded=True, picture=line)
    (tmp_path / "mod_fastdfs.conf").write_text(conf)
    options = HttpOptions(token_secret=SECRET, token_fail=picture if request.param else None)
    with (
        served(tmp_path / "files", options) as (browser, volume),
        running(BINARY, tmp_path, shipped("nginx/fdfs-module.conf", {})) as address,
    ):
        yield address, f"{browser.connection.host}:{browser.connection.port}", volume


def tokens_of(url: str) -> dict[str, str | int]:
    """Return tokens of several times for a URL, those times, and a token made with the group."""
    name, now = url.removeprefix("/group1/"), int(time.time())
    times = {"ts": now, "past": now - 700, "future": now + 10**6}
    names = {"now": "ts", "old": "past", "late": "future"}
    tokens = {key: anti_steal_token(name, SECRET, times[when]) for key, when in names.items()}
    group = anti_steal_token(url, SECRET, 0)
    return {**times, **tokens, "zero": anti_steal_token(name, SECRET, 0), "group": group}


@pytest.mark.parametrize(
    "query",
    [
        *["?token={now}&ts={ts}", "?token={zero}&ts=0", "?token={zero}&ts={ts}", "?token={now}&ts=0"],
        *["", "?token={now}", "?ts={ts}", "?token=&ts={ts}", "?token={now}0&ts={ts}", "?token=&ts="],
        *["?token={now}&token=x&ts={ts}", "?token=x&token={now}&ts={ts}", "?ts={ts}&a=b&token={now}"],
        *["?token={old}&ts={past}", "?token={late}&ts={future}", "?token={group}&ts=0"],
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_tokens_are_checked_alike(guarded: tuple[str, str, Volume], method: str, query: str) -> None:
    module, embedded, volume = guarded
    url = f"/{put(volume, CONTENT)}"
    asked = url + query.format(**tokens_of(url))

    told, answer = ask(module, asked, method), ask(embedded, asked, method)

    for each in (told, answer):
        each.headers.pop("Last-Modified", None)  # of the picture the module says 1970
    assert told == answer
