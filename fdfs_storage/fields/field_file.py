"""What an instance has in a FastDFSFileField: the file, its name, and the ways to save and delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import File
from django.db import router
from django.db.models import Model
from django.db.models.fields.files import FieldFile, ImageFieldFile

from fdfs_storage.signals import file_uploaded
from fdfs_storage.transactions import discard, is_ours, journal, ledger

from . import companions, replaced

if TYPE_CHECKING:
    from .mixin import FastDFSFieldMixin


class FastDFSFieldFile(FieldFile):
    """A FieldFile that knows what it uploaded, and whose deletion waits for the transaction."""

    field: FastDFSFieldMixin
    instance: Model
    name: str | None
    _committed: bool
    _file: Any
    _measured: tuple[File[Any], str | None, dict[str, Any]] | None = None
    _spooled = False

    def measured(self) -> dict[str, Any]:
        """Return what the field keeps of content that is still to be uploaded; measured once."""
        content = self.file
        if self._measured is None or self._measured[0] is not content or self._measured[1] != self.name:
            self.file = companions.rewindable(content)
            self._spooled = self._spooled or self.file is not content
            values = companions.measure(self.field, self.file, self.name or "")
            self._measured = (self.file, self.name, values)
        return self._measured[2]

    def save(self, name: str | None, content: File[Any], save: bool = True) -> None:
        """Upload content, put its id into the field and what is known of it into the companions.

        Raises ImproperlyConfigured before the upload where the column is too short for an id, and
        after it, with the file deleted again, where this id is longer than was to be expected.
        """
        before = self.name, self._file, self._committed
        previous = self.name if self._committed else None
        self.name, self._file, self._committed = str(name), content, False
        try:
            values = self.measured() if companions.of(self.field) else {}
            stored = self._store(str(name))
        except BaseException:
            self.name, self._file, self._committed = before
            raise
        self._accept(stored, previous, values)
        if save:
            self.instance.save()

    def _store(self, name: str) -> str:
        ours = is_ours(self.field)
        if ours:
            journal.own()  # one that cannot be kept is told before there is something to write down
        longest = self.field.max_length
        path = self.field.generate_filename(self.instance, name)
        stored = str(self.storage.save(path, self.file, max_length=longest))
        if ours:
            stored = ledger().add_new(self.field, stored)
        if longest is not None and len(stored) > longest:
            self.storage.delete(stored)
            ledger().settled(stored)
            raise ImproperlyConfigured(
                f"{self.field}: the file id {stored} is longer than max_length={longest}; "
                "give the field max_length=100 and migrate"
            )
        return stored

    def _accept(self, stored: str, previous: str | None, values: dict[str, Any]) -> None:
        """Become the file that was stored. The content stays open: it is the caller's."""
        if self._spooled:
            self.file.close()
        self.name, self._file, self._committed = stored, None, True
        self._measured, self._spooled = None, False
        vars(self).pop("_dimensions_cache", None)
        if previous:
            replaced.remember(self.field, self.instance, previous)
        # Only the name, as a row gives it: with this object, the instance would live on in a circle.
        vars(self.instance)[self.field.attname] = stored
        companions.fill(self.field, self.instance, values)
        file_uploaded.send_robust(
            type(self.instance), instance=self.instance, field=self.field.name, name=stored
        )

    def delete(self, save: bool = True) -> None:
        """Empty the field, and delete the file when the transaction is committed, if no row refers to it."""
        if not self or not is_ours(self.field):
            super().delete(save)
            return
        name = replaced.stored_name(self)
        self.close()
        setattr(self.instance, self.field.attname, None)
        self.name, self._file, self._committed = None, None, False
        if name:
            record = replaced.ask_for(self.field, self.instance, name)
            if not save:
                discard(self.field, [name], self._using(), lambda deleted: replaced.forget(record, deleted))
        if save:
            self.instance.save()

    def _using(self) -> str:
        """Return the database of the instance; of what django-cleanup puts in its place, the model's."""
        state = getattr(self.instance, "_state", None)
        if state is None:
            return router.db_for_write(self.field.model)
        return state.db or router.db_for_write(type(self.instance), instance=self.instance)


class FastDFSImageFieldFile(FastDFSFieldFile, ImageFieldFile):
    """The same for images, with width and height from the columns where they are known."""

    def _get_image_dimensions(self) -> tuple[int, int]:
        known = companions.known_dimensions(self.field, self.instance)
        if known and self._committed and vars(self.instance).get(self.field.attname) is self:
            return known
        dimensions: tuple[int, int] = super()._get_image_dimensions()  # type: ignore[misc]  # not in the stubs
        return dimensions
