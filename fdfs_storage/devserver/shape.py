"""What a cluster consists of: the arguments of EmbeddedCluster, checked, as a plan that does not change."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fdfs_storage.fastdfs.file_id import valid_group
from fdfs_storage.fastdfs.protocol import Width

# FastDFS's own limits (PROTOCOL, section 2).
GROUPS, STORAGES_OF_GROUP, TRACKERS, STORE_PATHS = 512, 32, 16, 256
_LAST_PORT = 65535


@dataclass(frozen=True)
class StoragePlan:
    """One storage; port 0 is any free one."""

    group: str
    id: str
    """The server id where the cluster uses ids, else the address."""
    host: str
    port: int
    http_port: int


@dataclass(frozen=True)
class Shape:
    """All servers of a cluster."""

    storages: tuple[StoragePlan, ...]
    store_paths: int
    """Of each storage."""
    uses_ids: bool
    """Whether storages are told by server ids: they must be where two share an address."""
    host: str
    """Of the trackers."""
    tracker_ports: tuple[int, ...]
    widths: tuple[Width, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(storage.group for storage in self.storages))

    @property
    def is_plain(self) -> bool:
        """Whether there is one storage with one store path, which needs no folders of its own."""
        return len(self.storages) == self.store_paths == 1

    def settled(self, trackers: Sequence[int], storages: Sequence[int], https: Sequence[int]) -> Shape:
        """Return the same with the ports that the servers got."""
        ports = zip(self.storages, storages, https, strict=True)
        plans = tuple(replace(plan, port=port, http_port=http) for plan, port, http in ports)
        return replace(self, storages=plans, tracker_ports=tuple(trackers))


def plan(
    *,
    host: str,
    allow_public: bool,
    group: str,
    groups: int | Sequence[str] | Mapping[str, int],
    storages: int,
    store_paths: int,
    storage_hosts: Sequence[str] | None,
    trackers: int,
    wide: bool | Sequence[bool],
    tracker_port: int,
    storage_port: int,
    http_port: int,
) -> Shape:
    """Check everything; raise ValueError with what to do instead."""
    members = _members(group, groups, storages)
    count = sum(members.values())
    hosts = _hosts(storage_hosts, host, count, allow_public=allow_public)
    _require_number("store_paths", store_paths, STORE_PATHS)
    _require_number("trackers", trackers, TRACKERS)
    uses_ids = len(set(hosts)) < count
    names = [
        (name, _server_id(number, each))
        for number, name in enumerate(members)
        for each in range(members[name])
    ]
    return Shape(
        storages=tuple(
            StoragePlan(name, server_id if uses_ids else where, where, port, http)
            for (name, server_id), where, port, http in zip(
                names,
                hosts,
                _ports("storage_port", storage_port, count),
                _ports("http_port", http_port, count),
                strict=True,
            )
        ),
        store_paths=store_paths,
        uses_ids=uses_ids,
        host=host,
        tracker_ports=_ports("tracker_port", tracker_port, trackers),
        widths=_widths(wide, trackers),
    )


def require_seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Return a number of seconds; raise ValueError for what is none, or 0 where that makes no sense."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ValueError(f"{name} is a number of seconds: {value!r}")
    if not value and not zero:
        raise ValueError(f"{name} is more than 0 seconds")
    return value


def _members(group: str, groups: int | Sequence[str] | Mapping[str, int], storages: int) -> dict[str, int]:
    """Return the number of storages of each group."""
    _require_number("storages", storages, STORAGES_OF_GROUP)
    if isinstance(groups, Mapping):
        if storages != 1:
            raise ValueError("groups tells the number of storages of each group: leave storages out")
        members = dict(groups)
    else:
        members = _named(group, groups, storages)
    if not 1 <= len(members) <= GROUPS:
        raise ValueError(f"a cluster has 1 to {GROUPS} groups, not {len(members)}")
    for name, count in members.items():
        if not isinstance(name, str) or not valid_group(name):  # type: ignore[redundant-expr]
            raise ValueError(f"not a group name (1-16 letters and digits): {name!r}")
        _require_number(f"the number of storages of {name}", count, STORAGES_OF_GROUP)
    if group != "group1" and list(members) != [group]:
        raise ValueError("group names the only group: name several with groups=[…]")
    return members


def _named(group: str, groups: int | Sequence[str], storages: int) -> dict[str, int]:
    if isinstance(groups, int) and not isinstance(groups, bool):
        _require_number("groups", groups, GROUPS)
        names = [group] if groups == 1 else [f"group{number}" for number in range(1, groups + 1)]
    elif isinstance(groups, (str, bytes, bool)) or not isinstance(groups, Sequence):
        raise ValueError(  # noqa: TRY004 -- as for every other argument
            f"groups is a number, a list of names, or names with numbers of storages: {groups!r}"
        )
    else:
        names = list(groups)
    if len(set(map(str, names))) < len(names):
        raise ValueError(f"a group is named twice: {', '.join(map(str, names))}")
    return dict.fromkeys(names, storages)


def _require_number(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} is a number from 1 to {most}: {value!r}")


def _server_id(group: int, member: int) -> str:
    """Return 100001 for the first of the first group, 110001 for that of the second: groups may grow."""
    return str(100_001 + 10_000 * group + member)


def _hosts(given: Sequence[str] | None, host: str, count: int, *, allow_public: bool) -> list[str]:
    _check_host(host, allow_public=allow_public)
    if given is None:
        return [host] * count
    if isinstance(given, str) or len(given) != count:
        raise ValueError(f"storage_hosts has an address for each of the {count} storages: {given!r}")
    for each in given:
        _check_host(each, allow_public=allow_public)
    return list(given)


def _check_host(host: str, *, allow_public: bool) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        # The names of the files carry it, in four bytes.
        raise ValueError(f"the host must be an IPv4 address, like 127.0.0.1: {host!r}") from error
    if not (address.is_loopback or allow_public):
        raise ValueError(
            f"{host} is not a loopback address: whoever reaches the cluster can delete its files"
        )


def _ports(name: str, first: object, count: int) -> tuple[int, ...]:
    """Return 0 for each server, or ports that follow one another."""
    if isinstance(first, bool) or not isinstance(first, int) or not 0 <= first <= _LAST_PORT:
        raise ValueError(f"{name} is a port (0-{_LAST_PORT}; 0: any free one): {first!r}")
    if first and first + count - 1 > _LAST_PORT:
        raise ValueError(f"{name} {first} leaves no ports for {count} servers: choose a lower one")
    return tuple(first and first + index for index in range(count))


def _widths(wide: bool | Sequence[bool], trackers: int) -> tuple[Width, ...]:
    each = [wide] * trackers if isinstance(wide, (bool, int)) else list(wide)
    if len(each) != trackers:
        raise ValueError(f"wide has a value for each of the {trackers} trackers: {wide!r}")
    return tuple(Width.WIDE if one else Width.NARROW for one in each)
