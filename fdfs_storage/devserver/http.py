"""HTTP as nginx with fastdfs-nginx-module 1.27 serves it (PROTOCOL, section 9).

GET and HEAD of `/<group>/Mxx/HH/HH/<name>`: the same statuses, headers and bodies, with and without
tokens, but for what the module does wrong or what is not safe:

- `bytes=0-0` is one byte and `bytes=-0` none (416); the module sends the whole file.
- Only `bytes` is a unit of ranges, and only GET has ranges; the module reads `lines=2-4` as bytes, and
  answers HEAD with 206.
- If-Range counts, and so does an If-None-Match beside If-Modified-Since; the module ignores both.
- A file that is gone is 404; to an If-Modified-Since with the time in its name the module says 304.
- Metadata (`<name>-m`) is not public; the module serves it like a file.
- What is not here is asked of the cluster's own storages; the module connects to whichever address a
  name spells.
- A download name cannot end its header or begin another, and has its characters beyond ASCII in
  `filename*`; the module copies it in raw.
- `ts` has to be a number, and may lie beyond 2038; the module reads any text as a 32-bit one.
- No cache keeps the picture for wrong tokens; the module dates it 1970.
- A path of more than 127 characters is 400; the module cuts it off and looks for what remains.
- A body in a GET is 400; nginx skips it. Content is never to be sniffed (`nosniff`).
- `start` and `end` of Flash videos, and the header that makes the module skip the token, have no effect.
"""

from __future__ import annotations

import asyncio
import resource
import time
from http import HTTPStatus

from .http_options import DEFAULTS, HttpOptions
from .http_request import HttpError, HttpRequest
from .http_response import HttpResponse
from .http_site import Elsewhere, Site
from .http_url import without_token
from .server import Server, logger
from .sockets import Connection, LoopThread
from .volume import Volume

_HEAD_BYTES = 16384
_LINGER_BYTES = 65536
_MOST_IDLE = 16384
# After these nginx closes the connection.
_LAST = {HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}
_TOO_LARGE = HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


class HttpServer(Server):
    """Serves a volume over HTTP/1.1; a connection stays open for one request after the other.

    `elsewhere` is asked, on the server's thread, for well-formed names that the volume does not hold. Its
    refusal becomes 404 (ENOENT), 400 (EINVAL) or 502.
    """

    idle_limit: int
    """So many connections may wait for a request; one more ends the one that waits longest, as nginx does.

    Half of the descriptors that the process may have: the rest is for requests and the other servers.
    """

    def __init__(
        self,
        volume: Volume,
        loop: LoopThread,
        host: str,
        port: int,
        timeout: float,
        options: HttpOptions = DEFAULTS,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        super().__init__("HTTP server", loop, host, port, timeout)
        self._site = Site(volume, options, elsewhere)
        self._idle: dict[Connection, None] = {}  # a set that keeps its order
        self.idle_limit = _idle_limit()

    async def serve(self, connection: Connection) -> None:
        keeps_alive = True
        while keeps_alive:
            head = await self._next_head(connection)
            started = time.perf_counter()
            request, response = self._site.respond(head) if head else (None, HttpResponse.of(_TOO_LARGE))
            keeps_alive = request is not None and request.keeps_alive and response.status not in _LAST
            try:
                await _send(connection, request, response, keeps_alive=keeps_alive)
            finally:
                response.close()
            _log(connection, request, response, time.perf_counter() - started)
        if request is None or request.has_body:
            await connection.linger(_LINGER_BYTES)

    async def _next_head(self, connection: Connection) -> bytes | None:
        """Return the head of the next request, or None where it is too long."""
        self._idle[connection] = None
        if len(self._idle) > self.idle_limit:
            longest = next(iter(self._idle))
            del self._idle[longest]
            if longest.task:
                longest.task.cancel()
        try:
            return await connection.read_until(b"\r\n\r\n", _HEAD_BYTES)
        except ValueError:
            return None
        finally:
            self._idle.pop(connection, None)


async def _send(
    connection: Connection, request: HttpRequest | None, response: HttpResponse, *, keeps_alive: bool
) -> None:
    unsent = response.head(keeps_alive=keeps_alive)
    if request is None or request.method != "HEAD":
        for lead, content in response.parts:
            await connection.send_content(unsent + lead, content)
            unsent = b""
        unsent += response.text
    if unsent:
        await connection.send(unsent)
        await asyncio.sleep(0)  # who sends one request behind the other must not starve the others


def _log(connection: Connection, request: HttpRequest | None, response: HttpResponse, seconds: float) -> None:
    line = f"{request.method} {without_token(request.target)}" if request else "-"
    sent = sum(content.sent for _, content in response.parts)
    facts = (connection.peer, line, response.status, sent, seconds * 1000)
    logger.info("http %s %s: status %d, %d bytes, %.1f ms", *facts)


def _idle_limit() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_IDLE if descriptors == resource.RLIM_INFINITY else min(descriptors // 2, _MOST_IDLE)
