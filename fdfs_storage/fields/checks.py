"""System checks of our model fields; no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext as _

from fdfs_storage.transactions import journal

from . import companions

if TYPE_CHECKING:
    from .mixin import FastDFSFieldMixin

_BIG = (models.BigIntegerField, models.PositiveBigIntegerField)
# What a companion must be, and the line to paste. Sizes and checksums do not fit into 31 bits.
_KINDS: dict[str, tuple[tuple[type[models.Field[Any, Any]], ...], str]] = {
    companions.NAME: (
        (models.CharField, models.TextField),
        'models.CharField(max_length=255, blank=True, default="", editable=False)',
    ),
    companions.SIZE: (_BIG, "models.PositiveBigIntegerField(null=True, editable=False)"),
    companions.CRC32: (_BIG, "models.PositiveBigIntegerField(null=True, editable=False)"),
    companions.TYPE: (
        (models.CharField, models.TextField),
        'models.CharField(max_length=100, blank=True, default="", editable=False)',
    ),
    companions.WIDTH: ((models.IntegerField,), "models.PositiveIntegerField(null=True, editable=False)"),
    companions.HEIGHT: ((models.IntegerField,), "models.PositiveIntegerField(null=True, editable=False)"),
}


@register(Tags.files)
def check_journal(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find a journal that cannot be kept, before an upload does."""
    try:
        journal.folder()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint='FDFS_JOURNAL = "/var/lib/site/fdfs"', id="fdfs.E022")]
    return []


def check_companions(field: FastDFSFieldMixin) -> Iterator[CheckMessage]:
    """Find companions that do not exist, cannot hold what they are for, or serve two masters."""
    named = companions.of(field)
    for kind, name in named.items():
        types, remedy = _KINDS[kind]
        hint = f"{name} = {remedy}"
        try:
            companion = field.model._meta.get_field(name)
        except FieldDoesNotExist:
            text = _("%(option)s names %(name)r, which the model has not.") % {"option": kind, "name": name}
            yield Error(text, hint=hint, obj=field, id="fdfs.E020")
            continue
        if not isinstance(companion, types):
            text = _("%(option)s names %(name)r, which cannot hold it.") % {"option": kind, "name": name}
            yield Error(text, hint=hint, obj=field, id="fdfs.E021")
    twice = {name for name in named.values() if list(named.values()).count(name) > 1}
    for name in sorted(twice):
        text = _("%(name)r is named for two purposes.") % {"name": name}
        yield Error(text, obj=field, id="fdfs.E021")
