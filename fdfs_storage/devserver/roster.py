"""The cluster's groups and storages, as every tracker knows them from the storages' heart beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fdfs_storage.fastdfs.protocol import Address

from .policy import Policy
from .storage import Storage
from .store_path import Space

Pending = Callable[[str, str], int | None]
"""The time of the oldest change that one storage (its id) still has to tell another; None: there is none."""


class Group:
    """Storages with the same files, in the order of their ids as text."""

    def __init__(self, name: str, storages: Iterable[Storage]) -> None:
        self.name = name
        self.storages = sorted(storages, key=lambda storage: storage.id)

    @property
    def readable(self) -> list[Storage]:
        return [storage for storage in self.storages if storage.readable]

    @property
    def writable(self) -> list[Storage]:
        return [storage for storage in self.storages if storage.writable]

    @property
    def first_writable(self) -> Storage | None:
        """What tracker_mem.c calls the store server."""
        return next(iter(self.writable), None)

    @property
    def space(self) -> Space:
        """That of the storage with the least free space, as all of them get all files."""
        storages = self.writable or self.storages
        return min((storage.volume.space() for storage in storages), key=lambda space: space.free_mb)

    @property
    def reserved_mb(self) -> int:
        return max(storage.volume.reserved_mb for storage in self.storages)

    @property
    def has_room(self) -> bool:
        """Whether every storage that takes writes has more free space than its reserve."""
        return all(_has_room(storage) for storage in self.writable)

    def find(self, source: str) -> Storage | None:
        """Return the storage with this id or, in a cluster with server ids, the first at this address."""
        by_id = (storage for storage in self.storages if storage.id == source)
        by_host = (storage for storage in self.storages if storage.address.host == source)
        return next(by_id, None) or next(by_host, None)

    def at(self, address: Address) -> Storage | None:
        return next((storage for storage in self.storages if storage.address == address), None)

    def last_synced(self, storage: Storage) -> int:
        """Return up to when a storage has its peers' files: the oldest of what it heard last from each.

        tracker_service.c, tracker_deal_storage_sync_report; 0 where it never heard from anybody.
        """
        heard = storage.volume.synced
        times = (heard.get(peer.id, 0) for peer in self.storages if peer is not storage and peer.is_alive)
        return min((when for when in times if when), default=0)


def _has_room(storage: Storage) -> bool:
    return storage.volume.space().free_mb > storage.volume.reserved_mb


class Roster(NamedTuple):
    """All groups, in the order of their names."""

    groups: tuple[Group, ...]
    uses_ids: bool = False
    policy: Policy = Policy()
    pending: Pending = lambda source, peer: None

    @classmethod
    def of(
        cls,
        storages: Iterable[Storage],
        *,
        uses_ids: bool = False,
        policy: Policy | None = None,
        pending: Pending | None = None,
    ) -> Roster:
        members: dict[str, list[Storage]] = {}
        for storage in storages:
            members.setdefault(storage.volume.group, []).append(storage)
        groups = tuple(Group(name, members[name]) for name in sorted(members))
        return cls(groups, uses_ids, policy or Policy(), pending or (lambda source, peer: None))

    def find(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name == name), None)

    @property
    def storages(self) -> list[Storage]:
        return [storage for group in self.groups for storage in group.storages]
