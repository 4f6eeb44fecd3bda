"""The AppConfig: honours DEFAULT_FILE_STORAGE where Django no longer does, registers the checks."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import django
from django.apps import AppConfig
from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

_OURS = "fdfs_storage."
_DJANGOS = "django.core.files.storage.FileSystemStorage"


class FdfsStorageConfig(AppConfig):
    name = "fdfs_storage"
    verbose_name = _("FastDFS storage")

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        # ready() would be too late: by then models have built their fields' storages.
        super().__init__(app_name, app_module)
        honour_default_file_storage()
        setting_changed.connect(_on_setting_changed, dispatch_uid="fdfs_storage.default_file_storage")

    def ready(self) -> None:
        from . import checks  # noqa: F401  # registers them; needs the loaded models


class _Honoured(dict[str, Any]):
    """STORAGES as it follows from DEFAULT_FILE_STORAGE; told by its type from what a project wrote down."""


def honour_default_file_storage() -> None:
    """Let DEFAULT_FILE_STORAGE name the default on Django 5.1 and later, which ignore that setting.

    Begins with the first value that names one of our storages; from then on any value counts, so that
    a test which overrides it gets what it names, and Django's own default where it is gone. STORAGES
    wins where it was written down with a default. Django's own dictionary is never changed, only
    replaced.
    """
    if django.VERSION < (5, 1):
        return
    name = getattr(settings, "DEFAULT_FILE_STORAGE", None)
    if not isinstance(settings.STORAGES, _Honoured):
        ours = isinstance(name, str) and name.startswith(_OURS)
        written_down = settings.is_overridden("STORAGES")  # type: ignore[misc]  # the stubs miss it
        if not ours or (written_down and DEFAULT_STORAGE_ALIAS in settings.STORAGES):
            return
    backend = name if isinstance(name, str) and name else _DJANGOS
    settings.STORAGES = _Honoured({**settings.STORAGES, DEFAULT_STORAGE_ALIAS: {"BACKEND": backend}})


def _on_setting_changed(*, setting: str, enter: bool, **_: Any) -> None:
    """Keep override_settings(DEFAULT_FILE_STORAGE=…) working; Django forgets its storages on STORAGES."""
    if setting == "DEFAULT_FILE_STORAGE" and django.VERSION >= (5, 1):
        honour_default_file_storage()
        setting_changed.send(_on_setting_changed, setting="STORAGES", value=settings.STORAGES, enter=enter)
