"""`{% load fdfs %}`: URLs with a download name, or with an end.

    {% fdfs_url photo.image %}
    {% fdfs_url document.file filename="报告.pdf" expire=3600 %}
    {{ document.file|fdfs_url:"报告.pdf" }}

All take a file of a model, on whichever storage, or a file id of the default storage. A file that is not
there gives no text. On a storage that is not FastDFS, filename and expire have no effect.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.conf import DEFAULT_STORAGE_ALIAS
from django.core.files.storage import storages
from django.db.models.fields.files import FieldFile

from fdfs_storage.storage import FastDFSStorage

register = template.Library()


@register.simple_tag
def fdfs_url(file: Any, filename: str = "", expire: float | timedelta | str | None = None) -> str:
    """Return the URL of a file or file id, as FastDFSStorage.url does; `expire` may be a number's text."""
    if not file:
        return ""
    storage = file.storage if isinstance(file, FieldFile) else storages[DEFAULT_STORAGE_ALIAS]
    name = file.name if isinstance(file, FieldFile) else str(file)
    if not isinstance(storage, FastDFSStorage):
        return str(storage.url(name))
    return storage.url(name, filename=filename, expire=_number(expire))


@register.filter("fdfs_url")
def fdfs_url_filter(file: Any, filename: str = "") -> str:
    """Return the URL of a file or file id; the argument is the name to save it under."""
    return fdfs_url(file, filename)


def _number(expire: float | timedelta | str | None) -> float | timedelta | None:
    if not isinstance(expire, str):
        return expire
    return float(expire) if expire else None  # a variable that is not there resolves to ""
