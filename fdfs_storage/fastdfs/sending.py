"""Exchanges: a request without a file, and one with a file behind it."""

from __future__ import annotations

import logging

from .connection import Connection
from .deadline import Deadline
from .errors import EINVAL, ENOENT, ConnectionLostError, InvalidArgumentError, NetworkError, refusal
from .file_id import FileId
from .protocol import pack_extension
from .servers import Operation
from .source import Checksum, Source

logger = logging.getLogger(__name__)


def require_extension(extension: str) -> None:
    """Raise InvalidArgumentError for an extension that an upload cannot have."""
    if extension.startswith("."):  # storages take it, and put two dots into the name
        raise InvalidArgumentError(f"give the extension without its dot: {extension[1:]!r}")
    pack_extension(extension)


def exchange(connection: Connection, packet: bytes, deadline: Deadline) -> tuple[int, bytes]:
    """Send a request without a file; return its reply's status, whatever that is, and body."""
    connection.send(packet, deadline)
    status, body = connection.receive_reply(deadline)
    if status == EINVAL:
        connection.close()  # a storage closes after this status (PROTOCOL 1.2)
    return status, body


def asking(packet: bytes, file_id: FileId | None = None) -> Operation[bytes]:
    """Make an operation of a request without a file: it returns the reply's body, or raises the refusal."""

    def operation(connection: Connection, deadline: Deadline) -> bytes:
        status, body = exchange(connection, packet, deadline)
        if status:
            raise refusal(status, str(file_id) if file_id else None, str(connection.address))
        return body

    return operation


def sending(
    packet: bytes,
    source: Source,
    checksum: Checksum | None = None,
    file_id: FileId | None = None,
    *,
    orphan_at_worst: bool = False,
) -> Operation[bytes]:
    """Make an operation of a request with content: it returns the reply's body, or raises the refusal.

    Marks as retriable what the storage cannot have carried out: it drops a body that it did not get
    whole (PROTOCOL 5.2), and a refusal is just that. `orphan_at_worst`: what happens twice leaves a
    file that nobody gets to know. An append would double the content, a slave stand in its own way.
    """

    def operation(connection: Connection, deadline: Deadline) -> bytes:
        try:
            source.send(packet, connection, deadline, checksum)
        except NetworkError as error:
            error.retriable = source.rewindable
            raise
        if checksum:
            checksum.foresee(source.size)
        try:
            status, body = connection.receive_reply(deadline)
        except ConnectionLostError as error:
            error.retriable = orphan_at_worst and source.rewindable and _was_closing(error)
            raise
        if status:
            # Behind a refused body, the rest of it may be read as a request (PROTOCOL 1.2).
            connection.close()
            refused = refusal(status, str(file_id) if file_id else None, str(connection.address))
            refused.retriable = source.rewindable
            raise refused
        return body

    return operation


def _was_closing(error: ConnectionLostError) -> bool:
    """Say whether an idle connection was just being closed: most likely the storage read nothing then."""
    if not (error.unanswered and error.reused):
        return False
    logger.warning(
        "an upload met a connection that was being closed, is repeated, and may leave an orphan: %s", error
    )
    return True


def missing_if_invalid(status: int, file_id: FileId, connection: Connection) -> Exception:
    """To a well-formed question "invalid" says that the storage cannot have such a name: no such path."""
    return refusal(ENOENT if status == EINVAL else status, str(file_id), str(connection.address))
