"""A PostgreSQL of the tests' own, and a line to it that breaks at COMMIT."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
USER = "fdfs"


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, which Debian does not put into PATH."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def server(programs: Path) -> Iterator[Path]:
    """Run a PostgreSQL on a Unix socket only; give the folder of the socket."""
    with tempfile.TemporaryDirectory(prefix="fdfs-pg-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        as_user = {}
        if os.getuid() == 0:  # which PostgreSQL refuses
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

        def run(*command: object) -> None:
            subprocess.run(
                [str(part) for part in command], check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user
            )

        data = folder / "data"
        run(programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c unix_socket_permissions=0777"
        run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


class Line:
    """Stands between Django and PostgreSQL. Once cut, the next COMMIT is the last that passes.

    `lose`: PostgreSQL carries it out, the answer is lost. `hold`: the client is hung up on, and
    PostgreSQL gets the COMMIT when `deliver` is called.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self.how: str | None = None
        self._target = str(target / SOCKET)
        self._late = threading.Event()
        self._delivered = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def deliver(self) -> None:
        self._late.set()
        assert self._delivered.wait(10)

    def close(self) -> None:
        self._late.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._target)
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client and self.how and b"COMMIT" in data:
                        self._cut(client, server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        if self.how == "hold":
            client.shutdown(socket.SHUT_RDWR)
            self._late.wait(30)
        server.sendall(data)
        server.recv(65536)  # so it is done
        self._delivered.set()
