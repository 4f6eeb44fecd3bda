"""What there is to choose, with every default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fdfs_storage.fastdfs import Limits
from fdfs_storage.fastdfs.file_id import GROUP_BYTES, NORMAL_NAME_BYTES
from fdfs_storage.fastdfs.links import Links

from .secret import Secret

ENGINES = ("fastdfs", "fdfs-client-py3")
_LIMITS = Limits()


@dataclass(frozen=True)
class Options:
    """What a FastDFSStorage is told, validated."""

    trackers: tuple[str, ...] = ()
    """`host:port` of each tracker; they are tried in turn."""
    base_url: str = ""
    """What stands before a file id in its public URL; without a trailing slash."""
    base_urls: Mapping[str, str] = field(default_factory=dict)
    """The same for single groups, by their names; they win over base_url."""
    url_with_group: bool = True
    """Whether URLs name the group, as the web server's url_have_group_name has it."""
    token_secret: Secret | None = field(default=None, repr=False)
    """The web server's http.anti_steal.secret_key; None for URLs without a token."""
    token_ttl: int = 600
    """Seconds for which the web server takes a token (its token_ttl); 600 is its own default.

    Less than the server has makes URLs that live longer than asked for; more, URLs that it refuses.
    """
    token_window: int = 300
    """Seconds for which one file's URL stays the same, so that caches hit; 0 makes a new one each second."""
    x_accel: str = ""
    """The internal location of the nginx in front of Django that leads to the storages' web servers.

    Private files are handed over to it, without a trailing slash; empty: Django streams them itself.
    """
    group: str | None = None
    """Uploads go to this group only; None lets the tracker choose."""
    connect_timeout: float = _LIMITS.connect_timeout
    """Seconds to wait for a connection to one server."""
    network_timeout: float = _LIMITS.network_timeout
    """Seconds of silence after which a transfer gives up on a server."""
    pool_size: int = _LIMITS.pool_size
    """Connections to each server, per process."""
    placement_ttl: float = _LIMITS.placement_ttl
    """Seconds for which a tracker's choice of storages for new files holds; 0 asks for each upload."""
    verify: bool = True
    """Whether the size and CRC32 in each new id are compared with what was sent."""
    storage_address_map: Mapping[str, str] = field(default_factory=dict)
    """Where storages really are, when trackers name a container's or NAT's inner address."""
    client_conf: Path | None = None
    """FastDFS's own client.conf: what it says holds where nothing else says it."""
    client: str = ENGINES[0]
    """What speaks to the servers: our own client, or the published package of that name."""

    @property
    def limits(self) -> Limits:
        return Limits(self.connect_timeout, self.network_timeout, self.pool_size, self.placement_ttl)

    @property
    def links(self) -> Links:
        """What makes public URLs of names."""
        return Links(
            base_url=self.base_url,
            base_urls=self.base_urls,
            with_group=self.url_with_group,
            group=self.group,
            secret=self.token_secret,
            ttl_seconds=self.token_ttl,
            window_seconds=self.token_window,
        )

    @property
    def longest_id(self) -> int:
        """How many characters the id of an upload may have: fewer where a group is pinned."""
        return (len(self.group) if self.group else GROUP_BYTES) + 1 + NORMAL_NAME_BYTES
