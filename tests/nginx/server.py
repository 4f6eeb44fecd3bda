"""A real nginx, run from a folder of the test's own with one of the configurations that are shipped."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

CONF = Path(__file__).parents[2] / "conf"
_MAIN = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def shipped(name: str, replaced: Mapping[str, str]) -> str:
    """Return a configuration from conf/ with its places and addresses replaced; each must be in it."""
    text = (CONF / name).read_text()
    for old, new in replaced.items():
        assert old in text, f"{name} no longer has {old!r}"
        text = text.replace(old, new)
    return text


def _await(address: str) -> None:
    """Return when a worker answers: nginx loses a SIGTERM that comes while it is starting them."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(1)


@contextlib.contextmanager
def running(binary: str, folder: Path, site: str) -> Iterator[str]:
    """Run nginx with `site`, whose `listen 8888` becomes a free port; gives `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    user = "user root;" if os.geteuid() == 0 else ""  # the folders of tests are their user's only
    (folder / "site.conf").write_text(site.replace("listen 8888", f"listen {address}"))
    (folder / "nginx.conf").write_text(_MAIN.format(user=user, folder=folder))
    # It inherits the socket, as a new nginx does from an old one: the port is free, and open already.
    process = subprocess.Popen(
        [binary, "-p", f"{folder}/", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"],
        cwd=folder,
        env={**os.environ, "NGINX": f"{listener.fileno()};"},
        pass_fds=[listener.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    listener.close()
    try:
        try:
            _await(address)
        except OSError as error:
            raise AssertionError((folder / "error.log").read_text()) from error
        yield address
        assert process.poll() is None, (folder / "error.log").read_text()
    finally:
        process.terminate()
        process.wait(timeout=30)
