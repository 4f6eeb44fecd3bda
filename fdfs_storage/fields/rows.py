"""Tells our fields what becomes of rows: for every model that has one, proxies and children included."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, signals

from . import companions, replaced
from .mixin import FastDFSFieldMixin


class _Rows:
    """Receives the signals of one model."""

    def __init__(self, fields: list[FastDFSFieldMixin]) -> None:
        self._fields = fields

    def connect(self, model: type[Model]) -> None:
        signals.pre_save.connect(self.saving, sender=model, weak=False)
        signals.post_save.connect(self.saved, sender=model, weak=False)
        signals.pre_delete.connect(self.deleting, sender=model, weak=False)
        signals.post_delete.connect(self.deleted, sender=model, weak=False)
        for field in self._fields:
            if companions.of(field):
                signals.post_init.connect(field.note_instance, sender=model, weak=False)

    def saving(self, instance: Model, using: str, raw: bool = False, **_: Any) -> None:
        for field in self._fields:
            if not raw:
                replaced.saving(field, instance, using)

    def saved(
        self, instance: Model, using: str, update_fields: Collection[str] | None = None, **_: Any
    ) -> None:
        for field in self._fields:
            if update_fields is None or field.name in update_fields or field.attname in update_fields:
                field.note_saved(instance, using)

    def deleting(self, instance: Model, using: str, origin: Any = None, **_: Any) -> None:
        for field in self._fields:
            with suppress(ObjectDoesNotExist):  # the row is gone already
                getattr(instance, field.attname)  # what is deferred cannot be loaded any more afterwards
            if origin is instance:  # else it was loaded just now
                replaced.deleting(field, instance, using)

    def deleted(self, instance: Model, using: str, **_: Any) -> None:
        for field in self._fields:
            replaced.deleted(field, instance, using)


def _prepared(sender: type[Model], **_: Any) -> None:
    if sender.__module__ == "__fake__":  # a model of migrations, of which there are many, and none stays
        return
    fields = [field for field in sender._meta.concrete_fields if isinstance(field, FastDFSFieldMixin)]
    if fields:
        _Rows(fields).connect(sender)


signals.class_prepared.connect(_prepared, dispatch_uid="fdfs_storage.fields.rows")
