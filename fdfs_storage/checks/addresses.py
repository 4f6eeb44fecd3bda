"""Do the base URLs and trackers lead where they should?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.utils.translation import gettext as _

from fdfs_storage.conf import Options
from fdfs_storage.fastdfs import Address
from fdfs_storage.fastdfs.cluster import TRACKER_PORT

from .uses import uses

_STORAGE_PORT = 23000
_OF_HTTPS_SITES = (
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
)


@register(Tags.files)
def check_base_urls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find base URLs that lead to FastDFS itself, which speaks no HTTP."""
    return [
        Warning(
            _("%(where)s: the base URL %(url)s leads to FastDFS itself, which speaks no HTTP.")
            % {"where": use.where, "url": url},
            hint=_("Name the nginx of the storages, for example: %(line)s")
            % {"line": f'FDFS_BASE_URL = "http://{urlsplit(url).hostname}:8888"'},
            id="fdfs.W006",
        )
        for use in uses()
        if (options := use.options)
        for url in _base_urls(options)
        if _is_fastdfs(url, options)
    ]


@register(Tags.security, deploy=True)
def check_https(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find base URLs whose pictures browsers do not load into the pages of this site."""
    if not any(getattr(settings, name, False) for name in _OF_HTTPS_SITES):
        return []
    return [
        Warning(
            _("%(where)s: browsers do not load %(url)s into the pages of an https site.")
            % {"where": use.where, "url": url},
            hint=_('Give nginx a certificate, and write "https:%(rest)s" or "%(rest)s".')
            % {"rest": url.partition(":")[2]},
            id="fdfs.W011",
        )
        for use in uses()
        if (options := use.options)
        for url in _base_urls(options)
        if url.lower().startswith("http:")
    ]


@register(Tags.security, deploy=True)
def check_loopback(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find addresses that lead to this machine, where the embedded cluster is."""
    return [
        Warning(
            _("%(where)s: %(address)s leads each machine to itself, browsers included.")
            % {"where": use.where, "address": address},
            hint=_("The embedded cluster is for development: name the cluster's own addresses."),
            id="fdfs.W012",
        )
        for use in uses()
        if (options := use.options)
        for address in _loopback(options)
    ]


def _base_urls(options: Options) -> list[str]:
    return list(dict.fromkeys(filter(None, (options.base_url, *options.base_urls.values()))))


def _is_fastdfs(url: str, options: Options) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    trackers = [Address.parse(tracker, TRACKER_PORT) for tracker in options.trackers]
    return port in (TRACKER_PORT, _STORAGE_PORT) or (parts.hostname, port) in [
        (tracker.host, tracker.port) for tracker in trackers
    ]


def _loopback(options: Options) -> Iterator[str]:
    for tracker in options.trackers:
        if _is_loopback(Address.parse(tracker, TRACKER_PORT).host):
            yield tracker
    for url in _base_urls(options):
        if _is_loopback(urlsplit(url).hostname or ""):
            yield url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
