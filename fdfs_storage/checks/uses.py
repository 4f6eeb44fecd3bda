"""Where a project uses FastDFS: the aliases in STORAGES, and storages that fields were given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from django.apps import apps
from django.apps.config import AppConfig
from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import DefaultStorage, storages
from django.db.models import FileField
from django.utils.module_loading import import_string

from fdfs_storage import conf
from fdfs_storage.storage import FastDFSStorage


class Use(NamedTuple):
    """A storage of ours: what to call it, and the options that it was given."""

    where: str
    given: dict[str, Any]

    @property
    def options(self) -> conf.Options | None:
        """Its options; None where they are not valid, which fdfs.E001 says."""
        try:
            return conf.resolve(self.given)
        except ImproperlyConfigured:
            return None


def uses() -> Iterator[Use]:
    """Give each set of options once: of the aliases, then of what fields were given beside them."""
    seen: list[dict[str, Any]] = []
    for alias, config in settings.STORAGES.items():
        if is_ours(alias):
            seen.append(cast("dict[str, Any]", config.get("OPTIONS") or {}))
            yield Use(f"STORAGES[{alias!r}]", seen[-1])
    for field in file_fields():
        storage = storage_of(field)
        if storage and storage._given not in seen:
            seen.append(storage._given)
            yield Use(str(field), storage._given)


def backend_of(alias: str) -> Any:
    """Return what an alias in STORAGES names; None where it cannot be imported."""
    try:
        return import_string(settings.STORAGES[alias]["BACKEND"])
    except (ImportError, KeyError, TypeError):
        return None  # not ours to report: Django names it when the storage is used


def is_ours(alias: str) -> bool:
    backend = backend_of(alias)
    return isinstance(backend, type) and issubclass(backend, FastDFSStorage)


def file_fields(app_configs: Sequence[AppConfig] | None = None) -> Iterator[FileField]:
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            yield from (field for field in model._meta.local_fields if isinstance(field, FileField))


def storage_of(field: FileField) -> FastDFSStorage | None:
    """Return a field's storage if it is ours and can be made; nobody else's is made for that."""
    storage: Any = field.storage
    try:
        if isinstance(storage, DefaultStorage):
            storage = storages[DEFAULT_STORAGE_ALIAS] if is_ours(DEFAULT_STORAGE_ALIAS) else None
    except ImproperlyConfigured:
        return None  # fdfs.E001 says why
    return storage if issubclass(type(storage), FastDFSStorage) else None
