"""Are the options valid, and is there what nothing works without?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from fdfs_storage import conf

from .uses import Use, uses


@register(Tags.files)
def check_storages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the options of every storage of ours.

    An option that is not there is a warning: an image is built, and migrations are made and run, where
    no cluster is. A wrong one is an error.
    """
    return [message for use in uses() for message in (*_invalid(use), *_missing(use, Warning))]


@register(Tags.files, deploy=True)
def check_required(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to serve without a tracker and a base URL."""
    return [message for use in uses() for message in _missing(use, Error)]


@register(Tags.files)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find FDFS_* settings that nothing reads."""
    ours = (name for name in dir(settings) if name.startswith(conf.PREFIX) and name.isupper())
    return [
        Warning(
            _("The setting %(name)s is read by nothing.") % {"name": name},
            hint=conf.did_you_mean(name, conf.SETTINGS),
            id="fdfs.W004",
        )
        for name in ours
        if name not in conf.SETTINGS
    ]


def _invalid(use: Use) -> Iterator[CheckMessage]:
    try:
        conf.refuse_unknown(use.given)
        conf.resolve(use.given)
    except ImproperlyConfigured as error:
        yield Error(
            f"{use.where}: {error}",
            hint=_("See the settings table in the README of django-fdfs-storage."),
            id="fdfs.E001",
        )


def _missing(use: Use, level: type[Error] | type[Warning]) -> Iterator[CheckMessage]:
    options = use.options
    if options and not options.trackers:
        yield level(
            _("%(where)s knows no FastDFS tracker.") % {"where": use.where},
            hint='FDFS_TRACKERS = ["10.0.0.1:22122"]',
            id="fdfs.E002",
        )
    if options and not options.links:
        yield level(
            _("%(where)s knows no base URL, so its files have no public address.") % {"where": use.where},
            hint='FDFS_BASE_URL = "http://10.0.0.1:8888"',
            id="fdfs.E003",
        )
