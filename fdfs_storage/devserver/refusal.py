"""How the embedded servers say no: a status instead of an answer."""

from __future__ import annotations

import errno

from fdfs_storage.fastdfs.errors import EEXIST, EINVAL, EIO, ENOENT, ENOSPC, ProtocolError

EACCES = 13
"""A command of storages, from a connection that joined as none."""
EOPNOTSUPP = 95
"""What is asked for is switched off, or another tracker's business."""
ECONNREFUSED = 111
"""The server that would know is stopped."""


class RefusedError(Exception):
    """The request is answered with this status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


# This machine's errno on the left, FastDFS's (Linux's) on the right.
_OF_ERRNO = {errno.ENOENT: ENOENT, errno.EEXIST: EEXIST, errno.ENOSPC: ENOSPC, errno.EDQUOT: ENOSPC}


def status_of(error: Exception) -> int:
    """Return the status for what went wrong: bad bytes are the client's fault, a bad disk is ours."""
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, ProtocolError):
        return EINVAL
    return _OF_ERRNO.get(getattr(error, "errno", None) or 0, EIO)
