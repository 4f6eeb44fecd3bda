"""System checks, each with a hint that can be pasted; no network (`manage.py fdfs_check` goes there)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from . import conf
from .storage import FastDFSStorage


@register(Tags.files)
def check_storages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the options of every FastDFSStorage in STORAGES."""
    return [message for alias, given in _ours() for message in _check_options(alias, given)]


@register(Tags.files)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find FDFS_* settings that nothing reads."""
    known = {conf.PREFIX + name.upper() for name in conf.NAMES}
    ours = (name for name in dir(settings) if name.startswith(conf.PREFIX) and name.isupper())
    return [
        Warning(
            _("The setting %(name)s is read by nothing.") % {"name": name},
            hint=conf.did_you_mean(name, known),
            id="fdfs.W004",
        )
        for name in ours
        if name not in known
    ]


def _ours() -> Iterator[tuple[str, dict[str, Any]]]:
    for alias, config in settings.STORAGES.items():
        try:
            backend = import_string(config["BACKEND"])
        except (ImportError, KeyError, TypeError):
            continue  # not ours to report: Django names it when the storage is used
        if isinstance(backend, type) and issubclass(backend, FastDFSStorage):
            yield alias, cast("dict[str, Any]", config.get("OPTIONS") or {})


def _check_options(alias: str, given: dict[str, Any]) -> Iterator[CheckMessage]:
    try:
        conf.refuse_unknown(given)
        options = conf.resolve(given)
    except ImproperlyConfigured as error:
        yield Error(
            _("STORAGES[%(alias)r]: %(error)s") % {"alias": alias, "error": error},
            hint=_("See the settings table in the README of django-fdfs-storage."),
            id="fdfs.E001",
        )
        return
    if not options.trackers:
        yield Error(
            _("STORAGES[%(alias)r] knows no FastDFS tracker.") % {"alias": alias},
            hint='FDFS_TRACKERS = ["10.0.0.1:22122"]',
            id="fdfs.E002",
        )
    if not options.base_url:
        yield Error(
            _("STORAGES[%(alias)r] knows no base URL, so its files have no public address.")
            % {"alias": alias},
            hint='FDFS_BASE_URL = "http://10.0.0.1:8888"',
            id="fdfs.E003",
        )
