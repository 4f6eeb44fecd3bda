import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from fdfs_storage import conf
from fdfs_storage.checks.options import check_storages
from fdfs_storage.storage import FastDFSStorage


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("172.16.222.151:8888", "http://172.16.222.151:8888"),
        ("img.example.com", "http://img.example.com"),
        ("http://img.example.com:8888/", "http://img.example.com:8888"),
        ("https://cdn.example.com/files/", "https://cdn.example.com/files"),
        ("//cdn.example.com", "//cdn.example.com"),
        ("[2001:db8::1]:8888", "http://[2001:db8::1]:8888"),
        (" http://10.0.0.1:8888 ", "http://10.0.0.1:8888"),
    ],
)
def test_a_base_url_may_be_a_url_or_an_address(given, url):
    assert conf.resolve({"base_url": given}).base_url == url


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", "ftp://img.example.com"),
        ("base_url", "javascript:alert(1)"),
        ("base_url", "http://user:secret@img.example.com"),
        ("base_url", "http://img.example.com?x=1"),
        ("base_url", "http://:8888"),
        ("base_url", "http://img.example.com:99999"),
        ("base_url", "http://[::1"),
        ("base_url", 'http://img.example.com/"onload="x'),
        ("base_url", 8888),
        ("trackers", [22122]),
        ("trackers", 22122),
        ("trackers", ["10.0.0.1:port"]),
        ("trackers", ["10.0.0.1:0"]),
        ("trackers", ["10.0.0.1:70000"]),
        ("trackers", ["http://10.0.0.1:22122"]),
        ("group", "group_1"),
        ("group", "g" * 17),
        ("group", 1),
        ("connect_timeout", 0),
        ("connect_timeout", "5"),
        ("connect_timeout", True),
        ("network_timeout", -1),
        ("network_timeout", float("nan")),
        ("network_timeout", float("inf")),
        ("pool_size", 0),
        ("pool_size", 2.5),
        ("pool_size", True),
        ("placement_ttl", 61),
        ("placement_ttl", -1),
        ("verify", "no"),
        ("storage_address_map", ["172.17.0.2"]),
        ("storage_address_map", {"172.17.0.0/99": "10.0.0.5"}),
        ("storage_address_map", {"172.17.0.2": 5}),
        ("base_urls", "http://img.example.com"),
        ("base_urls", {"group_1": "http://img.example.com"}),
        ("base_urls", {"group1": ""}),
        ("base_urls", {"group1": 5}),
        ("base_urls", {"group1": " "}),
        ("base_urls", {"group1": "ftp://img.example.com"}),
        ("base_urls", {"": "http://img.example.com"}),
        ("x_accel", "_fdfs/"),
        ("x_accel", "/"),
        ("x_accel", "//img.example.com/"),
        ("x_accel", "/_fdfs/../"),
        ("x_accel", "/_fdfs/?a=b"),
        ("x_accel", "/_fdfs/\n"),
        ("x_accel", "/文件/"),
        ("x_accel", 5),
        ("url_with_group", "yes"),
        ("url_with_group", 1),
        ("token_secret", 5),
        ("token_secret", " secret"),
        ("token_secret", "secret\n"),
        ("token_secret", "s" * 182),
        ("token_secret", "\ud800"),
        ("token_secret", b""),
        ("token_ttl", 0),
        ("token_ttl", 1.5),
        ("token_ttl", True),
        ("token_ttl", 2**31),
        ("token_window", -1),
        ("token_window", "300"),
        ("token_window", 86401),
        ("client_conf", 1),
        ("client_conf", ["/etc/fdfs/client.conf"]),
        ("client_conf", b"/etc/fdfs/client.conf"),
        ("client_conf", "/no/such/client.conf"),
        ("client_conf", "/\0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_option(option, value):
    with pytest.raises(ImproperlyConfigured, match=option):
        conf.resolve({option: value})


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ("/_fdfs/", "/_fdfs"),
        ("/_fdfs", "/_fdfs"),
        ("/internal/fdfs-1.a/", "/internal/fdfs-1.a"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_internal_location_is_a_path(given, location):
    assert conf.resolve({"x_accel": given}).x_accel == location


@given(st.text())
def test_any_text_is_a_base_url_or_refused(text):
    try:
        url = conf.resolve({"base_url": text}).base_url
    except ImproperlyConfigured:
        return
    assert url == "" or url.startswith(("http://", "https://", "//"))


@pytest.mark.parametrize(
    ("given", "trackers"),
    [
        (["10.0.0.1:22122", "10.0.0.2"], ("10.0.0.1:22122", "10.0.0.2:22122")),
        ("tracker1:22122, tracker2:22123", ("tracker1:22122", "tracker2:22123")),
        (["[::1]:22122", "[::1]"], ("[::1]:22122",)),
        ([], ()),
    ],
)
def test_trackers_are_a_list_or_comma_separated(given, trackers):
    assert conf.resolve({"trackers": given}).trackers == trackers


def test_an_option_wins_over_the_setting_and_the_setting_over_the_default(settings):
    settings.FDFS_CONNECT_TIMEOUT, settings.FDFS_POOL_SIZE = 7, 3

    options = conf.resolve({"connect_timeout": 9})

    assert (options.connect_timeout, options.pool_size) == (9.0, 3)
    assert options.network_timeout == conf.Options().network_timeout


def test_an_unknown_option_is_refused_with_the_one_that_was_meant():
    with pytest.raises(ImproperlyConfigured, match="did you mean pool_size"):
        FastDFSStorage(poolsize=4)
    with pytest.raises(ImproperlyConfigured, match="did you mean base_url"):
        FastDFSStorage(FDFS_BASE_URL="http://10.0.0.1")


def test_a_changed_setting_reaches_a_storage_that_is_in_use(settings):
    storage = FastDFSStorage()
    before = storage.url("group1/x"), storage.client

    settings.FDFS_BASE_URL = "https://elsewhere.example.com"

    assert storage.url("group1/x") == "https://elsewhere.example.com/group1/x"
    assert storage.client is not before[1]


# --- client.conf --------------------------------------------------------------------------------


@pytest.fixture
def client_conf(tmp_path, settings):
    """A client.conf, and settings that say nothing that it says."""
    for name in ("FDFS_TRACKERS", "FDFS_CONNECT_TIMEOUT", "FDFS_NETWORK_TIMEOUT"):
        if hasattr(settings, name):
            delattr(settings, name)
    path = tmp_path / "client.conf"
    path.write_text("tracker_server = 10.0.0.1\nconnect_timeout = 3\nnetwork_timeout = 4\n")
    settings.FDFS_CLIENT_CONF = path
    return path


def test_a_client_conf_stands_below_settings_and_above_defaults(client_conf, settings):
    client_conf.write_text("tracker_server = 10.0.0.1\nconnect_timeout = 3\n")
    options = conf.resolve({})
    assert (options.trackers, options.connect_timeout) == (("10.0.0.1:22122",), 3.0)
    assert options.network_timeout == conf.Options().network_timeout
    assert options.client_conf == client_conf

    settings.FDFS_TRACKERS, settings.FDFS_CONNECT_TIMEOUT = ["10.0.0.2"], 5
    options = conf.resolve({"connect_timeout": 6})

    assert (options.trackers, options.connect_timeout) == (("10.0.0.2:22122",), 6.0)


def test_an_option_names_another_client_conf_or_none(client_conf, tmp_path):
    (tmp_path / "other.conf").write_text("tracker_server = 10.0.0.3\n")

    assert conf.resolve({"client_conf": str(tmp_path / "other.conf")}).trackers == ("10.0.0.3:22122",)
    assert conf.resolve({"client_conf": None}).trackers == conf.resolve({"client_conf": ""}).trackers == ()


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_relative_client_conf_starts_at_base_dir(client_conf, settings, kind):
    settings.BASE_DIR, settings.FDFS_CLIENT_CONF = kind(client_conf.parent), kind(Path("client.conf"))

    assert conf.resolve({}).client_conf == client_conf


@pytest.mark.parametrize("base_dir", [None, "", 1])
def test_a_relative_client_conf_needs_a_base_dir(client_conf, settings, base_dir):
    settings.BASE_DIR, settings.FDFS_CLIENT_CONF = base_dir, "conf/client.conf"

    with pytest.raises(
        ImproperlyConfigured, match=r'FDFS_CLIENT_CONF is a relative .* "/etc/fdfs/client.conf"'
    ):
        conf.resolve({})


def test_a_client_conf_may_wait_longer_than_our_settings_may(client_conf):
    client_conf.write_text("tracker_server = 10.0.0.1\nnetwork_timeout = 86400\n")

    options = conf.resolve({})

    assert conf.resolve({"network_timeout": options.network_timeout}) == options


def test_the_client_conf_of_this_repository_is_read(client_conf, settings):
    settings.FDFS_CLIENT_CONF = "conf/client.conf"

    assert conf.resolve({}).trackers == ("127.0.0.1:22122",)


def test_a_client_conf_is_read_when_a_storage_is_used_first(client_conf):
    content = client_conf.read_text()
    client_conf.unlink()
    storage = FastDFSStorage()
    client_conf.write_text(content)

    assert storage.options.trackers == ("10.0.0.1:22122",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("connect_timeout = 3\n", r"FDFS_CLIENT_CONF: .*/client\.conf: no tracker_server"),
        ("\ntracker_server = x:y\n", r"FDFS_CLIENT_CONF: .*/client\.conf:2: tracker_server 'x:y'"),
        ("#include no.conf\n", r"FDFS_CLIENT_CONF: .*/client\.conf:1: #include .*/no.conf: No such file"),
        (None, r"FDFS_CLIENT_CONF: .*/client\.conf: No such file"),
    ],
)
def test_a_mistake_in_a_client_conf_is_reported_with_file_and_line(client_conf, content, message):
    client_conf.unlink()
    if content is not None:
        client_conf.write_text(content)

    with pytest.raises(ImproperlyConfigured, match=message):
        conf.resolve({})
    with pytest.raises(ImproperlyConfigured, match=r"OPTIONS\['client_conf'\]: "):
        conf.resolve({"client_conf": client_conf})
    [found] = check_storages(None)
    assert found.id == "fdfs.E001"
    assert re.search(message, found.msg)


# --- DEFAULT_FILE_STORAGE -----------------------------------------------------------------------


OURS = "fdfs_storage.storage.FastDFSStorage"


def test_default_file_storage_names_our_storage_on_every_django(monkeypatch, tmp_path):
    script = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["fdfs_storage"], DEFAULT_FILE_STORAGE={OURS!r}, USE_TZ=True)
