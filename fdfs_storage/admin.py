"""For the admin of projects whose files are in FastDFS; the only module that imports django.contrib.admin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.forms import BaseModelFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from .dimensions import recall
from .fastdfs.errors import FastDFSError

logger = logging.getLogger(__name__)


class _RecallingFormSet(BaseModelFormSet):  # type: ignore[type-arg]
    """Its rows know the dimensions of their images."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        recall(form.instance)


class FastDFSAdminMixin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs, not at run time
    """Turns an upload that FastDFS did not take into a message above the form instead of a server error.

    The admin saves a form in one transaction, so nothing of it is saved then. An image that a form or an
    inline gives back as it was costs no request.
    """

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            recall(row)
        return row

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Iterator[tuple[Any, Any]]:
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            yield type(formset.__name__, (_RecallingFormSet, formset), {}), inline

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Serve the form; after a failed upload send the user back to it, with the reason."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except FastDFSError as error:
            if request.method != "POST":
                raise
            logger.exception("an upload in the admin failed")
            text = _("The file could not be stored in FastDFS, so nothing was saved: %(error)s")
            self.message_user(request, text % {"error": error}, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
