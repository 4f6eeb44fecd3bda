"""How the HTTP server serves: what mod_fastdfs.conf and http.conf say to fastdfs-nginx-module."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fdfs_storage.fastdfs.token import SECRET_BYTES


@dataclass(frozen=True)
class HttpOptions:
    """The options that a test wants to vary; a value that cannot be is a ValueError naming the remedy."""

    token_secret: str = field(default="", repr=False)
    """Not empty: a file is served to a URL with its anti-steal token only (PROTOCOL 9.1)."""
    token_ttl: int = 600
    """For how many seconds from its `ts` on a token is good."""
    token_fail: Path | None = None
    """Served with status 200 instead of a file whose token is wrong; without it the status is 400."""
    with_group: bool = True
    """Whether URLs begin with the group: `url_have_group_name`."""

    def __post_init__(self) -> None:
        if len(self.token_secret.encode("utf-8")) > SECRET_BYTES:
            raise ValueError(f"token_secret is longer than {SECRET_BYTES} bytes: take a shorter one")
        if type(self.token_ttl) is not int or self.token_ttl <= 0:
            raise ValueError(f"token_ttl must be a whole number of seconds, 1 or more: {self.token_ttl!r}")
        if self.token_fail is not None:
            self._check_token_fail(self.token_fail)

    def _check_token_fail(self, path: Path) -> None:
        if not self.token_secret:
            raise ValueError("token_fail is for wrong tokens: set token_secret too, or leave it out")
        if not path.is_file():
            raise ValueError(f"token_fail must be an existing file: {path}")


DEFAULTS = HttpOptions()
