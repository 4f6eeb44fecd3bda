"""What nginx with fastdfs-nginx-module does for the files of a storage (PROTOCOL, section 9).

GET and HEAD of `/<group>/Mxx/HH/HH/<name>`. Where the module errs, RFC 9110 decides: `bytes=0-0` is one
byte, a range is only for GET, and a file's metadata is not public.
"""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote_to_bytes

from fdfs_storage.fastdfs.errors import ENOENT
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, NORMAL_NAME_BYTES

from .names import METADATA_SUFFIX, FileFacts
from .refusal import RefusedError
from .replies import Content
from .server import Server, logger
from .sockets import Connection, LoopThread
from .volume import Volume

_HEAD_BYTES = 16384
_HEADERS = 100
_URL_BYTES = range(16, 511)
_LINGER_BYTES = 65536
# After these nginx closes the connection.
_LAST = {HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}

_REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)")
_RANGE = re.compile(r"(\d*)-(\d*)")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")

_TYPES = mimetypes.MimeTypes()  # Python's own table: the machine's would make tests differ
for _type, _suffix in (("image/webp", ".webp"), ("image/avif", ".avif"), ("image/jpeg", ".jpg")):
    _TYPES.add_type(_type, _suffix)
_PACKED_TYPES = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_DEFAULT_TYPE = "application/octet-stream"


class HttpError(Exception):
    """The request is answered with this status."""

    def __init__(self, status: HTTPStatus, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HttpRequest(NamedTuple):
    """A request's head; header names are in lower case."""

    method: str
    target: str
    version: int
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, head: bytes) -> HttpRequest:
        """Read a head with its final empty line; raise HttpError where it is none that nginx would take."""
        first, *lines = head[:-4].split(b"\r\n")
        line = _REQUEST_LINE.fullmatch(first)
        if not line or len(lines) > _HEADERS:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        headers = {}
        for match in map(_HEADER.fullmatch, lines):
            if not match:
                raise HttpError(HTTPStatus.BAD_REQUEST)
            headers[match[1].decode("ascii").lower()] = match[2].strip(b" \t").decode("latin-1")
        return cls(line[1].decode("ascii"), line[2].decode("ascii"), int(line[3]), headers)

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def keeps_alive(self) -> bool:
        connection = self.headers.get("connection", "").lower()
        return self.version == 1 and "close" not in connection and not self.has_body


@dataclass
class HttpResponse:
    """A status, headers, and a body: text, or part of a file."""

    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)
    text: bytes = b""
    content: Content | None = None

    @classmethod
    def of(cls, error: HttpError) -> HttpResponse:
        text = f"{error.status.value} {error.status.phrase}\n".encode("ascii")
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))}
        return cls(error.status, headers | error.headers, text)

    def close(self) -> None:
        if self.content:
            self.content.close()

    def head(self, *, keeps_alive: bool) -> bytes:
        fixed = {
            "Server": "fdfs_storage",
            "Date": formatdate(time.time(), usegmt=True),
            "X-Content-Type-Options": "nosniff",
            "Connection": "keep-alive" if keeps_alive else "close",
        }
        lines = [f"{name}: {value}" for name, value in (fixed | self.headers).items()]
        first = f"HTTP/1.1 {self.status.value} {self.status.phrase}"
        return ("\r\n".join([first, *lines]) + "\r\n\r\n").encode("latin-1")


def respond(volume: Volume, head: bytes) -> tuple[HttpRequest | None, HttpResponse]:
    """Answer a request's head; never raises. The request is None where there was no sense in the head."""
    request = None
    try:
        request = HttpRequest.parse(head)
        return request, _serve(volume, request)
    except HttpError as error:
        return request, HttpResponse.of(error)
    except FileNotFoundError:  # removed since it was found
        return request, HttpResponse.of(HttpError(HTTPStatus.NOT_FOUND))
    except OSError:
        return request, HttpResponse.of(HttpError(HTTPStatus.INTERNAL_SERVER_ERROR))


