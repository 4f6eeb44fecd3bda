"""Can the columns hold a file id?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db.models import FileField
from django.utils.translation import gettext as _

from .uses import file_fields, storage_of


@register(Tags.models)
def check_fields(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Find FileFields on a storage of ours that are too short for the ids of its uploads."""
    return [
        Error(
            _("max_length=%(have)d cannot hold a FastDFS file id of up to %(need)d characters.")
            % {"have": field.max_length, "need": need},
            hint=_("Give the field max_length=100, then run makemigrations and migrate."),
            obj=field,
            id="fdfs.E005",
        )
        for field in file_fields(app_configs)
        if field.max_length is not None and (need := _longest_id(field)) > field.max_length
    ]


def _longest_id(field: FileField) -> int:
    """Return how long an id may get; 0 where that is not for us to say."""
    storage = storage_of(field)
    try:
        return storage.options.longest_id if storage else 0
    except ImproperlyConfigured:
        return 0
