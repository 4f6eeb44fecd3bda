"""What can go wrong, and who is to blame.

`retriable` says that the failed operation cannot have happened already: to do it again cannot do
it twice. It is a property of the class where it always holds, and is set on the instance where
only the place of the failure tells (an upload that broke off before its last byte was sent).
"""

from __future__ import annotations

from collections.abc import Mapping

# Status values are Linux errno numbers on every platform (PROTOCOL, "Status values"), so they are
# written out: the `errno` module of another platform may number them differently.
ENOENT = 2
EIO = 5
EBUSY = 16
EEXIST = 17
EISDIR = 21
EINVAL = 22
ENOSPC = 28

_REASONS = {
    ENOENT: "no such file, group or server",
    EIO: "the server could not read or write its disk",
    13: "permission denied",
    EBUSY: "busy",
    EEXIST: "already exists",
    EISDIR: "is a directory",
    EINVAL: "the server calls the request invalid",
    ENOSPC: "no space left on the server",
    95: "not supported by this server",
    114: "already done",
}


class FastDFSError(Exception):
    """The base of every error that this package raises."""

    retriable: bool = False


class InvalidArgumentError(FastDFSError, ValueError):
    """The caller asked for something that FastDFS cannot take; nothing was sent."""


class InvalidFileIdError(InvalidArgumentError):
    """The text is not a FastDFS file id; nothing was sent."""


class UnsupportedOperationError(FastDFSError, NotImplementedError):
    """The engine in use cannot do it at all; nothing was sent, and the message names the one that can."""


class ProtocolError(FastDFSError):
    """The peer spoke nonsense; the connection was dropped."""


class NetworkError(FastDFSError):
    """The wire failed; the OSError, where there was one, is the `__cause__`."""


class ConnectError(NetworkError):
    """No connection came to be, so nothing was sent."""

    retriable = True


class ConnectionLostError(NetworkError):
    """The connection ended before the reply: the outcome of the operation is unknown."""

    unanswered: bool = False
    """Whether not even the first byte of a reply came."""
    reused: bool = False
    """Whether the connection had stood idle before, so that it may have been dead already."""


class DeadlineExceededError(NetworkError, TimeoutError):
    """The time for the operation ran out; its outcome is unknown."""


class PoolTimeoutError(NetworkError, TimeoutError):
    """Every connection to the server stayed busy until the deadline; nothing was sent."""

    retriable = True


class IntegrityError(FastDFSError):
    """A file is not what its id says, or not what was stored; the message names the id."""


class NoServerError(FastDFSError):
    """No server could do it; `attempts` maps each peer that was tried to its error."""

    def __init__(self, what: str, attempts: Mapping[str, FastDFSError] | None = None) -> None:
        super().__init__(what, dict(attempts or {}))

    @property
    def attempts(self) -> dict[str, FastDFSError]:
        attempts: dict[str, FastDFSError] = self.args[1]
        return attempts

    def __str__(self) -> str:
        tried = "; ".join(f"{peer}: {error}" for peer, error in self.attempts.items())
        return f"{self.args[0]} ({tried})" if tried else str(self.args[0])


class ServerError(FastDFSError):
    """A server refused: `status` is its errno, `peer` the server, `file_id` the file if one was named."""

    status: int
    file_id: str | None
    peer: str | None = None

    def __init__(self, status: int, reason: str, file_id: str | None = None) -> None:
        super().__init__(status, reason, file_id)
        self.status = status
        self.file_id = file_id

    def __str__(self) -> str:
        return "".join(
            (
                f"{self.args[1]} (status {self.status}",
                f" from {self.peer}" if self.peer else "",
                f"): {self.file_id}" if self.file_id else ")",
            )
        )


class FileMissingError(ServerError, FileNotFoundError):
    """The cluster says that there is no such file."""


class FileTakenError(ServerError, FileExistsError):
    """The name is taken already (slave files only: other names are the server's choice)."""


class NoSpaceError(ServerError):
    """No storage of the group has room for the file."""


class InvalidRequestError(ServerError):
    """The server calls the request invalid."""


class ServerBusyError(ServerError):
    """The server cannot do it just now, and did nothing."""

    retriable = True


_REFUSALS: dict[int, type[ServerError]] = {
    ENOENT: FileMissingError,
    EBUSY: ServerBusyError,
    EEXIST: FileTakenError,
    EINVAL: InvalidRequestError,
    ENOSPC: NoSpaceError,
}


def refusal(status: int, file_id: str | None = None, peer: str | None = None) -> ServerError:
    """Return the error for a reply's status, of the class that callers catch for it."""
    kind = _REFUSALS.get(status, ServerError)
    if kind is FileMissingError and file_id is None:
        kind = ServerError  # a group or server is unknown: no file is missing
    error = kind(status, _REASONS.get(status, "the server refused"), file_id)
    error.peer = peer
    return error
