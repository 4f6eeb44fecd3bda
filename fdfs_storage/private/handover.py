"""The bytes come from an nginx in front of Django, which an X-Accel-Redirect sends for them."""

from __future__ import annotations

import dataclasses
import time
from typing import cast

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponse

from fdfs_storage.fastdfs import FileId
from fdfs_storage.fastdfs.errors import InvalidFileIdError
from fdfs_storage.storage import FastDFSStorage


def is_handed_over(file: FieldFile) -> bool:
    """Say whether the file's storage names an internal location."""
    storage = file.storage
    return isinstance(storage, FastDFSStorage) and bool(storage.options.x_accel)


def handed_over(file: FieldFile) -> HttpResponse:
    """Return the answer for nginx, without a request to FastDFS; raise Http404 for what is no file id.

    nginx does the rest: ranges, conditions, what is missing.
    """
    try:
        file_id = FileId.parse(str(file.name))
    except InvalidFileIdError as error:
        raise Http404("not a FastDFS file id") from error
    options = cast("FastDFSStorage", file.storage).options
    links = dataclasses.replace(options.links, base_url=options.x_accel, base_urls={})
    return HttpResponse(headers={"X-Accel-Redirect": links.url(str(file_id), time.time())})
