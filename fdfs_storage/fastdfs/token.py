"""Anti-steal tokens of public URLs, as fastdfs-nginx-module checks them (PROTOCOL 9.1); pure, no clock.

`?token=<32 hex digits>&ts=<unix time>`: the token is the MD5 of the file name, a secret and the time, so
a URL is good for a while. It covers neither the group nor any other parameter, and it does not end where
the time is 0.
"""

from __future__ import annotations

import enum
import hashlib
import hmac

from .file_id import NAME_BYTES

_TOKEN_CHARACTERS = 32
# fdfs_http_shared.c, fdfs_http_gen_token: name, secret and 12 bytes for the time share one buffer.
_BUFFER_BYTES = 320
_TIME_BYTES = 12
_TIME_DIGITS = 18

SECRET_BYTES = _BUFFER_BYTES - _TIME_BYTES - NAME_BYTES
"""A secret of up to this many bytes serves every name that FastDFS can give; a longer one some."""


class TokenFault(enum.Enum):
    """Why a request is refused."""

    MISSING = "the token or the time is missing"
    MALFORMED = "the token has not 32 characters, or the time is no number"
    EXPIRED = "the token has expired"
    TOO_LONG = "name and secret are too long for the module"
    WRONG = "the token is not that of this file, time and secret"


def anti_steal_token(name: str, secret: str | bytes, timestamp: int) -> str:
    """Return the token of a file's URL, 32 lower-case hex digits.

    `name` is the file name without the group, `M00/…`, with or without a leading slash; `timestamp` the
    unix time that goes into `ts`. Never fails: what no FastDFS file is called gets a token too, which
    helps nobody.
    """
    digest = hashlib.md5(_covered(name, secret), usedforsecurity=False)  # the module's choice
    digest.update(b"%d" % timestamp)
    return digest.hexdigest()


def token_fault(
    name: str, secret: str | bytes, token: str | None, ts: str | None, *, ttl_seconds: int, now: int
) -> TokenFault | None:
    """Return what is wrong with a request's parameters, or None: the file may be served.

    In the module's order. A time of 0 never expires, and one in the future is as good as now's. Unlike
    there, what is not all digits is no time: the module reads `0x` and `zero` as 0.
    """
    if token is None or ts is None:
        return TokenFault.MISSING
    if len(token) != _TOKEN_CHARACTERS or not (ts.isascii() and ts.isdigit()) or len(ts) > _TIME_DIGITS:
        return TokenFault.MALFORMED
    timestamp = int(ts)
    if timestamp and now - timestamp > ttl_seconds:
        return TokenFault.EXPIRED
    if len(_covered(name, secret)) + _TIME_BYTES > _BUFFER_BYTES:
        return TokenFault.TOO_LONG
    right = anti_steal_token(name, secret, timestamp)
    return None if hmac.compare_digest(_bytes(token), right.encode("ascii")) else TokenFault.WRONG


def _covered(name: str, secret: str | bytes) -> bytes:
    return _bytes(name.removeprefix("/")) + (secret if isinstance(secret, bytes) else _bytes(secret))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # lone surrogates, which rows may hold
