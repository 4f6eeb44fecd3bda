"""Which files do rows refer to? Asked of every database, afresh."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections
from django.db.models import FileField, QuerySet

from fdfs_storage.storage import FastDFSStorage

# Times the forms of a name, below the 999 variables that a statement of older SQLite may have.
_NAMES_PER_QUERY = 100


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

    Outside of a transaction only: inside, a database may answer as of its beginning. Raises what the
    database raises where it cannot tell; then nothing is known about any name.
    """
    found: set[str] = set()
    for alias in connections:
        for field in file_fields():
            rest = iter(set(names) - found)
            while some := list(islice(rest, _NAMES_PER_QUERY)):
                found |= _in_column(field, alias, some)
    return found


def _in_column(field: FileField, alias: str, names: list[str]) -> set[str]:
    forms = {form: name for name in names for form in _forms(field, name)}
    rows = QuerySet(field.model, using=alias).filter(**{f"{field.attname}__in": list(forms)}).order_by()
    try:
        found = set(rows.values_list(field.attname, flat=True))
    except DatabaseError:
        if _has_table(field, alias):
            raise
        return set()  # not every table is in every database
    if found - forms.keys():  # a column that does not tell capitals apart means one of them, or several
        return set(names)
    return {forms[value] for value in found}


def _forms(field: FileField, name: str) -> Iterator[str]:
    """Give the ways in which rows hold an id: as it is, with a slash in front, as a URL of the storage."""
    yield name
    yield f"/{name}"
    storage: Any = field.storage
    options = storage.options
    for base in {options.base_url, *getattr(options, "base_urls", {}).values()} - {""}:
        yield f"{base}/{name}"


def _has_table(field: FileField, alias: str) -> bool:
    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor, include_views=True)
    identify = connection.introspection.identifier_converter
    return identify(field.model._meta.db_table) in {identify(table) for table in tables}
