"""For the admin of projects whose files are in FastDFS; the only module that imports django.contrib.admin."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from .fastdfs.errors import FastDFSError

logger = logging.getLogger(__name__)


class FastDFSAdminMixin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs, not at run time
    """Turns an upload that FastDFS did not take into a message above the form instead of a server error.

    The admin saves a form in one transaction, so nothing of it is saved then.
    """

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
