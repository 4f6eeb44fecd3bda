from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from demo_site.demo.account import Account, admin_account, changing_password
from demo_site.demo.cluster import files_in
from demo_site.demo.folder import claimed, keep_database_in
from demo_site.demo.seeding import missing, seed
from demo_site.demo.serving import ended_by_signals, reserved, serve
from demo_site.settings import DEMO_DATABASE
from fdfs_storage.fastdfs.errors import FastDFSError


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(_("not a port: %(text)s") % {"text": text})
    return int(text)


class Command(BaseCommand):
    help = gettext_noop(
        "Serve a gallery whose files are in FastDFS: an embedded one, or the one that FDFS_TRACKERS names."
    )
    # They run in handle(), once the settings name a cluster.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--port",
            type=port_number,
            default=8000,
            help=_("the port on 127.0.0.1; 0 takes any free one (default: %(default)s)"),
        )
        parser.add_argument(
            "--data",
            type=Path,
            default=DEMO_DATABASE.parent,
            metavar="DIR",
            help=_("where files, database and password are kept between runs"),
        )

    def handle(self, *, port: int, data: Path, **options: Any) -> None:
        folder = data.resolve()
        with ended_by_signals(), reserved(port) as server, claimed(folder):
            self.run(server, folder)
        self.say("", _("Stopped. The data stays in %(folder)s.") % {"folder": folder})

    def run(self, server: ThreadedWSGIServer, folder: Path) -> None:
        with files_in(folder / "fastdfs") as notes:
            keep_database_in(folder)
            self.check()
            call_command("migrate", verbosity=0, interactive=False)
            account = admin_account(folder / "admin-password.txt")
            self.plant()
            self.welcome(server, account, folder, notes)
            serve(server)

    def plant(self) -> None:
        if not missing():
            return
        self.say(_("Painting the sample photos and putting them into FastDFS."))
        try:
            seed()
        except FastDFSError as error:
            raise CommandError(
                _("FastDFS did not take the samples: %(reason)s") % {"reason": error}
            ) from error

    def welcome(self, server: ThreadedWSGIServer, account: Account, folder: Path, notes: list[str]) -> None:
        site = f"http://127.0.0.1:{server.server_port}/"
        self.say(
            *notes,
            "",
            _("Gallery: %(url)s") % {"url": site},
            _("Admin: %(url)s") % {"url": f"{site}admin/"},
            *self.credentials(account),
            _("FastDFS: tracker %(trackers)s, files at %(url)s")
            % {"trackers": ", ".join(settings.FDFS_TRACKERS), "url": settings.FDFS_BASE_URL},
            _("Data: %(folder)s") % {"folder": folder},
            _("Ctrl-C stops."),
            "",
        )

    def credentials(self, account: Account) -> list[str]:
        # Scripts read these two lines: their first words are the same in every language.
        username = f"username: {account.username}"
        if account.password:
            return [username, f"password: {account.password}"]
        changed = _("Its password was changed since, and is left as it is; a new one: %(command)s")
        return [username, changed % {"command": changing_password()}]

    def say(self, *lines: str) -> None:
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
