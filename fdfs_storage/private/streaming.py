"""The bytes come from FastDFS through Django, a piece at a time; ranges and conditions as HTTP has them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.base import File
from django.core.handlers.asgi import ASGIRequest
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import http_date
from django.views.decorators.http import condition

from fdfs_storage.fastdfs import FileId, Kind
from fdfs_storage.fastdfs.errors import InvalidFileIdError

from .ranges import Part, requested_part

_PIECE_BYTES = 1024 * 1024
_FIXED_KINDS = (Kind.NORMAL, Kind.TRUNK)


def streamed(request: HttpRequest, file: FieldFile) -> HttpResponseBase:
    """Return the file, the part that is asked for, or what the request's conditions make of it.

    Never holds more than a piece of 1 MiB. The first one is there when this returns: a cluster that does
    not answer raises its error here, and one that is lost later cuts the answer short. Raises Http404 for
    a file that is not there.
    """
    try:
        modified = _modified(file)
        etag = _etag(file, modified)
        conditional: Any = condition(lambda _: etag, lambda _: modified)
        response: HttpResponseBase = conditional(lambda request: _found(request, file, etag))(request)
    except FileNotFoundError as error:
        raise Http404("the file is not there") from error
    return response


def _found(request: HttpRequest, file: FieldFile, etag: str) -> HttpResponseBase:
    opened = file.storage.open(str(file.name), "rb")
    size = opened.size
    part = _wanted(request, file, etag, size)
    if part and not part.length:
        opened.close()
        return HttpResponse(status=416, headers={"Content-Range": part.told(size)})
    whole = Part(0, size)
    response = _body(request, opened, part or whole)
    response.headers["Content-Length"] = str((part or whole).length)
    response.headers["Accept-Ranges"] = "bytes"
    if part:
        response.status_code = 206
        response.headers["Content-Range"] = part.told(size)
    return response


def _wanted(request: HttpRequest, file: FieldFile, etag: str, size: int) -> Part | None:
    """Return the part to send: ranges are for GET, and If-Range wants the very file that began."""
    unless = request.headers.get("If-Range")
    if request.method != "GET" or (unless and not (_is_fixed(file) and unless in _validators(file, etag))):
        return None
    return requested_part(request.headers.get("Range", ""), size)


def _body(request: HttpRequest, opened: File[Any], part: Part) -> HttpResponseBase:
    if request.method == "HEAD":
        opened.close()
        return HttpResponse()
    # GZipMiddleware would compress a part of a file, and still call it that part.
    request.META.pop("HTTP_ACCEPT_ENCODING", None)
    pieces = _pieces(opened, part)
    begun = itertools.chain([next(pieces, b"")], pieces)
    return StreamingHttpResponse(_in_turn(begun) if isinstance(request, ASGIRequest) else begun)


def _pieces(opened: File[Any], part: Part) -> Iterator[bytes]:
    left = part.length
    with opened:
        opened.seek(part.start)
        while left:
            piece = opened.read(min(left, _PIECE_BYTES))
            if not piece:
                raise EOFError(f"{opened.name} ended {left} bytes too early")
            left -= len(piece)
            yield piece


async def _in_turn(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same to an event loop. Of what is no asynchronous iterator, Django would make a list."""
    while piece := await sync_to_async(lambda: next(pieces, b""))():
        yield piece


def _is_fixed(file: FieldFile) -> bool:
    """Say whether content never changes under its name."""
    try:
        return FileId.parse(str(file.name)).kind in _FIXED_KINDS
    except InvalidFileIdError:
        return False


def _modified(file: FieldFile) -> datetime | None:
    try:
        moment = file.storage.get_modified_time(str(file.name))
    except NotImplementedError:
        return None
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _etag(file: FieldFile, modified: datetime | None) -> str:
    """Return a tag that does not tell the file's name, weak where content may change."""
    digest = hashlib.sha256(f"{file.name}\n{modified and modified.timestamp()}".encode()).hexdigest()
    return f'"{digest[:32]}"' if _is_fixed(file) else f'W/"{digest[:32]}"'


def _validators(file: FieldFile, etag: str) -> tuple[str, ...]:
    modified = _modified(file)
    return (etag, http_date(modified.timestamp())) if modified else (etag,)
