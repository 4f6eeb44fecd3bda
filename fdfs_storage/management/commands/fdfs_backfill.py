"""`manage.py fdfs_backfill`: prints what `backfilling` does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.models import FileField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from fdfs_storage import backfilling
from fdfs_storage.fastdfs.errors import NoServerError

# After so many rows in a row that no server answered for, the cluster is not there.
_MOST_UNANSWERED = 3
_MOST_ROWS = 10_000


class Command(BaseCommand):
    help = gettext_noop(
        "Fill width, height, size, CRC32 and content type of rows that have none, from their files. "
        "Can be interrupted and run again: only what is empty is filled. "
        "Exit code: 0 nothing is left, 1 some rows could not be filled, 2 it could not go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "label",
            nargs="*",
            metavar="app.Model[.field]",
            help=_("only these (default: every field that can)"),
        )
        parser.add_argument(
            "--dry-run", action="store_true", help=_("say what would be written, write nothing")
        )
        parser.add_argument(
            "--batch-size",
            type=_rows,
            default=100,
            metavar="ROWS",
            help=_("rows for one query (default: %(default)s)"),
        )
        parser.add_argument(
            "--after", metavar="PK", help=_("begin behind the row with this key; for one field only")
        )
        parser.add_argument(
            "--database", default=DEFAULT_DB_ALIAS, help=_("the database to fill (default: %(default)s)")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fields = _fields(options)
        filled = failed = 0
        try:
            for row in self._rows(fields, options):
                failed += row.error is not None
                filled += row.error is None
        except (DatabaseError, ImproperlyConfigured, ValidationError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        text = _("%(filled)d rows filled, %(failed)d failed")
        self.stdout.write(text % {"filled": filled, "failed": failed})
        if failed:
            raise SystemExit(1)

    def _rows(self, fields: list[FileField], options: dict[str, Any]) -> Iterator[backfilling.Row]:
        unanswered = 0
        for field in fields:
            for row in backfilling.backfill(
                field,
                options["database"],
                after=options["after"],
                batch=options["batch_size"],
                dry_run=options["dry_run"],
            ):
                self._print(field, row, options)
                yield row
                unanswered = unanswered + 1 if isinstance(row.error, NoServerError) else 0
                if unanswered == _MOST_UNANSWERED:
                    raise CommandError(_("The cluster does not answer; try again later."), returncode=2)

    def _print(self, field: FileField, row: backfilling.Row, options: dict[str, Any]) -> None:
        where = f"{field} {row.pk} {row.name}"
        if row.error is not None:
            self.stdout.write(f"{self.style.ERROR('FAIL')} {where}  {row.error}")
        elif options["dry_run"] or options["verbosity"] > 1:
            values = ", ".join(f"{name}={value}" for name, value in row.values.items())
            self.stdout.write(f"{self.style.SUCCESS('ok  ')} {where}  {values}")


def _fields(options: dict[str, Any]) -> list[FileField]:
    try:
        fields = backfilling.fields_of(options["label"])
    except LookupError as error:
        text = _("%(label)s names no field in FastDFS that keeps size, type or dimensions of its files.")
        raise CommandError(text % {"label": error.args[0]}, returncode=2) from error
    if options["after"] is not None and len(fields) != 1:
        raise CommandError(_("--after needs one field: app.Model.field"), returncode=2)
    return fields


def _rows(text: str) -> int:
    rows = int(text)
    if not 1 <= rows <= _MOST_ROWS:
        raise argparse.ArgumentTypeError(f"from 1 to {_MOST_ROWS}")
    return rows