import warnings; warnings.simplefilter("ignore")
django.setup()
from django.core.files.storage import default_storage, storages
from django.db import models
from fdfs_storage.storage import FastDFSStorage
assert isinstance(storages["default"], FastDFSStorage), storages["default"]
default_storage.size
assert isinstance(default_storage._wrapped, FastDFSStorage)
assert "staticfiles" in settings.STORAGES
"""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


FILES = {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


@pytest.mark.filterwarnings("ignore:The DEFAULT_FILE_STORAGE setting")
def test_default_file_storage_can_be_overridden():
    import django

    from tests.settings import STORAGES

    if django.VERSION < (5, 1):
        with override_settings(DEFAULT_FILE_STORAGE="django.core.files.storage.FileSystemStorage"):
            assert isinstance(storages["default"], FileSystemStorage)
    else:
        without = {alias: value for alias, value in STORAGES.items() if alias != "default"}
        with override_settings(STORAGES=without), override_settings(DEFAULT_FILE_STORAGE=OURS):
            assert isinstance(storages["default"], FastDFSStorage)
            with override_settings(DEFAULT_FILE_STORAGE="django.core.files.storage.InMemoryStorage"):
                assert not isinstance(storages["default"], FastDFSStorage), "tests would write to the cluster"
            with override_settings(DEFAULT_FILE_STORAGE=None):
                assert isinstance(storages["default"], FileSystemStorage)
            assert isinstance(storages["default"], FastDFSStorage)
    with override_settings(STORAGES={**STORAGES, **FILES}):
        assert isinstance(default_storage.__reduce__ and storages["default"], FileSystemStorage)
    assert isinstance(storages["default"], FastDFSStorage)
