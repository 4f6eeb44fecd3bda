"""PrivateFileView: the file of a row, for who may have it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _

from fdfs_storage.fastdfs.errors import FastDFSError

from .access import RowAccessView
from .handover import handed_over, is_handed_over
from .presentation import content_type, disposition, download_name
from .streaming import streamed

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 30


class PrivateFileView(RowAccessView):
    """Sends the file in a FileField of a model's row to who has access to the row, and to nobody else.

        path("documents/<int:pk>/file/", PrivateFileView.as_view(model=Document, field="file"))

    A URL names a row, never a file. With FDFS_X_ACCEL the bytes come from the nginx in front of Django,
    otherwise through Django, in pieces. What a browser could run is saved, under no type of its own.
    Storages other than FastDFSStorage are streamed from. 404 where there is no row, or no file; 503 and a
    line in the log where the cluster does not answer.
    """

    field: str = ""
    """The name of the FileField."""
    attachment: bool = False
    """Whether every file is saved; otherwise images, audio, video, PDF and plain text are shown."""
    cache_seconds: int = 0
    """For how long a browser may show a file again without asking; 0: it asks each time, and gets a 304."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view; raise ImproperlyConfigured for a field that the model has not."""
        view = super().as_view(**initkwargs)
        cls(**initkwargs)._require_field()
        return view

    def get_filename(self, file: FieldFile) -> str:
        """Return the name under which a browser saves the file."""
        return download_name(file)

    def answer(self, request: HttpRequest, row: Model) -> HttpResponseBase:
        file: FieldFile = getattr(row, self.field)
        if not file:
            raise Http404("the row has no file")
        try:
            response = handed_over(file) if is_handed_over(file) else streamed(request, file)
        except FastDFSError:
            logger.exception("the private file of %s %s cannot be read", row._meta.label, row.pk)
            return _unavailable()
        return self._labelled(response, file)

    def _labelled(self, response: HttpResponseBase, file: FieldFile) -> HttpResponseBase:
        if response.status_code < 300:
            name = self.get_filename(file)
            kind = content_type(file, name)
            response.headers["Content-Type"] = kind
            response.headers["Content-Disposition"] = disposition(kind, name, attachment=self.attachment)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if self.cache_seconds:
            patch_cache_control(response, private=True, max_age=self.cache_seconds)
        else:
            patch_cache_control(response, private=True, no_cache=True)
        return response

    def _require_field(self) -> None:
        model = self.model if self.queryset is None else self.queryset.model
        if model is None:
            raise ImproperlyConfigured(f"{type(self).__name__} needs a model: as_view(model=…, field=…)")
        try:
            field = model._meta.get_field(self.field)
        except FieldDoesNotExist:
            field = None
        if not isinstance(field, FileField):
            names = [each.name for each in model._meta.get_fields() if isinstance(each, FileField)]
            hint = f"write field={names[0]!r}" if names else "it has none"
            raise ImproperlyConfigured(f"{model.__name__} has no FileField {self.field!r}: {hint}")


def _unavailable() -> HttpResponse:
    text = _("The file cannot be read just now. Please try again later.")
    headers = {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"}
    return HttpResponse(text, "text/plain; charset=utf-8", status=503, headers=headers)
