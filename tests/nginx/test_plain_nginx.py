"""conf/nginx/fdfs.conf on Debian's nginx over the embedded cluster's folder, beside the embedded server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.devserver.http_names import TYPES, content_type
from tests.devserver.browser import Browser

from .server import running, shipped
from .site import CONTENT, Files, ask

Make = Callable[[Files], str]
PAST = "Fri, 01 Jan 1999 00:00:00 GMT"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture(scope="module")
def plain(nginx: str, cluster: EmbeddedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx over the cluster's folder."""
    site = shipped("nginx/fdfs.conf", {"/data/fastdfs/store0/data": str(cluster.data / "data")})
    with running(nginx, tmp_path_factory.mktemp("nginx"), site) as address:
        yield address


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("which", sorted(set(Files._fields)))
def test_every_kind_of_file_is_served_alike(
    plain: str, embedded_address: str, files: Files, which: str, method: str
) -> None:
    url = getattr(files, which)

    answer = ask(embedded_address, url, method)

    assert ask(plain, url, method) == answer
    assert answer.status == (404 if which == "gone" else 200)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("bytes=0-0", 206),
        ("bytes=2-4", 206),
        ("bytes=7-", 206),
        ("bytes=-3", 206),
        ("bytes=-99", 206),
        ("bytes=8-99", 206),
        ("bytes=0-9", 206),
        ("bytes=0-1,4-5", 206),
        ("bytes=-2,0-0", 206),
        ("bytes=0-0, 1-1, 2-2, 3-3, 8-99", 206),
        ("bytes=10-", 416),
        ("bytes=-0", 416),
        ("bytes=5-4", 416),
        ("bytes=x", 416),
        ("lines=2-4", 200),
        ("2-4", 200),
    ],
)
def test_ranges_are_served_alike(
    plain: str, embedded_address: str, files: Files, wanted: str, status: int
) -> None:
    answer = ask(embedded_address, files.text, headers={"Range": wanted})

    assert ask(plain, files.text, headers={"Range": wanted}) == answer
    assert answer.status == status


@pytest.mark.parametrize("wanted", ["bytes=0-299999,400000-", "bytes=511999-511999"])
def test_ranges_of_a_large_file_are_served_alike(
    plain: str, embedded_address: str, files: Files, wanted: str
) -> None:
    answer = ask(embedded_address, files.large, headers={"Range": wanted})

    assert ask(plain, files.large, headers={"Range": wanted}) == answer
    assert answer.status == 206


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If_Modified_Since": ""}, 304),
        ({"If_Modified_Since": PAST}, 200),
        ({"If_Modified_Since": FUTURE}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": '"another"'}, 200),
        ({"If_Match": '"another"'}, 412),
        ({"If_Unmodified_Since": PAST}, 412),
        ({"If_Unmodified_Since": FUTURE}, 200),
        ({"If_Range": "", "Range": "bytes=0-0"}, 206),
        ({"If_Range": PAST, "Range": "bytes=0-0"}, 200),
        ({"If_Modified_Since": "", "Range": "bytes=0-0"}, 304),
    ],
)
def test_conditions_are_held_alike(
    plain: str, embedded_address: str, files: Files, conditions: dict[str, str], status: int
) -> None:
    modified = ask(embedded_address, files.text).headers["Last-Modified"]
    headers = {name: value or modified for name, value in conditions.items()}

    answer = ask(embedded_address, files.text, headers=headers)

    assert ask(plain, files.text, headers=headers) == answer
    assert answer.status == status


@pytest.mark.parametrize(
    "make",
    [  # each writes a file's URL in another way
        lambda files: "/" + files.text,
        lambda files: files.text.replace("/M00/", "//M00//"),
        lambda files: "/./group2/.." + files.text,
        lambda files: files.text.replace("/M00/", "%2f%4d00%2F"),
        lambda files: files.text + "?a=b&&=c&d",
    ],
)
def test_paths_are_resolved_alike(plain: str, embedded_address: str, files: Files, make: Make) -> None:
    answer = ask(embedded_address, make(files))

    assert ask(plain, make(files)) == answer
    assert answer.body == CONTENT


