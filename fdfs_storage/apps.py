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


def honour_default_file_storage() -> None:
    """Let DEFAULT_FILE_STORAGE name our storage on Django 5.1 and later, which ignore that setting.

    STORAGES wins where it was written down with a default. Django's own dictionary of defaults is
    never changed, only replaced.
    """
    if django.VERSION < (5, 1):
        return
    name = getattr(settings, "DEFAULT_FILE_STORAGE", None)
    if not isinstance(name, str) or not name.startswith(_OURS):
        return
    written_down = settings.is_overridden("STORAGES")  # type: ignore[misc]  # the stubs miss it
    if written_down and DEFAULT_STORAGE_ALIAS in settings.STORAGES:
        return
    settings.STORAGES = {**settings.STORAGES, DEFAULT_STORAGE_ALIAS: {"BACKEND": name}}


def _on_setting_changed(*, setting: str, enter: bool, **_: Any) -> None:
    """Keep override_settings(DEFAULT_FILE_STORAGE=…) working; Django forgets its storages on STORAGES."""
    if setting == "DEFAULT_FILE_STORAGE" and django.VERSION >= (5, 1):
        honour_default_file_storage()
        setting_changed.send(_on_setting_changed, setting="STORAGES", value=settings.STORAGES, enter=enter)
