"""Who gets the file of which row: nobody, unless something says so."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename
from django.contrib.auth.mixins import AccessMixin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View
from django.views.generic.detail import SingleObjectMixin


class RowAccessView(AccessMixin, SingleObjectMixin, View):  # type: ignore[type-arg]  # generic in its stubs only
    """Answers for a row to who has access to it; rows are found as in a DetailView."""

    http_method_names = ["get", "head", "options"]  # noqa: RUF012  # as View has it

    permission: str | None = None
    """`app.codename` of what is wanted; None: the permission to view the model's rows."""

    def has_access(self, request: HttpRequest, instance: Any) -> bool:
        """Say whether the visitor may have the row's file; True or False, anything else is an error.

        By default who is logged in and has the permission, for all rows or for this one. A function that
        is given to as_view() takes the method's place.
        """
        permission = self.permission or _view_permission(instance)
        user = request.user
        return user.is_authenticated and (user.has_perm(permission) or user.has_perm(permission, instance))

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer 404 where there is no row; where it is not for this visitor, redirect to the login, or 403.

        Who is not logged in is not told which of the two it is.
        """
        try:
            row: Model = self.get_object()
        except (Http404, OverflowError, ValidationError, ValueError) as error:  # the URL may hold any text
            if not request.user.is_authenticated:
                return self.handle_no_permission()
            raise Http404("no such row") from error
        allowed: object = self.has_access(request, row)
        if not isinstance(allowed, bool):  # a coroutine, say, which counts as true
            raise TypeError(f"has_access must return True or False, not {type(allowed).__name__}")
        return self.answer(request, row) if allowed else self.handle_no_permission()

    def answer(self, request: HttpRequest, row: Model) -> HttpResponseBase:
        """Answer to who has access."""
        raise NotImplementedError


def _view_permission(instance: Model) -> str:
    opts = instance._meta
    return f"{opts.app_label}.{get_permission_codename('view', opts)}"
