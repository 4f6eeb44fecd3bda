"""`manage.py fdfs_check`: prints what `health` finds."""

from __future__ import annotations

import json
from typing import Any

from django.conf import DEFAULT_STORAGE_ALIAS
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from fdfs_storage import health
from fdfs_storage.storage import FastDFSStorage


class Command(BaseCommand):
    help = gettext_noop(
        "Check each FastDFS tracker, each storage and the base URL with a probe file that is removed again. "
        "Exit code: 0 healthy, 1 degraded (a server is down, but all works), 2 unusable."
    )
    # It must also run, and say what is wrong, where the settings do not pass the system checks.
    requires_system_checks: list[str] = []  # noqa: RUF012  # Django's attribute

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("--json", action="store_true", help=_("print the report as one JSON object"))
        parser.add_argument(
            "--storage",
            default=DEFAULT_STORAGE_ALIAS,
            metavar="ALIAS",
            help=_("the storage in STORAGES to check (default: %(default)s)"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            storage = _storage(options["storage"])
            examination = health.examine(storage.client, storage.options)
        except (ImproperlyConfigured, InvalidStorageError, KeyError) as error:
            if options["json"]:
                self.stdout.write(json.dumps({"status": "unusable", "error": str(error)}, ensure_ascii=False))
            raise CommandError(str(error), returncode=health.Verdict.UNUSABLE) from error
        findings = []
        for finding in examination:
            findings.append(finding)
            if not options["json"]:
                self._print(finding)
        verdict = health.verdict(findings)
        self._print_json(verdict, findings) if options["json"] else self._print_verdict(verdict)
        if verdict:
            raise SystemExit(int(verdict))

    def _print(self, finding: health.Finding) -> None:
        mark = self.style.SUCCESS("ok  ") if finding.good else self.style.ERROR("FAIL")
        self.stdout.write(f"{mark} {finding.subject.value:8} {finding.name}  {finding.detail}")
        if finding.remedy:
            self.stdout.write(f"     -> {finding.remedy}")

    def _print_verdict(self, verdict: health.Verdict) -> None:
        texts = {
            health.Verdict.HEALTHY: _("healthy: everything works"),
            health.Verdict.DEGRADED: _("degraded: files can be stored and read, but a server is down"),
            health.Verdict.UNUSABLE: _("unusable: see the lines marked FAIL"),
        }
        style = self.style.ERROR if verdict else self.style.SUCCESS
        self.stdout.write(style(texts[verdict]))

    def _print_json(self, verdict: health.Verdict, findings: list[health.Finding]) -> None:
        report = {
            "status": verdict.name.lower(),
            "findings": [{**vars(finding), "subject": finding.subject.value} for finding in findings],
        }
        self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))


def _storage(alias: str) -> FastDFSStorage:
    storage = storages[alias]
    if not isinstance(storage, FastDFSStorage):
        raise CommandError(
            _("STORAGES[%(alias)r] is a %(kind)s, not a FastDFSStorage; name another one with --storage.")
            % {"alias": alias, "kind": type(storage).__name__},
            returncode=health.Verdict.UNUSABLE,
        )
    return storage
