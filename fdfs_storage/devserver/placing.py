"""Where a new file goes: tracker_service.c, tracker_deal_service_query_storage (PROTOCOL 4.6)."""

from __future__ import annotations

from collections import defaultdict

from fdfs_storage.fastdfs.errors import ENOENT, ENOSPC

from .policy import LOAD_BALANCE, ROUND_ROBIN, SPECIFIED_GROUP
from .refusal import RefusedError
from .roster import Group, Roster
from .storage import Storage


class Placing:
    """One tracker's turns: the trackers of a cluster decide apart from one another."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._policy = roster.policy
        self._group = 0
        self._servers: dict[str, int] = defaultdict(int)
        self._paths: dict[tuple[str, str], int] = defaultdict(int)

    # --- the group ---

    def any_group(self) -> Group:
        """Choose a group for a file that names none; refuse with 2 or 28 where there is none."""
        groups = self._roster.groups
        if self._policy.store_lookup == SPECIFIED_GROUP:
            return self.checked(next(g for g in groups if g.name == self._policy.store_group))
        if self._policy.store_lookup == LOAD_BALANCE:
            self._group = self._emptiest(groups)
        in_turn = [(self._group + offset) % len(groups) for offset in range(len(groups))]
        candidates = [index for index in in_turn if groups[index].writable]
        if not candidates:
            raise RefusedError(ENOENT)
        found = next((index for index in candidates if groups[index].has_room), None)
        if found is None:
            raise RefusedError(ENOSPC)
        self._group = found
        if self._policy.store_lookup == ROUND_ROBIN:
            self._group = (found + 1) % len(groups)
        return groups[found]

    def _emptiest(self, groups: tuple[Group, ...]) -> int:
        """Return the group with the most free space of those that take writes; the first of equals."""
        able = [index for index, group in enumerate(groups) if group.writable]
        return max(able, key=lambda index: groups[index].space.free_mb, default=0)

    @staticmethod
    def checked(group: Group) -> Group:
        """Return the group, unless it takes no writes (2) or is full (28)."""
        if not group.writable:
            raise RefusedError(ENOENT)
        if not group.has_room:
            raise RefusedError(ENOSPC)
        return group

    # --- the server ---

    def server(self, group: Group) -> Storage:
        """Choose a storage that takes writes: tracker_mem.c, tracker_get_writable_storage."""
        writable = group.writable
        if not writable:
            raise RefusedError(ENOENT)
        if self._policy.store_server != ROUND_ROBIN or len(writable) == 1:
            return writable[0]
        index = self._servers[group.name] % len(writable)
        self._servers[group.name] = (index + 1) % len(writable)
        return writable[index]

    def current_server(self, group: Group) -> int:
        return self._servers[group.name]

    # --- the store path ---

    def path(self, storage: Storage) -> int:
        """Choose a store path of a storage; refuse with 28 where all are full."""
        key, count = self._key(storage), len(storage.volume.paths)
        self._paths[key] = self.current_path(storage)
        in_turn = [(self._paths[key] + offset) % count for offset in range(count)]
        paths, reserved = storage.volume.paths, storage.volume.path_reserved_mb
        found = next((index for index in in_turn if paths[index].has_room(reserved)), None)
        if found is None:
            raise RefusedError(ENOSPC)
        self._paths[key] = found
        if self._policy.store_path == ROUND_ROBIN:
            self._paths[key] = (found + 1) % count
        return found

    def current_path(self, storage: Storage) -> int:
        """Return the path whose turn it is, or the one with the most free space."""
        current, paths = self._paths[self._key(storage)], storage.volume.paths
        if self._policy.store_path != LOAD_BALANCE:
            return current
        free = [path.space().free_mb for path in paths]
        return current if free[current] == max(free) else free.index(max(free))

    @staticmethod
    def _key(storage: Storage) -> tuple[str, str]:
        return storage.volume.group, storage.id
