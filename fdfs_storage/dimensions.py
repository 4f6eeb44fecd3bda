"""Width and height of a row's images, as its columns have them: a form need not open the files for them."""

from __future__ import annotations

from typing import Any

from django.db.models import ImageField, Model

from .storage import FastDFSStorage


def recall(row: Model) -> None:
    """Tell a row's images on a storage of ours their dimensions, where the row knows them.

    Django's ImageField reads them from the file again when a form gives back an image that nobody
    changed, if it has a width_field or height_field.
    """
    for field in row._meta.concrete_fields:
        if isinstance(field, ImageField) and isinstance(field.storage, FastDFSStorage):
            companions = (getattr(field, name) or "" for name in ("width_field", "height_field"))
            known = tuple(vars(row).get(name) for name in companions)
            file: Any = getattr(row, field.attname) if all(known) else None
            if file and file._committed:
                file._dimensions_cache = known  # as ImageFieldFile does when it has read them
