"""What a browser is told to do with a file that comes from the site's own address; no I/O.

Whoever may upload must not thereby write pages of the site: what a browser could run has no type of its
own, and only what it just shows is not saved.
"""

from __future__ import annotations

import mimetypes
import re

from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.utils.http import content_disposition_header

from fdfs_storage.fastdfs import extension_of
from fdfs_storage.fields.companions import clean_name

UNKNOWN = "application/octet-stream"
_LONGEST_NAME = 150
_XML = "+xml"
_KNOWN = re.compile(
    r"(?:image|audio|video|font)/[a-z0-9.+-]{1,80}|text/(?:plain|csv)"
    r"|application/(?:pdf|zip|gzip|json|rtf|msword|epub\+zip|x-7z-compressed|vnd\.[a-z0-9.+-]{1,80})"
)
_SHOWN = re.compile(r"(?:image|audio|video)/.*|text/plain|application/pdf")


def download_name(file: FieldFile) -> str:
    """Return the name that the file had where it came from; where no field keeps it, one made of the row's.

    It has no path and no control characters, and is at most 150 characters long.
    """
    row: Model = file.instance
    original = _companion(file, "original_name_field")
    extension = extension_of(file.name or "")
    made = f"{row._meta.model_name}-{row.pk}{'.' if extension else ''}{extension}"
    return clean_name(original, _LONGEST_NAME) or clean_name(made, _LONGEST_NAME)


def content_type(file: FieldFile, name: str) -> str:
    """Return a type that no browser runs: the row's, else by the name; for any other, the unknown one."""
    told = _companion(file, "content_type_field") or mimetypes.guess_type(name, strict=False)[0] or ""
    kind = told.partition(";")[0].strip().lower()
    return kind if _KNOWN.fullmatch(kind) and not kind.endswith(_XML) else UNKNOWN


def disposition(kind: str, name: str, *, attachment: bool) -> str:
    """Return the value of Content-Disposition (RFC 6266): types that are not just shown are saved."""
    saved = attachment or not _SHOWN.fullmatch(kind)
    return content_disposition_header(saved, name) or "inline"


def _companion(file: FieldFile, option: str) -> str:
    """Return what the row has in the field that a FastDFSFileField names for this."""
    field: FileField = file.field
    named = getattr(field, option, None)
    return str(getattr(file.instance, named) or "") if named else ""
