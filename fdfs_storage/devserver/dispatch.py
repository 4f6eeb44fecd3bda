"""What storage and tracker have in common: a table of commands, and a status for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from fdfs_storage.fastdfs.errors import EINVAL, ProtocolError

from .refusal import RefusedError, status_of
from .replies import Reply, Request

BUFFER_BYTES = 262144
"""Both daemons' default buff_size: what a tracker takes in all, what a storage takes before it decides."""
VERSION = "6.16.1"
Subject = TypeVar("Subject")
Outcome = TypeVar("Outcome")


class Load(NamedTuple):
    """A server's connections: now, and at most."""

    current: int = 0
    peak: int = 0


def begin(
    subject: Subject, table: Mapping[int, Callable[[Subject, Request], Outcome]], request: Request
) -> Outcome | Reply:
    """Look the command up and run it; whatever goes wrong in it becomes a status."""
    command = table.get(request.header.command)
    try:
        return command(subject, request) if command else Reply(EINVAL)
    except (RefusedError, ProtocolError, OSError) as error:
        return Reply(status_of(error))


def active_test(_subject: object, request: Request) -> Reply:
    if request.body:
        raise RefusedError(EINVAL)
    return Reply()
