"""conf/nginx/private.conf on Debian's nginx, between a visitor, a live Django and a cluster's web server.

The storages' web server is the embedded one, nginx with conf/nginx/fdfs.conf, or a folder on the machine.
"""

from __future__ import annotations

import http.server
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.test import Client as DjangoClient

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from tests.devserver.browser import Browser, Reply
from tests.django.shelf.models import Picture
from tests.django.web import serving

from .server import CONF, running, shipped

CONTENT = b"%PDF-1.7 secret"
NAME = "报告 2026.pdf"
SECRET = "0123456789abcdef"
FOLDER = "/data/fastdfs/store0/data"
Ask = Callable[..., Reply]
Front = Callable[[dict[str, str]], AbstractContextManager[str]]
pytestmark = pytest.mark.django_db(transaction=True)


def on_this_machine(folder: Path) -> dict[str, str]:
    """Return what puts the variant in the comments into the place of the proxying location."""
    text = (CONF / "nginx/private.conf").read_text()
    proxying = re.search(r"\n    location /_fdfs/ \{.*?\n    \}\n", text, re.DOTALL)
    variant = re.search(r"\n    #   location ~ .*?\n    #   \}\n", text, re.DOTALL)
    assert proxying
    assert variant
    lines = variant[0].replace("\n    #", "\n    ").replace(FOLDER, str(folder))
    return {proxying[0]: lines}


@pytest.fixture(params=["embedded", "tokens", "nginx", "folder"])
def storages(
    request: pytest.FixtureRequest, cluster: EmbeddedCluster, settings: Any, nginx: str, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """What to replace in the shipped configuration, for each kind of web server over the cluster's files."""
    folder = cluster.data / "data"
    if request.param == "folder":
        yield on_this_machine(folder)
    elif request.param == "embedded":
        yield {"server 127.0.0.1:8888": f"server {cluster.http_server.address}"}
    elif request.param == "tokens":
        settings.FDFS_TOKEN_SECRET = SECRET
        with serving(cluster, HttpOptions(token_secret=SECRET)) as base_url:
            yield {"server 127.0.0.1:8888": f"server {base_url.removeprefix('http://')}"}
    else:
        (tmp_path / "storage").mkdir()
        with running(
            nginx, tmp_path / "storage", shipped("nginx/fdfs.conf", {FOLDER: str(folder)})
        ) as address:
            yield {"server 127.0.0.1:8888": f"server {address}"}


@pytest.fixture
def front(nginx: str, live_server: Any, cluster: EmbeddedCluster, settings: Any, tmp_path: Path) -> Front:
    """Run the nginx in front of Django, over web servers as they are given; gives its address."""
    settings.FDFS_TRACKERS, settings.FDFS_BASE_URL = cluster.trackers, cluster.base_url
    settings.ROOT_URLCONF, settings.FDFS_X_ACCEL = "tests.django.private_urls", "/_fdfs/"
    django = live_server.url.removeprefix("http://")
    (tmp_path / "front").mkdir()

    def run(storages: dict[str, str]) -> AbstractContextManager[str]:
        replaced = {"listen 80;": "listen 8888;", "server 127.0.0.1:8000": f"server {django}", **storages}
        return running(nginx, tmp_path / "front", shipped("nginx/private.conf", replaced))

    return run


@pytest.fixture
def site(front: Front, storages: dict[str, str]) -> Iterator[str]:
    with front(storages) as address:
        yield address


@pytest.fixture
def row(front: Front) -> Picture:
    return Picture.objects.create(image=ContentFile(CONTENT, NAME))


@pytest.fixture
def session(front: Front, admin_user: Any) -> str:
    """The cookie of who may have everything."""
    client = DjangoClient()
    client.force_login(admin_user)
    return client.cookies.output([], header="", sep=";").strip()


@pytest.fixture
def ask(site: str, session: str) -> Iterator[Ask]:
    """Ask as a visitor who is logged in, or with another cookie."""
    browser = Browser(site)

    def get(url: str, method: str = "GET", cookie: str = session, **headers: str) -> Reply:
        return browser.get(url, method, Cookie=cookie, **headers)

    yield get
    browser.close()


def once(address: str, url: str, **headers: str) -> Reply:
    with closing(Browser(address)) as browser:
        return browser.get(url, **headers)


def leaks(reply: Reply) -> bool:
    """Say whether an answer has anything of the file or of where it lies."""
    told = "".join(f"{name}: {value}" for name, value in reply.headers.items())
    return b"secret" in reply.body or "group1" in told or "group1" in reply.body.decode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_may_not_have_the_file_gets_nothing_of_it(
    ask: Ask, row: Picture, django_user_model: Any, method: str
) -> None:
    stranger = DjangoClient()
    stranger.force_login(django_user_model.objects.create_user("stranger"))
    cookie = stranger.cookies.output([], header="", sep=";").strip()

    nobody = ask(f"/pictures/{row.pk}/", method, cookie="", Range="bytes=0-")
    refused = ask(f"/pictures/{row.pk}/", method, cookie=cookie, X_Accel_Redirect=f"/_fdfs/{row.image.name}")

    assert (nobody.status, refused.status) == (302, 403)
    assert not leaks(nobody)
    assert not leaks(refused)


@pytest.mark.parametrize(
    "make",
    [  # each writes the internal location in another way
        lambda name: f"/_fdfs/{name}",
        lambda name: f"//_fdfs//{name}",
        lambda name: f"/%5ffdfs/{name}",
        lambda name: f"/pictures/../_fdfs/{name}",
        lambda name: f"/_fdfs/{name}?token=x",
        lambda name: f"/_fdfs/../_fdfs/{name}",
        lambda name: f"/_FDFS/{name}",
        lambda name: f"/{name}",
    ],
)
def test_the_internal_location_is_nobodys(ask: Ask, row: Picture, make: Callable[[str], str]) -> None:
    reply = ask(make(row.image.name or ""))

    assert reply.status in {301, 404}  # Django's APPEND_SLASH, where it is not the location at all
    assert not leaks(reply) or reply.headers["Location"] == f"{make(row.image.name or '')}/"
    assert b"secret" not in reply.body


def test_who_may_have_the_file_gets_it_as_django_says_it_is(ask: Ask, row: Picture) -> None:
    reply = ask(f"/pictures/{row.pk}/")

    assert (reply.status, reply.body) == (200, CONTENT)
    assert reply.headers.get_all("Content-Type") == ["application/pdf"]
    assert reply.headers.get_all("Content-Disposition") == [
        "inline; filename*=utf-8''%E6%8A%A5%E5%91%8A%202026.pdf"
    ]
    assert reply.headers.get_all("Cache-Control") == ["private, max-age=60"]
    assert reply.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert "X-Accel-Redirect" not in reply.headers


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=0-4", 206, b"%PDF-"),
        ("bytes=9-", 206, b"secret"),
        ("bytes=-6", 206, b"secret"),
        ("bytes=99-", 416, None),
    ],
)
def test_ranges_are_served(ask: Ask, row: Picture, wanted: str, status: int, body: bytes | None) -> None:
    reply = ask(f"/pictures/{row.pk}/", Range=wanted)

    assert reply.status == status
    assert body in (None, reply.body)


