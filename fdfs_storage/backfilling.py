"""Fills companion fields of rows that were written without them: sizes, checksums, types, dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import FileField, Q, QuerySet

from .fastdfs import FileId
from .fastdfs.errors import FastDFSError
from .fields import companions
from .fields.companions import CRC32, DIMENSIONS, HEIGHT, SIZE, TYPE, WIDTH
from .fields.content_type import HEAD_BYTES, content_type
from .transactions.references import file_fields

_KINDS = (SIZE, CRC32, TYPE, *DIMENSIONS)


@dataclass(frozen=True)
class Row:
    """What became of one row; `error` is None where it was filled."""

    pk: Any
    name: str
    values: dict[str, Any]
    error: Exception | None = None


def fields_of(labels: list[str]) -> list[FileField]:
    """Return the fields that keep something of their files: all, or those that `app.Model[.field]` names.

    Raises LookupError for a label that names none.
    """
    able = [field for field in file_fields() if _wanted(field)]
    if not labels:
        return able
    chosen = []
    for label in labels:
        wanted = label.lower()
        found = [field for field in able if wanted in (str(field).lower(), field.model._meta.label_lower)]
        if not found:
            raise LookupError(label)
        chosen += found
    return chosen


def backfill(field: FileField, using: str, *, after: Any = None, batch: int, dry_run: bool) -> Iterator[Row]:
    """Fill what is NULL in the rows of one field, in the order of their keys, from the one `after` on.

    A row is written only if its file is still the same; no signal is sent. Rows that fail stay as they
    are, so that running it again tries them again.
    """
    wanted = _wanted(field)
    empty = reduce(or_, (_is_empty(kind, name) for kind, name in wanted.items()))
    base: QuerySet[Any] = QuerySet(field.model, using=using)
    rows = base.filter(empty).exclude(**{field.attname: ""}).exclude(**{f"{field.attname}__isnull": True})
    while True:
        some = list(
            (rows if after is None else rows.filter(pk__gt=after))
            .order_by("pk")
            .values("pk", field.attname, *wanted.values())[:batch]
        )
        for row in some:
            after = row["pk"]
            missing = {kind for kind, name in wanted.items() if row[name] is None or row[name] == ""}
            yield _fill(field, base, row["pk"], row[field.attname], missing, dry_run=dry_run)
        if len(some) < batch:
            return


def _fill(
    field: FileField, rows: QuerySet[Any], pk: Any, name: str, missing: set[str], *, dry_run: bool
) -> Row:
    try:
        found = _find_out(field, name, missing)
    except (FastDFSError, OSError) as error:
        return Row(pk, name, {}, error)
    wanted = _wanted(field)
    values = {wanted[kind]: value for kind, value in found.items() if kind in missing}
    if not dry_run:
        rows.filter(pk=pk, **{field.attname: name}).update(**values)
    return Row(pk, name, values)


def _find_out(field: FileField, name: str, missing: set[str]) -> dict[str, Any]:
    storage: Any = field.storage
    found: dict[str, Any] = {}
    with storage.open(name) as file:
        found[SIZE] = file.size
        if TYPE in missing:
            longest = companions.longest(field, _wanted(field)[TYPE])
            found[TYPE] = content_type(file.read(HEAD_BYTES), name)[:longest]
        if missing & set(DIMENSIONS):
            found[WIDTH], found[HEIGHT] = companions.dimensions(file)
    if CRC32 in missing:
        file_id = FileId.parse(name)
        found[CRC32] = storage.client.info(file_id).crc32 if file_id.crc32 is None else file_id.crc32
    return found


def _wanted(field: FileField) -> dict[str, str]:
    named = {kind: getattr(field, kind, None) for kind in _KINDS}
    return {kind: name for kind, name in named.items() if name}


def _is_empty(kind: str, name: str) -> Q:
    return Q(**{f"{name}__isnull": True}) | (Q(**{name: ""}) if kind == TYPE else Q(pk__in=[]))
