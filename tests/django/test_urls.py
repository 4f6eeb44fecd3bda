"""FastDFSStorage.url as a project uses it, and as a web server judges it."""

import sys
import urllib.error
import urllib.request
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils.functional import lazystr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo_site.gallery.models import Document
from fdfs_storage.devserver import HttpOptions
from fdfs_storage.storage import FastDFSStorage

from .web import serving

NAME = "group1/M00/00/00/Ck0AFWsEpnGAcowKAAAACw1KEYU536.jpg"
SECRET = "0123456789abcdef"
BASE = "http://img.example.com:8888"


def fetch(url):
    """Return status, headers and body."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def ends_in(url, ttl=600):
    """Return how many seconds after now's earliest possible moment a tokened URL ends."""
    return int(parse_qs(urlsplit(url).query)["ts"][0]) + ttl


# --- as a web server judges it ------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["with group", "without group"])
def guarded(broken, settings, request):
    """A storage whose web server wants tokens."""
    settings.FDFS_TOKEN_SECRET, settings.FDFS_URL_WITH_GROUP = SECRET, request.param
    with serving(broken, HttpOptions(token_secret=SECRET, with_group=request.param)) as base_url:
        settings.FDFS_BASE_URL = base_url
        yield FastDFSStorage()


def test_a_tokened_url_is_served_and_saved_under_its_name(guarded):
    saved = guarded.save("a.pdf", ContentFile(b"content"))

    status, headers, body = fetch(guarded.url(saved, filename='报告"/2026.pdf', expire=60))

    assert (status, body) == (200, b"content")
    assert quote("报告_2026.pdf") in headers["Content-Disposition"]


def test_a_name_as_long_as_it_gets_is_still_served(guarded):
    saved = guarded.save("a.pdf", ContentFile(b"content"))

    for filename in ("报" * 300 + ".pdf", "x" * 600 + ".pdf", "😀" * 300):
        assert fetch(guarded.url(saved, filename=filename))[0] == 200


def test_a_slave_has_a_token_of_its_own(guarded):
    master = guarded.client.upload(b"master", "jpg")
    slave = guarded.client.upload_slave(master, "_80x80", b"slave", "png")

    assert fetch(guarded.url(str(slave)))[2] == b"slave"
    stolen = guarded.url(str(slave)).replace(slave.name, master.name)
    assert fetch(stolen)[0] == 400


@pytest.mark.parametrize("expire", [0, -1000, timedelta(hours=-1)])
def test_a_url_that_has_ended_is_refused(guarded, expire):
    saved = guarded.save("a.txt", ContentFile(b"content"))

    assert fetch(guarded.url(saved, expire=timedelta(hours=5)))[0] == 200
    assert fetch(guarded.url(saved, expire=-2 if expire == 0 else expire))[0] == 400


def test_a_file_of_a_model_has_a_tokened_url(guarded):
    document = Document(file=guarded.save("a.txt", ContentFile(b"content")))

    assert fetch(document.file.url)[2] == b"content"
    assert fetch(document.file.url.partition("?")[0])[0] == 400


# --- as a project uses it -----------------------------------------------------------------------


def test_a_secret_of_one_storage_is_not_that_of_another(settings):
    settings.FDFS_BASE_URL = BASE

    assert "?" not in FastDFSStorage().url(NAME)
    assert "token=" in FastDFSStorage(token_secret=SECRET).url(NAME)


@pytest.mark.parametrize("expire", [3600, 3600.5, timedelta(hours=1), timedelta(hours=1, microseconds=1)])
def test_an_end_is_given_in_seconds_or_as_a_timedelta(expire):
    storage = FastDFSStorage(token_secret=SECRET, token_window=0, token_ttl=900)
    difference = ends_in(storage.url(NAME, expire=expire)) - ends_in(storage.url(NAME, expire=600))

    assert 2999 <= difference <= 3002


@pytest.mark.parametrize("expire", ["3600", True, float("nan"), [], object()])
def test_an_end_that_is_no_number_is_refused(expire):
    with pytest.raises(ValueError, match="number of seconds"):
        FastDFSStorage().url(NAME, expire=expire)


def test_without_a_secret_an_end_has_no_effect(settings):
    settings.FDFS_BASE_URL = BASE

    assert FastDFSStorage().url(NAME, expire=60) == f"{BASE}/{NAME}"


@pytest.mark.parametrize("filename", ["a.jpg", lazystr("a.jpg")])
def test_a_download_name_may_be_lazy(settings, filename):
    settings.FDFS_BASE_URL = BASE

    assert FastDFSStorage().url(NAME, filename=filename) == f"{BASE}/{NAME}?filename=a.jpg"


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_the_base(settings, name):
    settings.FDFS_BASE_URL = BASE

    assert FastDFSStorage().url(name) == f"{BASE}/"


def test_without_any_base_the_setting_is_named(settings):
    settings.FDFS_BASE_URL = ""

    with pytest.raises(ImproperlyConfigured, match="FDFS_BASE_URL"):
        FastDFSStorage().url(NAME)
    assert FastDFSStorage(base_urls={"group1": "//b"}).url("x.jpg") == "//b/x.jpg"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters()),
    filename=st.text(st.characters()),
    expire=st.floats(allow_nan=False) | st.none(),
)
def test_no_name_fails(name, filename, expire):
    url = FastDFSStorage(token_secret=SECRET).url(name, filename=filename, expire=expire)

    assert url.lower().startswith(("http:", "https:", "//"))


def calls(function, *arguments):
    """Count the Python calls that a function makes, itself included."""
    seen = []
    sys.setprofile(lambda frame, event, _: seen.append(frame) if event == "call" else None)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return len(seen)


def test_a_url_without_a_token_takes_no_more_calls_than_that_of_a_file_on_disk(settings):
    settings.FDFS_BASE_URL, settings.MEDIA_URL = BASE, "/media/"
    ours, on_disk = FastDFSStorage(), FileSystemStorage()
    for storage in (ours, on_disk):
        storage.url(NAME)  # what is only made once

    assert calls(ours.url, NAME) <= calls(on_disk.url, NAME)


def test_making_urls_asks_nobody(broken):
    storage = FastDFSStorage(token_secret=SECRET)

    for name in (NAME, "x", "http://old.example/a.jpg"):
        storage.url(name, filename="a.jpg", expire=60)

    assert not broken.tracker_servers[0].requests
    assert not broken.storage_server.requests