def test_head_and_conditions_are_answered(ask: Ask, row: Picture) -> None:
    head = ask(f"/pictures/{row.pk}/", "HEAD")
    modified = head.headers["Last-Modified"]

    known = ask(f"/pictures/{row.pk}/", If_Modified_Since=modified)
    part = ask(f"/pictures/{row.pk}/", If_Range=modified, Range="bytes=-6")

    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(CONTENT)), b"")
    assert (known.status, known.body) == (304, b"")
    assert (part.status, part.body) == (206, b"secret")


def test_a_file_that_is_gone_is_404(ask: Ask, row: Picture) -> None:
    row.image.storage.delete(row.image.name or "")

    reply = ask(f"/pictures/{row.pk}/")

    assert reply.status == 404
    assert not leaks(reply)
    assert reply.headers["Content-Type"] == "text/html"


def test_web_servers_that_do_not_answer_are_503(front: Front, row: Picture, session: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        dead = f"server 127.0.0.1:{nobody.getsockname()[1]}"

        with front({"server 127.0.0.1:8888": dead}) as address:
            reply = once(address, f"/pictures/{row.pk}/", Cookie=session)

    assert (reply.status, reply.headers["Retry-After"]) == (503, "30")
    assert "no-store" in reply.headers.get_all("Cache-Control", [])
    assert not leaks(reply)


class Recorder(http.server.BaseHTTPRequestHandler):
    """A storage's web server that remembers what it was told."""

    told: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.told.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def test_the_storages_learn_nothing_of_the_visitor(front: Front, row: Picture, session: str) -> None:
    headers = {"Cookie": session, "Authorization": "Basic x", "X_Forwarded_For": "x", "Range": "bytes=0-"}
    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        with front({"server 127.0.0.1:8888": f"server 127.0.0.1:{server.server_port}"}) as address:
            once(address, f"/pictures/{row.pk}/", **headers)
        server.shutdown()

    path, told = Recorder.told.pop()
    assert path == f"/{row.image.name}"
    assert told == {"host": "fastdfs", "range": "bytes=0-"}
