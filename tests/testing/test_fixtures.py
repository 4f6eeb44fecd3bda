"""What `fdfs_storage` does to a project, and that nothing of it is left."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.core.signals import setting_changed
from django.db import models
from django.test import override_settings

from fdfs_storage.devserver import EmbeddedCluster, HttpOptions
from fdfs_storage.fastdfs.errors import FileMissingError
from fdfs_storage.storage import FastDFSStorage
from fdfs_storage.testing.fresh import fresh
from fdfs_storage.testing.project import override, pointed_at
from fdfs_storage.transactions import journal, ledger
from tests.django.shelf.models import Paper

OURS = "fdfs_storage.storage.FastDFSStorage"
HTTP = HttpOptions(token_secret="a secret of the tests", token_ttl=60)
FIELD: Any = Paper._meta.get_field("file")
ELSEWHERE = {"trackers": ["192.0.2.1:22122"], "base_url": "http://192.0.2.1", "group": "far", "pool_size": 3}


@pytest.fixture
def elsewhere() -> Any:
    """A project whose storages all say in their OPTIONS that they are in production."""
    default = {"BACKEND": OURS, "OPTIONS": ELSEWHERE}
    plain = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        STORAGES={"default": default, "private": default, "other": plain, "staticfiles": static},
        FDFS_GROUP="far",
        FDFS_STORAGE_ADDRESS_MAP={"127.0.0.0/8": "192.0.2.1"},
        FDFS_BASE_URLS={"group1": "http://192.0.2.1"},
        FDFS_URL_WITH_GROUP=False,
    ):
        yield


def test_the_default_storage_is_on_the_cluster(
    fdfs_storage: FastDFSStorage, fdfs_cluster: EmbeddedCluster
) -> None:
    name = default_storage.save("a.txt", ContentFile(b"a"))

    assert default_storage == fdfs_storage
    assert fdfs_cluster.volume.path_of(name).read_bytes() == b"a"
    assert fdfs_storage.url(name) == f"{fdfs_cluster.base_url}/{name}"


def test_storages_that_name_other_trackers_are_led_there_too(
    elsewhere: None, fdfs_cluster: EmbeddedCluster
) -> None:
    with pointed_at(fdfs_cluster, override()):
        names = [storages[alias].save("a.txt", ContentFile(b"a")) for alias in ("default", "private")]

        assert all(fdfs_cluster.volume.path_of(name) for name in names)
        assert storages["private"].options.pool_size == 3
        assert not isinstance(storages["other"], FastDFSStorage)

    assert storages["private"].options.trackers == ("192.0.2.1:22122",)


def test_the_storage_of_a_model_field_is_led_there_too(fdfs_cluster: EmbeddedCluster) -> None:
    from demo_site.gallery.models import Photo

    fixed = FastDFSStorage(**ELSEWHERE)
    field = next(field for field in Photo._meta.get_fields() if isinstance(field, models.FileField))
    before, field.storage = field.storage, fixed
    try:
        with pointed_at(fdfs_cluster, override()):
            assert fdfs_cluster.volume.path_of(fixed.save("a.txt", ContentFile(b"a")))
    finally:
        field.storage = before

    assert fixed.options.trackers == ("192.0.2.1:22122",)


def test_a_storage_that_the_test_makes_goes_where_it_says(
    fdfs_storage: FastDFSStorage, embedded: EmbeddedCluster
) -> None:
    own = FastDFSStorage(trackers=embedded.trackers)

    name = own.save("a.txt", ContentFile(b"a"))

    assert embedded.volume.path_of(name)
    own.client.close()


def test_another_kind_of_default_storage_is_replaced(fdfs_cluster: EmbeddedCluster) -> None:
    plain = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    with override_settings(STORAGES={"default": plain, "staticfiles": plain}):
        with pointed_at(fdfs_cluster, override()) as storage:
            assert type(storages["default"]) is type(storage) is FastDFSStorage

        assert type(storages["default"]) is FileSystemStorage


def test_changed_settings_are_announced_and_undone(fdfs_cluster: EmbeddedCluster) -> None:
    before, heard = getattr(django_settings, "FDFS_TRACKERS", None), []

    def hear(*, setting: str, enter: bool, **_: object) -> None:
        heard.append((setting, enter))

    setting_changed.connect(hear)
    with pointed_at(fdfs_cluster, override()):
        assert fdfs_cluster.trackers == django_settings.FDFS_TRACKERS
    setting_changed.disconnect(hear)

    assert {("FDFS_TRACKERS", True), ("FDFS_TRACKERS", False), ("STORAGES", True)} <= set(heard)
    assert getattr(django_settings, "FDFS_TRACKERS", None) == before


@pytest.mark.parametrize("time", ["first", "then"])
def test_what_a_test_changes_on_top_is_undone_before(
    time: str, settings: Any, request: pytest.FixtureRequest, fdfs_cluster: EmbeddedCluster
) -> None:
    found = getattr(settings, "FDFS_TRACKERS", None)
    request.getfixturevalue("fdfs_storage")  # after `settings`, which thus outlives it
    settings.FDFS_POOL_SIZE = 2

    assert fdfs_cluster.trackers == settings.FDFS_TRACKERS
    assert fdfs_cluster.trackers != found, "the other time, it was not undone"


def test_what_was_stored_meanwhile_is_removed_and_the_rest_stays(
    embedded: EmbeddedCluster, settings: Any
) -> None:
    storage = FastDFSStorage(trackers=embedded.trackers)
    kept = storage.save("kept.txt", ContentFile(b"kept"))
    with fresh(embedded):
        gone = storage.client.upload(b"gone", "txt", metadata={"a": "b"})

    assert storage.exists(kept)
    with pytest.raises(FileMissingError):
        storage.client.get_metadata(gone)
    assert len(list(embedded.volume.files())) == 1
    storage.client.close()


@pytest.mark.parametrize(
    "http", [HttpOptions(), HTTP, HttpOptions(with_group=False)], ids=["plain", "token", "no group"]
)
def test_urls_are_those_that_the_cluster_serves(elsewhere: None, http: HttpOptions) -> None:
    with EmbeddedCluster(http=http) as cluster, pointed_at(cluster, override()) as storage:
        url = storage.url(storage.save("a.txt", ContentFile(b"served")))

        assert url.startswith(cluster.base_url)
        with urllib.request.urlopen(url) as response:  # noqa: S310
            assert response.read() == b"served"


def test_of_a_larger_cluster_every_copy_is_removed() -> None:
    with EmbeddedCluster(groups=2, storages=2, store_paths=2, lag=60) as cluster:
        storage = FastDFSStorage(trackers=cluster.trackers)
        with fresh(cluster):
            for _ in range(8):
                storage.save("gone.txt", ContentFile(b"gone"))
        storage.client.close()
        cluster.replicate()

        assert not any(list(each.volume.files()) for each in cluster.storages)


def test_faults_and_moods_are_gone(embedded: EmbeddedCluster) -> None:
    storage, server = FastDFSStorage(trackers=embedded.trackers), embedded.storage_server
    with fresh(embedded):
        server.full = server.read_only = True
        server.drop_next()
        server.refuse_next()
        embedded.tracker_servers[0].answer_status_next(22)
        embedded.lag = 9

    assert (server.full, server.read_only, embedded.lag) == (False, False, 0)
    assert storage.exists(storage.save("a.txt", ContentFile(b"a")))
    assert len(server.requests) == 2, "no fault made it ask again"
    storage.client.close()


@pytest.mark.parametrize("stopped", ["storage_server", "http_server", "tracker_servers", "cluster"])
def test_what_was_stopped_is_started(embedded: EmbeddedCluster, stopped: str) -> None:
    with fresh(embedded):
        victim = embedded if stopped == "cluster" else getattr(embedded, stopped)
        for each in victim if isinstance(victim, list) else [victim]:
            each.stop()

    assert embedded.storage_server.listening
    assert embedded.http_server.listening
    assert all(tracker.listening for tracker in embedded.tracker_servers)


@pytest.mark.django_db(transaction=True)
def test_the_journal_of_the_project_is_not_written_to(
    settings: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings.FDFS_JOURNAL = tmp_path / "not made on this machine"
    request.getfixturevalue("fdfs_storage")

    Paper.objects.create(title="new", file=ContentFile(b"a", "a.txt"))

    [lines] = [path.read_text("ascii") for path in Path(settings.FDFS_JOURNAL).glob("*.journal")]
    assert [line[0] for line in lines.splitlines()] == ["+", "-"]
    assert list(tmp_path.iterdir()) == []


def test_the_journal_s_place_is_given_back_and_nothing_stays_in_the_other(
    tmp_path: Path, fdfs_cluster: EmbeddedCluster
) -> None:
    with override_settings(FDFS_JOURNAL=tmp_path):
        with pointed_at(fdfs_cluster, override()):
            folder = django_settings.FDFS_JOURNAL
            ledger().add_old(FIELD, "group1/a")
            assert list(folder.glob("*.journal"))

        assert tmp_path == django_settings.FDFS_JOURNAL
    assert not folder.exists()
    assert folder not in {place for _, place in journal._journals}
    assert list(tmp_path.iterdir()) == []


def test_a_project_without_a_journal_gets_none(fdfs_storage: FastDFSStorage) -> None:
    assert journal.folder() is None


def test_what_a_test_leaves_open_is_forgotten_and_what_was_open_before_is_not(
    fdfs_cluster: EmbeddedCluster,
) -> None:
    before = ledger().add_old(FIELD, "group1/before")
    with pointed_at(fdfs_cluster, override()):
        ledger().add_old(FIELD, "group1/of the test")

    assert ledger().get("group1/before") is before
    assert ledger().get("group1/of the test") is None
    ledger().forget(before)