@pytest.mark.parametrize(
    "make",
    [  # each makes a URL that leads to no file
        lambda files: "/",
        lambda files: "/group1/M00/",
        lambda files: "/group1/M00/00/00/",
        lambda files: "/group1/M00/.incoming/" + "x" * 44,
        lambda files: "/group1/M00/sync/binlog.000",
        lambda files: "/group1/M00/00/00/../../sync/binlog.000?" + "x" * 44,
        lambda files: "/group1/M00/00/00/../../../storage_stat.json",
        lambda files: "/group1/M00/00/00/../../../../../../../../etc/passwd",
        lambda files: "/group1/M00/00/00/" + "..%2f" * 8 + "etc/passwd",
        lambda files: "/group1/M00/00/00/" + "%2e%2e/" * 8 + "etc/passwd",
        lambda files: files.text.replace("group1", "group2"),
        lambda files: files.text.replace("M00", "M01"),
        lambda files: files.text.replace("M00", "m00"),
        lambda files: files.text[:-1],
        lambda files: files.text + "/",
        lambda files: files.text + "%00.jpg",
        lambda files: files.text + "%zz",
        lambda files: files.text + "-m",
        lambda files: files.text + "%2dm",
        lambda files: files.text + "%2Dm?x=-m",
    ],
)
def test_nothing_else_is_served(
    plain: str, embedded_address: str, cluster: EmbeddedCluster, files: Files, make: Make
) -> None:
    path = cluster.volume.path_of(files.text[1:])
    assert path
    path.with_name(path.name + "-m").write_bytes(b"owner\2secret")

    assert ask(plain, make(files)).status in {400, 404}
    assert ask(embedded_address, make(files)).status in {400, 404}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused_alike(
    plain: str, embedded_address: str, files: Files, method: str
) -> None:
    assert ask(plain, files.text, method).status == ask(embedded_address, files.text, method).status == 405


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file of another user."""
    if os.geteuid():
        return Path("/etc/passwd")
    path = tmp_path / "foreign"
    path.write_bytes(b"another user's")
    os.chown(path, 65534, 65534)
    return path


def test_a_link_within_the_folder_is_served_and_one_to_anothers_file_is_not(
    plain: str, cluster: EmbeddedCluster, files: Files, foreign: Path
) -> None:
    target = cluster.volume.path_of(files.text[1:])
    assert target
    inner, outer = target.with_name("x" * 27 + "inner"), target.with_name("x" * 27 + "outer")
    inner.symlink_to(target.name)
    outer.symlink_to(foreign)

    assert ask(plain, f"/group1/M00/00/00/{inner.name}").body == CONTENT
    assert ask(plain, f"/group1/M00/00/00/{outer.name}").status in {403, 404}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("cat.jpg", "attachment; filename*=UTF-8''cat.jpg"),
        ("%E7%85%A7%20x.jpg", "attachment; filename*=UTF-8''%E7%85%A7%20x.jpg"),
        ("a%0D%0AX%3A%20y", "attachment; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("a:b", None),
        ("a;b", None),
        ("", None),
    ],
)
def test_a_download_name_cannot_end_its_header(
    plain: str, files: Files, wanted: str, told: str | None
) -> None:
    browser = Browser(plain)

    reply = browser.get(f"{files.text}?filename={wanted}")

    assert reply.headers["Content-Disposition"] == told
    browser.close()


def test_caches_and_browsers_are_told_how_to_treat_a_file(plain: str, files: Files) -> None:
    browser = Browser(plain)

    found, missing = browser.get(files.text), browser.get(files.gone)

    assert found.headers["Cache-Control"] == "public, max-age=2592000"
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert missing.headers["Cache-Control"] is None
    browser.close()


def test_the_embedded_servers_types_are_those_of_nginx(nginx: str) -> None:
    table = re.sub(r"#.*", "", Path("/etc/nginx/mime.types").read_text())
    known = {
        extension: kind
        for kind, extensions in re.findall(r"([\w.+-]+/[\w.+-]+)\s+([^;{}]+);", table)
        for extension in extensions.split()
    }

    assert {extension: known.get(extension) for extension in TYPES} == TYPES
    assert content_type("x.tar.gz") == known.get("gz", "application/octet-stream")
