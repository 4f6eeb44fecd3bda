"""Which files do rows refer to? Asked of every database, afresh."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections
from django.db.models import FileField, Q, QuerySet
from django.db.models.functions import Left, Length, Right
from django.db.models.lookups import Exact, In, LessThanOrEqual

from fdfs_storage.storage import FastDFSStorage

# At most 16 variables for each, below the 999 that a statement of older SQLite may have.
_NAMES_PER_QUERY = 60
# The last part of every id has them: source, time, size and CRC32. What is shorter could stand anywhere.
_SHORTEST_MARK = 27


def is_ours(field: object) -> bool:
    """Say whether a model field keeps its files in FastDFS."""
    return isinstance(field, FileField) and isinstance(field.storage, FastDFSStorage)


def file_fields() -> list[FileField]:
    """Return every column that can hold a file id: each field of each model with a FastDFSStorage."""
    return [
        field
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and not model._meta.swapped
        for field in model._meta.local_concrete_fields
        if isinstance(field, FileField) and is_ours(field)
    ]


def referenced(names: Collection[str]) -> set[str]:
    """Return those of the names that a row of any database refers to, whatever wrote it.

    A row refers to a file if the last part of the file's id stands anywhere in the column: so ids without
    a group count, those with backslashes, and URLs of any host, this storage's or a former one's, with
    whatever comes behind. Each column is read from end to end.

    Outside of a transaction only: inside, a database may answer as of its beginning. Raises what the
    database raises where it cannot tell; then nothing is known about any name.
    """
    found: set[str] = set()
    for field in file_fields():
        answers = [_in_database(field, alias, set(names) - found) for alias in connections]
        if field.model._meta.managed and all(answer is None for answer in answers):
            # Under another name, perhaps, that it has until the migrations are run.
            table = field.model._meta.db_table
            raise DatabaseError(f"{field}: its table {table} is in no database: run migrate")
        found = found.union(*(answer for answer in answers if answer))
    return found


def _in_database(field: FileField, alias: str, names: Collection[str]) -> set[str] | None:
    """Return the names that the field's rows in one database refer to; None where it has no such table."""
    found: set[str] = set()
    rest = iter(names)
    while some := list(islice(rest, _NAMES_PER_QUERY)):
        part = _in_column(field, alias, some)
        if part is None:
            return None
        found |= part
    return found


def _in_column(field: FileField, alias: str, names: list[str]) -> set[str] | None:
    rows = QuerySet(field.model, using=alias).filter(_refers(field, names)).order_by()
    try:
        values = list(rows.values_list(field.attname, flat=True).distinct())
    except DatabaseError:
        if _has_table(field, alias):
            raise
        return None  # not every table is in every database
    return set().union(*(_meant(value, names) for value in values))


def _meant(value: str, names: list[str]) -> set[str]:
    """Return the names that a row can mean; a column that knows no capitals may hold what is none of them."""
    text = value.lower()
    return {name for name in names if _mark(name).lower() in text} or set(names)


def _mark(name: str) -> str:
    """Return what stands in every text that refers to the file, whatever is before and behind it."""
    mark = name.rpartition("/")[2]
    return mark if len(mark) >= _SHORTEST_MARK else name


def _refers(field: FileField, names: list[str]) -> Q:
    """Return the condition of a row that refers to one of the files: it contains a mark.

    To look for every mark in every row takes long. Nearly all rows hold a plain id or URL, and to see
    that it is none of the files takes one look at its end, however many files there are.
    """
    column = field.attname
    contained = _any(Q(**{f"{column}__contains": _mark(name)}) for name in names)
    return ~(_plain(field, names) & ~_ends(column, names)) & contained


def _plain(field: FileField, names: list[str]) -> Q:
    """Return the condition of a row that can have a mark nowhere but at its end.

    It begins as an id, and is not longer than the shortest of these is in that form.
    """
    lengths: dict[str, int] = {}
    for name in names:
        group = name.partition("/")[0]
        for prefix in _prefixes(field, name):
            start, length = f"{prefix}{group}/M", len(prefix) + len(name)
            lengths[start] = min(length, lengths.get(start, length))
    column = field.attname
    # No LIKE: where it takes capitals for small letters, it lets rows pass that are not plain.
    return _any(
        Q(Exact(Left(column, len(start)), start)) & Q(LessThanOrEqual(Length(column), length))
        for start, length in lengths.items()
    )


def _ends(column: str, names: list[str]) -> Q:
    marks: dict[int, set[str]] = {}
    for name in names:
        marks.setdefault(len(_mark(name)), set()).add(_mark(name))
    return _any(Q(In(Right(column, length), sorted(those))) for length, those in marks.items())


def _prefixes(field: FileField, name: str) -> Iterator[str]:
    """Give what commonly stands before an id: nothing, a slash, the storage's base URL."""
    storage: Any = field.storage
    options = storage.options
    base = options.base_urls.get(name.partition("/")[0]) or options.base_url
    yield from ("", "/", f"{base}/") if base else ("", "/")


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)


def _has_table(field: FileField, alias: str) -> bool:
    connection = connections[alias]
    if {'"', "."} & set(field.model._meta.db_table):  # one of another schema, which the list does not have
        return True
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor, include_views=True)
    identify = connection.introspection.identifier_converter
    return identify(field.model._meta.db_table) in {identify(table) for table in tables}
