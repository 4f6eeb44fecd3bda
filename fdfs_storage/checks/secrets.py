"""Is a token secret worth its name?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from fdfs_storage import conf

from .uses import Use, uses

_SHIPPED = b"FastDFS1234567890"  # http.conf of FastDFS
_LEAST_BYTES = 16


@register(Tags.security)
def check_token_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find secrets that anybody can guess, and those that are empty; no function is called for it."""
    return [message for use in uses() for message in (*_weak(use), *_empty(use))]


@register(Tags.security, deploy=True)
def check_shown_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find a secret on Django's error pages, which show FDFS_URL whole."""
    url = getattr(settings, conf.PREFIX + "URL", None)
    if not settings.DEBUG or not url or conf.without_secrets({"url": url}) == {"url": url}:
        return []
    return [
        Warning(
            _("DEBUG is on, so error pages show FDFS_URL, with the token secret in it."),
            hint=_("Set DEBUG = False, or give the secret as FDFS_TOKEN_SECRET, which Django hides."),
            id="fdfs.W013",
        )
    ]


def _weak(use: Use) -> Iterator[CheckMessage]:
    secret = use.options and use.options.token_secret
    if not secret or secret.known is None:
        return
    if secret.known == _SHIPPED:
        message = _("%(where)s: the token secret is the one that FastDFS ships, which everybody knows.")
    elif len(secret.known) < _LEAST_BYTES:
        message = _("%(where)s: the token secret is so short that it can be guessed from any URL.")
    else:
        return
    yield Warning(
        message % {"where": use.where},
        hint=_("Put what this prints here and into http.anti_steal.secret_key of http.conf: %(command)s")
        % {"command": 'python -c "import secrets; print(secrets.token_urlsafe(32))"'},
        id="fdfs.W008",
    )


def _empty(use: Use) -> Iterator[CheckMessage]:
    try:
        said = conf.configured(use.given).get("token_secret")
    except ImproperlyConfigured:
        return
    if said and said.value == "":
        yield Warning(
            _("%(where)s: %(origin)s is empty, so URLs get no token.")
            % {"where": use.where, "origin": said.origin},
            hint=_("Write None where no token is wanted."),
            id="fdfs.W009",
        )
