"""What FastDFSFileField and FastDFSImageField add to Django's fields."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.files.base import File
from django.db import connections
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile, FileDescriptor
from django.utils.translation import gettext as _

from fdfs_storage.transactions import autocommits, bearers, is_ours, ledger

from . import checks, companions, replaced


class FastDFSFileDescriptor(FileDescriptor):
    """Tells the field when an instance's file is replaced."""

    field: FastDFSFieldMixin

    def __set__(self, instance: Model, value: Any) -> None:
        attname = self.field.attname
        loaded = attname in vars(instance)  # else it is deferred, or Model.__init__ sets it
        previous = vars(instance).get(attname)
        super().__set__(instance, value)
        if isinstance(value, FieldFile):
            self.field.note_bearer(instance, value)
        if loaded or not instance._state.adding:
            self.field.note_assignment(instance, previous, value, seen=loaded)


class FastDFSFieldMixin(FileField):
    """A FileField that cleans up behind itself, and that writes down what it knows of its files.

    `original_name_field`, `size_field`, `crc32_field`, `content_type_field`: names of fields of the same
    model that every upload fills. `delete_unused`: whether a file is deleted when its row is deleted or
    gets another one, after the transaction and if no row refers to it any more.
    """

    descriptor_class = FastDFSFileDescriptor

    def __init__(
        self,
        *args: Any,
        original_name_field: str | None = None,
        size_field: str | None = None,
        crc32_field: str | None = None,
        content_type_field: str | None = None,
        delete_unused: bool = True,
        **kwargs: Any,
    ) -> None:
        self.original_name_field = original_name_field
        self.size_field = size_field
        self.crc32_field = crc32_field
        self.content_type_field = content_type_field
        self.delete_unused = delete_unused
        super().__init__(*args, **kwargs)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *checks.check_companions(self)]

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        for kind in companions.KINDS:
            if getattr(self, kind):
                kwargs[kind] = getattr(self, kind)
        if not self.delete_unused:
            kwargs["delete_unused"] = False
        return str(name), path, list(args), kwargs

    def formfield(self, **kwargs: Any) -> Any:
        """Return a form field that takes names of any length: it is the id that goes into the column."""
        return super().formfield(**{"max_length": None, **kwargs})

    def validate(self, value: Any, model_instance: Model | None) -> None:
        super().validate(value, model_instance)
        if not is_ours(self) or not value or getattr(value, "_committed", True):
            return
        try:
            self.storage.get_available_name("file", max_length=self.max_length)
        except ImproperlyConfigured as error:
            raise ValidationError(
                _("The file cannot be stored: %(error)s"), code="column_too_short", params={"error": error}
            ) from error

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Upload what is not uploaded yet; a second call finds it uploaded."""
        if not add:
            replaced.look_up(self, model_instance)
        file = super().pre_save(model_instance, add)
        upload = ledger().get(file.name)
        if upload:
            upload.attempt()
        return file

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """Upload what bulk_update is about to write, which asks no pre_save."""
        if isinstance(value, FieldFile) and value and not replaced.is_stored(value):
            value.save(str(value.name), value.file, save=False)
            upload = ledger().get(value.name)
            if upload:
                upload.attempt()
        return super().get_db_prep_save(value, connection)

    def value_to_string(self, obj: Model) -> str:
        """Return a plain str for serializers, some of which take no other."""
        return str(super().value_to_string(obj))

    # --- what the descriptor and the signals tell ---------------------------------------------

    def get_prep_value(self, value: Any) -> str | None:
        """Return a plain str, whatever the name is."""
        value = super().get_prep_value(value)
        return value if value is None else str(value)

    def note_bearer(self, instance: Model, value: FieldFile) -> None:
        """Count an instance that is given another one's file, lest it be deleted with the other's row."""
        name = replaced.stored_name(value)
        if name and value.instance is not instance:
            bearers.bear(name, instance)

    def note_assignment(self, instance: Model, previous: Any, value: Any, *, seen: bool) -> None:
        """Remember what is replaced, and bring the companions up to date, without a request.

        What is deferred was not `seen`: what it was is asked for when the row is written.
        """
        source = value.instance if replaced.is_stored(value) else None
        reloads = _reloads(source, instance)
        if reloads:
            replaced.reloaded(self, instance)
            if not seen:
                return
        unchanged = replaced.stored_name(value) == replaced.stored_name(previous) is not None
        if not unchanged and not reloads:
            replaced.remember(self, instance, previous, seen=seen)
        if not unchanged and companions.of(self):
            self.update_companions(instance, value, source)

    def update_companions(self, instance: Model, value: Any, source: Model | None) -> None:
        if isinstance(value, File) and source is None:
            companions.fill(self, instance, getattr(instance, self.attname).measured())
        elif not value:
            companions.fill(self, instance, dict.fromkeys(companions.of(self)))
        elif source is not None and source is not instance and self._has(source, value):
            companions.copy(self, source, instance)
        else:
            companions.fill(self, instance, companions.told(self, str(value)))

    def _has(self, source: Model, value: FieldFile) -> bool:
        """Say whether a file is that of this field, and no other one, in another instance."""
        return isinstance(source, self.model) and value.field.attname == self.attname

    def note_instance(self, instance: Model, **_: Any) -> None:
        """Measure the file that an instance was made with; of rows, nothing is to be done."""
        value = vars(instance).get(self.attname)
        if isinstance(value, File) and value:
            source = value.instance if replaced.is_stored(value) else None
            self.update_companions(instance, value, source)

    def note_saved(self, instance: Model, using: str) -> None:
        """Learn that a row with what the instance has was written to a database."""
        name = replaced.stored_name(vars(instance).get(self.attname))
        upload = ledger().get(name)
        if upload:
            upload.written(using)
        if name and bearers.bears(name, instance):
            _put_down(name, instance, using)
        replaced.saved(self, instance, using)


def _put_down(name: str, instance: Model, using: str) -> None:
    """Count an instance as a bearer until others can see the row that it wrote."""
    connection = connections[using]
    if connection.in_atomic_block:
        connection.on_commit(partial(bearers.put_down, name, instance))  # and keep it alive until then
    elif autocommits(connection):
        bearers.put_down(name, instance)


def _reloads(source: Model | None, instance: Model) -> bool:
    """Say whether an assignment is refresh_from_db's: from an instance of the same row."""
    return source is not None and source is not instance and source.pk is not None and source == instance
