"""FastDFSFileField and FastDFSImageField: Django's fields, at home in FastDFS."""

from __future__ import annotations

from typing import Any

from django.db.models import ImageField, Model

from . import rows  # noqa: F401  # connects the signals
from .field_file import FastDFSFieldFile, FastDFSImageFieldFile
from .mixin import FastDFSFieldMixin

__all__ = ["FastDFSFileField", "FastDFSImageField"]


class FastDFSFileField(FastDFSFieldMixin):
    """A FileField whose files are removed when their rows do not come to be, or are gone.

    Use it in place of Django's, with the same arguments; FastDFSFieldMixin lists what it takes besides.
    With a storage other than FastDFSStorage it only fills its companion fields.
    """

    attr_class = FastDFSFieldFile


class FastDFSImageField(FastDFSFieldMixin, ImageField):  # type: ignore[misc]  # the descriptors differ
    """The same for images. Width and height come from the upload, and no row ever opens the file for them.

    What Pillow cannot read has 0 in both.
    """

    attr_class = FastDFSImageFieldFile

    def update_dimension_fields(
        self, instance: Model, force: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: the dimensions are among the companions, which are filled at the upload."""
