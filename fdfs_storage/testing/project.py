"""A Django project led to a cluster for a while, whatever its settings say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, cast

from django.apps import apps
from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.files.storage import storages
from django.db.models import FileField
from django.test import override_settings
from django.utils.module_loading import import_string

from fdfs_storage import conf
from fdfs_storage.devserver import EmbeddedCluster
from fdfs_storage.storage import FastDFSStorage

from .unsettled import forgotten

BACKEND = "fdfs_storage.storage.FastDFSStorage"
Override = Callable[[dict[str, Any]], AbstractContextManager[None]]

# What tells of servers: the cluster's counts, wherever a project's own are.
_PLACES = frozenset(
    {
        "trackers",
        "base_url",
        "base_urls",
        "url_with_group",
        "token_secret",
        "token_ttl",
        "group",
        "client_conf",
        "storage_address_map",
        "url",
    }
)


def require_project(fail: Callable[[str], NoReturn]) -> None:
    """Call `fail` with the remedy where no Django project is set up."""
    if not (settings.configured or os.environ.get("DJANGO_SETTINGS_MODULE")):
        fail(
            "fdfs_storage needs a Django project: set DJANGO_SETTINGS_MODULE and install pytest-django. "
            "Without Django, use fdfs_cluster and fdfs_storage.fastdfs.Client."
        )
    if not apps.ready:
        fail(
            "fdfs_storage needs loaded models: install pytest-django, or call django.setup() in conftest.py."
        )


def override(fixture: Any = None) -> Override:
    """Return what changes settings for a while: pytest-django's `settings`, or Django's own means."""
    return _override_settings if fixture is None else lambda changes: _through(fixture, changes)


@contextmanager
def _override_settings(changes: dict[str, Any]) -> Iterator[None]:
    with override_settings(**changes):
        yield


@contextmanager
def _through(fixture: Any, changes: dict[str, Any]) -> Iterator[None]:
    for name, value in changes.items():
        setattr(fixture, name, value)
    yield  # the fixture undoes it


@contextmanager
def pointed_at(cluster: EmbeddedCluster, overriding: Override) -> Iterator[FastDFSStorage]:
    """Lead every FastDFS storage of the project to the cluster; yield the default one."""
    fixed = [(each, each._given) for each in _storages_of_fields() if not _PLACES.isdisjoint(each._given)]
    try:
        for storage, given in fixed:
            storage._given = _movable(given)
        # After that, because a changed setting is what makes them look again.
        with _folder() as folder, overriding({**_changes(cluster), **_journal(folder)}):
            default = cast("FastDFSStorage", storages[DEFAULT_STORAGE_ALIAS])
            with forgotten(folder), default.client:
                yield default
    finally:
        for storage, given in fixed:
            storage._given = given


@contextmanager
def _folder() -> Iterator[Path]:
    # A process that a test started may yet write there.
    with TemporaryDirectory(prefix="fdfs-journal-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _storages_of_fields() -> Iterable[FastDFSStorage]:
    fields = (field for model in apps.get_models() for field in model._meta.get_fields())
    found = (field.storage for field in fields if isinstance(field, FileField))
    return {id(storage): storage for storage in found if isinstance(storage, FastDFSStorage)}.values()


def _changes(cluster: EmbeddedCluster) -> dict[str, Any]:
    changes = {f"{conf.PREFIX}{name.upper()}": value for name, value in _places(cluster).items()}
    changes["STORAGES"] = {alias: _moved(entry) for alias, entry in settings.STORAGES.items()}
    if not _is_ours(changes["STORAGES"].get(DEFAULT_STORAGE_ALIAS, {})):
        changes["STORAGES"][DEFAULT_STORAGE_ALIAS] = {"BACKEND": BACKEND}
    return changes


def _journal(folder: Path) -> dict[str, Any]:
    """Return what leads the journal there, where the project keeps one."""
    return {"FDFS_JOURNAL": folder} if getattr(settings, "FDFS_JOURNAL", None) else {}


def _places(cluster: EmbeddedCluster) -> dict[str, Any]:
    return {
        "trackers": cluster.trackers,
        "base_url": cluster.base_url,
        "base_urls": {},
        "url_with_group": cluster.http.with_group,
        "token_secret": cluster.http.token_secret,
        "token_ttl": cluster.http.token_ttl,
        "group": None,
        "client_conf": None,
        "storage_address_map": {},
        "url": None,
    }


def _moved(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _is_ours(entry) or not entry.get("OPTIONS"):
        return entry
    return {**entry, "OPTIONS": _movable(entry["OPTIONS"])}


def _is_ours(entry: Mapping[str, Any]) -> bool:
    backend = import_string(entry["BACKEND"]) if entry.get("BACKEND") else None
    return isinstance(backend, type) and issubclass(backend, FastDFSStorage)


def _movable(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _PLACES}
