"""Secrets: a text, or what fetches one; shown nowhere, and carried in no pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from fdfs_storage.fastdfs.token import SECRET_BYTES


class SecretLostError(ImproperlyConfigured):
    """A secret from OPTIONS was asked of a storage that came out of a pickle, where it does not go."""


class Secret:
    """A secret; calling it gives its bytes, for a function by calling that each time."""

    def __init__(self, source: str | Callable[[], str | bytes]) -> None:
        """Raise ValueError for a text that cannot be one; a function's is judged when it is called."""
        self._source = source if callable(source) else _usable(source)

    def __call__(self) -> bytes:
        """Return the secret; raise ImproperlyConfigured for a function's that cannot be one."""
        if not callable(self._source):
            return self._source
        try:
            return _usable(self._source())
        except ValueError as error:
            raise ImproperlyConfigured(f"the function in token_secret gave what {error}") from None

    def __repr__(self) -> str:
        return "<a secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    @property
    def known(self) -> bytes | None:
        """The secret where it is written down; None for a function's, which is not called for this."""
        return None if callable(self._source) else self._source


def lost() -> NoReturn:
    """Stand in a pickled storage for the secret that it was given."""
    raise SecretLostError(
        "a secret given in OPTIONS goes into no pickle: take the storage from "
        'django.core.files.storage.storages["…"] where it is used, or set FDFS_TOKEN_SECRET instead'
    )


def _usable(text: str | bytes) -> bytes:
    """Return the secret as the module reads it from its file; no message shows it."""
    if not isinstance(text, (str, bytes)):
        raise ValueError("must be a text, or a function that returns one")  # noqa: TRY004
    if not text:
        raise ValueError("must not be empty")
    if text != text.strip():
        raise ValueError("starts or ends with white space, which FastDFS's own configuration cannot hold")
    try:
        # What is no UTF-8 in a client.conf comes as surrogate escapes.
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can hold") from None
    if len(raw) > SECRET_BYTES:
        raise ValueError(f"must have at most {SECRET_BYTES} bytes, or the web server refuses every token")
    return raw
