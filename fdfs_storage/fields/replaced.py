"""What an instance's row held before another file, or none, took its place in memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeGuard

from django.core.files.base import File
from django.db.models import Model
from django.db.models.fields.files import FieldFile

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import InvalidFileIdError
from fdfs_storage.transactions import bearers, discard

if TYPE_CHECKING:
    from .mixin import FastDFSFieldMixin


class Replaced:
    """The names that are to be deleted once a transaction that replaced them is committed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.since_saved = False
        """Whether what the row holds is among the names already: what follows it was only in memory."""
        self.asked_for = False
        """Whether a file was to be deleted by name, whatever the field's delete_unused says."""


def remember(field: FastDFSFieldMixin, instance: Model, previous: Any) -> Replaced:
    """Note that a value of the field is replaced in memory."""
    record: Replaced = vars(instance).setdefault(_key(field), Replaced())
    name = stored_name(previous)
    if name and not record.since_saved and not instance._state.adding:
        record.names.append(name)
        record.since_saved = True
    if name:
        bearers.put_down(name, instance)
    return record


def ask_for(field: FastDFSFieldMixin, instance: Model, name: str) -> Replaced:
    """Note that a file is to be deleted, whatever the field's delete_unused says."""
    record: Replaced = vars(instance).setdefault(_key(field), Replaced())
    record.asked_for = True
    if name not in record.names:
        record.names.append(name)
    return record


def saved(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Discard what was replaced, now that the row with what replaced it is written."""
    record: Replaced | None = vars(instance).get(_key(field))
    if record is None:
        return
    record.since_saved = False
    now = stored_name(vars(instance).get(field.attname))
    names = [name for name in record.names if name != now]
    if names and (field.delete_unused or record.asked_for):
        discard(field, names, using, lambda _: forget(record, names))
    else:
        record.names.clear()


def forget(record: Replaced, names: Collection[str]) -> None:
    """Forget what is committed; after a rollback the next save tries again."""
    record.names = [name for name in record.names if name not in names]
    record.asked_for = record.asked_for and bool(record.names)


def deleted(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Discard what the deleted row held."""
    record: Replaced | None = vars(instance).get(_key(field))
    name = stored_name(vars(instance).get(field.attname))
    names = [*(record.names if record else []), *([name] if name else [])]
    if name:
        bearers.put_down(name, instance)
    if names and field.delete_unused:
        discard(field, names, using)


def is_stored(value: Any) -> TypeGuard[FieldFile]:
    """Say whether a value of the field is a FieldFile, and one that is not still to be uploaded."""
    return isinstance(value, FieldFile) and bool(getattr(value, "_committed", False))


def stored_name(value: Any) -> str | None:
    """Return the file id that a value of the field stands for, None for what is no stored file."""
    if isinstance(value, File) and not is_stored(value):
        return None
    try:
        return str(FileId.parse(str(value))) if value else None
    except InvalidFileIdError:
        return None


def _key(field: FastDFSFieldMixin) -> str:
    return f"_{field.attname}_replaced"
