"""How trackers choose, under the names and with the numbers of tracker.conf."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

ROUND_ROBIN = 0
SPECIFIED_GROUP = 1
LOAD_BALANCE = 2
SOURCE_FIRST = 1

_CHOICES = {
    "store_lookup": {
        ROUND_ROBIN: "round robin",
        SPECIFIED_GROUP: "store_group",
        LOAD_BALANCE: "load balance",
    },
    "store_server": {ROUND_ROBIN: "round robin", 1: "the first by id", 2: "the first by priority"},
    "store_path": {ROUND_ROBIN: "round robin", LOAD_BALANCE: "load balance"},
    "download_server": {ROUND_ROBIN: "round robin", SOURCE_FIRST: "the source first"},
}


@dataclass(frozen=True)
class Policy:
    """The same for all trackers of a cluster; each of them takes its own turns."""

    store_lookup: int = ROUND_ROBIN
    store_group: str = ""
    """The group of all uploads that name none, where store_lookup says so."""
    store_server: int = ROUND_ROBIN
    store_path: int = ROUND_ROBIN
    download_server: int = ROUND_ROBIN

    def check(self, groups: Collection[str]) -> None:
        """Raise ValueError for what tracker.conf does not know, or groups that the cluster has not."""
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or value not in choices:
                known = ", ".join(f"{number} ({what})" for number, what in choices.items())
                raise ValueError(f"{name} is one of {known}, not {value!r}")
        if (self.store_lookup == SPECIFIED_GROUP) != bool(self.store_group):
            raise ValueError("store_group goes with store_lookup=1, and store_lookup=1 with a store_group")
        if self.store_group and self.store_group not in groups:
            raise ValueError(f"store_group is one of the groups, {', '.join(groups)}: {self.store_group!r}")
