"""Files of a cluster, and what an HTTP server answers about them, without what is the server's own."""

from __future__ import annotations

import email
from collections.abc import Mapping
from typing import Any, NamedTuple

from fdfs_storage.fastdfs import Client
from tests.devserver.browser import Browser, Reply

CONTENT = b"0123456789"
LARGE = bytes(range(256)) * 2000
_TOLD = ("Content-Type", "Content-Length", "Content-Range", "Last-Modified", "Location")


class Files(NamedTuple):
    """URLs of files, as paths."""

    text: str
    picture: str
    large: str
    empty: str
    bare: str
    appender: str
    slave: str
    gone: str


def stored(client: Client) -> Files:
    text = client.upload(CONTENT, "txt")
    gone = client.upload(b"gone", "txt")
    client.delete(gone)
    ids = [
        text,
        client.upload(CONTENT * 2, "jpg"),
        client.upload(LARGE, "pdf"),
        client.upload(b"", "png"),
        client.upload(CONTENT, ""),
        client.upload_appender(CONTENT, "log"),
        client.upload_slave(text, "_big", b"slave", "gif"),
        gone,
    ]
    return Files(*(f"/{each}" for each in ids))


class Answer(NamedTuple):
    """What two servers should say alike."""

    status: int
    headers: dict[str, str]
    body: Any


def ask(address: str, url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Ask on a connection of its own; several ranges come as a list, errors without a body."""
    browser = Browser(address)
    try:
        reply = browser.get(url, method, **(headers or {}))
    finally:
        browser.close()
    told = {name: reply.headers[name] for name in _TOLD if name in reply.headers}
    if reply.status >= 300:
        return Answer(reply.status, {}, b"")
    if told["Content-Type"].startswith("multipart/byteranges"):
        del told["Content-Type"], told["Content-Length"]
        return Answer(reply.status, told, parts_of(reply))
    return Answer(reply.status, told, reply.body)


def parts_of(reply: Reply) -> list[tuple[str, str, Any]]:
    """Read a multipart body: range, type and content of each part."""
    head = f"Content-Type: {reply.headers['Content-Type']}\n\n".encode()
    parts = list(email.message_from_bytes(head + reply.body).walk())[1:]
    return [(part["Content-Range"], part["Content-Type"], part.get_payload(decode=True)) for part in parts]