def _serve(volume: Volume, request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
    if request.has_body or (request.version == 1 and "host" not in request.headers):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if len(request.target) not in _URL_BYTES:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    url, _, query = request.target.partition("?")
    return _file_response(request, _locate(volume, unquote_to_bytes(url)), query)


def _locate(volume: Volume, url: bytes) -> FileFacts:
    """Find the file with the module's checks, in its order."""
    group, _, name = url[1:].partition(b"/")
    if len(name) < NORMAL_NAME_BYTES or b"\0" in name or not 0 < len(group) <= GROUP_BYTES:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if group != volume.group.encode("ascii"):
        raise HttpError(HTTPStatus.NOT_FOUND)
    if name.endswith(METADATA_SUFFIX.encode("ascii")):  # the module serves it (PROTOCOL 9): not so here
        raise HttpError(HTTPStatus.NOT_FOUND)
    try:
        return FileFacts.of(volume.find(name), name)
    except RefusedError as error:
        missing = error.status == ENOENT
        raise HttpError(HTTPStatus.NOT_FOUND if missing else HTTPStatus.BAD_REQUEST) from error


def _file_response(request: HttpRequest, facts: FileFacts, query: str) -> HttpResponse:
    modified = formatdate(facts.created or facts.modified, usegmt=True)
    headers = {"Last-Modified": modified, "Accept-Ranges": "bytes", **_disposition(query)}
    if request.headers.get("if-modified-since") == modified:  # as text, as the module does
        return HttpResponse(HTTPStatus.NOT_MODIFIED, headers)
    part = None
    if request.method == "GET" and request.headers.get("if-range", modified) == modified:
        part = byte_range(request.headers.get("range", ""), facts.size)
    start, count = part or (0, facts.size)
    headers |= {"Content-Type": content_type(facts.path.name), "Content-Length": str(count)}
    if part:
        headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{facts.size}"
    status = HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK
    return HttpResponse(status, headers, content=Content(facts.path, start, count))


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and count of the one range asked for; None: the whole file is the answer.

    Raises HttpError 416 for a range that the file does not have. Several ranges get the whole file,
    which RFC 9110 allows.
    """
    unit, equals, ranges = header.partition("=")
    if not equals or unit.strip().lower() != "bytes" or "," in ranges:
        return None
    match = _RANGE.fullmatch(ranges.strip())
    first, last = match.groups() if match else ("", "")
    if first:
        start, end = int(first), int(last or size)
    else:
        start, end = size - int(last or 0), size
    start, end = max(start, 0), min(end, size - 1)
    if start > end:
        raise HttpError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Content_Range=f"bytes */{size}")
    return start, end - start + 1


def content_type(name: str) -> str:
    """Guess by the extension, as nginx does; what is packed is called by its packing."""
    kind, packing = _TYPES.guess_type(name.rpartition("/")[2], strict=False)
    if packing:
        return _PACKED_TYPES.get(packing, _DEFAULT_TYPE)
    return kind or _DEFAULT_TYPE


def _disposition(query: str) -> dict[str, str]:
    """Offer the file under another name, `?filename=`; safe for a header, whatever was asked for."""
    wanted = parse_qs(query, errors="replace").get("filename")
    if not wanted:
        return {}
    name = re.sub(r"[\x00-\x1f\x7f-\x9f]", "_", wanted[0])
    value = f'attachment; filename="{_UNSAFE.sub("_", name)}"'
    if not name.isascii():  # RFC 5987
        value += f"; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": value}


class HttpServer(Server):
    """Serves a volume over HTTP/1.1; a connection stays open for one request after the other."""

    def __init__(self, volume: Volume, loop: LoopThread, host: str, port: int, timeout: float) -> None:
        super().__init__("HTTP server", loop, host, port, timeout)
        self._volume = volume

    async def serve(self, connection: Connection) -> None:
        keeps_alive = True
        while keeps_alive:
            request, response = await self._respond(connection)
            keeps_alive = request is not None and request.keeps_alive and response.status not in _LAST
            try:
                await _send(connection, request, response, keeps_alive=keeps_alive)
            finally:
                response.close()
            line = f"{request.method} {request.target}" if request else "-"
            logger.info("http %s %s: %d", connection.peer, line, response.status)
        if request is None or request.has_body:
            await connection.linger(_LINGER_BYTES)

    async def _respond(self, connection: Connection) -> tuple[HttpRequest | None, HttpResponse]:
        try:
            head = await connection.read_until(b"\r\n\r\n", _HEAD_BYTES)
        except ValueError:
            return None, HttpResponse.of(HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        return respond(self._volume, head)


async def _send(
    connection: Connection, request: HttpRequest | None, response: HttpResponse, *, keeps_alive: bool
) -> None:
    head = response.head(keeps_alive=keeps_alive)
    if request and request.method == "HEAD":
        await connection.send(head)
    elif response.content:
        await connection.send_content(head, response.content)
    else:
        await connection.send(head + response.text)
