"""`manage.py fdfs_sweep`: prints what `sweeping` finds."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from fdfs_storage.sweeping import Fate, Finding, sweep
from fdfs_storage.transactions import in_transaction, journal

_LEFT = (Fate.ORPHAN, Fate.UNKNOWN)


class Command(BaseCommand):
    help = gettext_noop(
        "Find uploads without a row, left behind by crashes and by transactions whose outcome is unknown, "
        "in the journals of FDFS_JOURNAL. Deletes nothing without --delete. "
        "Exit code: 0 no orphan is left, 1 some are, 2 it could not be found out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--delete", action="store_true", help=_("delete the orphans, and tidy the journals")
        )
        parser.add_argument(
            "--older-than",
            type=_hours,
            default=24.0,
            metavar="HOURS",
            help=_("leave younger files alone: their transactions may be open yet (default: %(default)s)"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[Fate] = Counter()
        try:
            folder = journal.folder()
            if folder is None:
                raise CommandError(
                    _('No journal is kept: set FDFS_JOURNAL = "/var/lib/site/fdfs"'), returncode=2
                )
            if in_transaction():
                raise CommandError(_("A transaction is open; run this outside of it."), returncode=2)
            for finding in sweep(
                folder, delete=options["delete"], older_than_seconds=options["older_than"] * 3600
            ):
                counts[finding.fate] += 1
                self._print(finding)
        except (ImproperlyConfigured, DatabaseError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self._print_summary(counts)
        if any(counts[fate] for fate in _LEFT):
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        moment = datetime.fromtimestamp(finding.entry.seconds, timezone.utc)
        left = finding.fate in _LEFT
        mark = (self.style.ERROR if left else self.style.SUCCESS)(f"{finding.fate.value:8}")
        self.stdout.write(f"{mark} {finding.entry.name}  {finding.entry.field}  {moment:%Y-%m-%d %H:%M} UTC")
        if finding.detail:
            self.stdout.write(f"         {finding.detail}")

    def _print_summary(self, counts: Counter[Fate]) -> None:
        text = _("%(orphans)d orphans, %(deleted)d deleted, %(kept)d in use, %(unknown)d unknown")
        self.stdout.write(
            text
            % {
                "orphans": counts[Fate.ORPHAN],
                "deleted": counts[Fate.DELETED],
                "kept": counts[Fate.IN_USE],
                "unknown": counts[Fate.UNKNOWN],
            }
        )
        if counts[Fate.ORPHAN]:
            self.stdout.write(_("Nothing was deleted; --delete deletes the orphans."))


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 <= hours <= 100_000:
        raise ValueError(text)
    return hours
