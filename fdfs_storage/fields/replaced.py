"""What an instance's row held before another file, or none, took its place in memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeGuard

from django.core.files.base import File
from django.db.models import Model, QuerySet
from django.db.models.fields.files import FieldFile

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import InvalidFileIdError
from fdfs_storage.transactions import bearers, discard, is_ours

if TYPE_CHECKING:
    from .mixin import FastDFSFieldMixin


class Replaced:
    """The names that are to be deleted once a transaction that replaced them is committed."""

    def __init__(self, owner: int) -> None:
        self.owner = owner
        """The id() of the instance; copies of an instance are made with its attributes."""
        self.names: list[str] = []
        self.since_saved = False
        """Whether what the row holds is among the names already: what follows it was only in memory."""
        self.using: str | None = None
        """The database with the row that is about to be overwritten."""
        self.asked_for: set[str] = set()
        """Those that were to be deleted by name, whatever the field's delete_unused says."""

    def copy(self, owner: int) -> Replaced:
        copied = Replaced(owner)
        vars(copied).update(vars(self), owner=owner, names=list(self.names), asked_for=set(self.asked_for))
        return copied


def remember(field: FastDFSFieldMixin, instance: Model, previous: Any, *, seen: bool = True) -> None:
    """Note that a value of the field is replaced in memory."""
    record = _made(field, instance)
    name = stored_name(previous)
    if name and not record.since_saved and not instance._state.adding:
        record.names.append(name)
    record.since_saved = record.since_saved or bool(name) or not seen
    if name:
        bearers.put_down(name, instance)


def reloaded(field: FastDFSFieldMixin, instance: Model) -> None:
    """Note that the field has what the row holds."""
    record = _record(field, instance)
    if record is not None:
        record.since_saved = False


def ask_for(field: FastDFSFieldMixin, instance: Model, name: str) -> Replaced:
    """Note that a file is to be deleted, whatever the field's delete_unused says."""
    record = _made(field, instance)
    record.asked_for.add(name)
    if name not in record.names:
        record.names.append(name)
    return record


def saving(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Note to which database an instance with another file than its row's, perhaps, is saved."""
    record = _record(field, instance)
    if instance.pk is not None and (instance._state.adding or (record is not None and record.since_saved)):
        _made(field, instance).using = using


def deleting(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Find out what a row holds that is about to be deleted, whatever its instance remembers."""
    _made(field, instance).using = using
    look_up(field, instance)


def look_up(field: FastDFSFieldMixin, instance: Model) -> None:
    """Find out what a row holds that is about to be overwritten: another process may have been there."""
    record = _record(field, instance)
    if record is None or record.using is None or not field.delete_unused or not is_ours(field):
        return
    rows: QuerySet[Model] = QuerySet(field.model, using=record.using)
    held = rows.filter(pk=instance.pk).values_list(field.attname, flat=True)
    record.names += [name for name in map(stored_name, held) if name]
    record.using = None


def saved(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Discard what was replaced, now that the row with what replaced it is written."""
    record = _record(field, instance)
    if record is None:
        return
    record.since_saved = False
    record.using = None
    now = stored_name(vars(instance).get(field.attname))
    unused = record.names if field.delete_unused else record.asked_for
    record.names = names = [name for name in record.names if name != now and name in unused]
    if names and is_ours(field):
        discard(field, names, using, lambda _: forget(record, names))


def forget(record: Replaced, names: Collection[str]) -> None:
    """Forget what is committed; after a rollback the next save tries again."""
    record.names = [name for name in record.names if name not in names]
    record.asked_for.difference_update(names)


def deleted(field: FastDFSFieldMixin, instance: Model, using: str) -> None:
    """Discard what the deleted row held; a file that was only in memory is none of it."""
    record = _record(field, instance)
    name = stored_name(vars(instance).get(field.attname))
    if name:
        bearers.put_down(name, instance)
    held = [name] if name and not (record and record.since_saved) else []
    names = [*(record.names if record else []), *held]
    if names and field.delete_unused and is_ours(field):
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


def _record(field: FastDFSFieldMixin, instance: Model) -> Replaced | None:
    record: Replaced | None = vars(instance).get(_key(field))
    if record is not None and record.owner != id(instance):
        record = vars(instance)[_key(field)] = record.copy(id(instance))
    return record


def _made(field: FastDFSFieldMixin, instance: Model) -> Replaced:
    record = _record(field, instance)
    if record is None:
        record = vars(instance)[_key(field)] = Replaced(id(instance))
    return record


def _key(field: FastDFSFieldMixin) -> str:
    return f"_{field.attname}_replaced"
