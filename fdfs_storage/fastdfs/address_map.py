"""Where servers really are, when trackers name a container's or NAT's inner address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from .errors import InvalidArgumentError
from .protocol import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressMap:
    """Maps the addresses that trackers name to those that can be reached from here.

    Rules, the most exact one first: `host:port`, `host` (any port), a network in CIDR form (the
    narrowest that holds the address). A target is `host`, which leaves the port as it is, or
    `host:port`. Raises InvalidArgumentError for a rule that makes no sense.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._exact: dict[Address, tuple[str, int]] = {}
        self._hosts: dict[str, tuple[str, int]] = {}
        networks: list[tuple[Network, tuple[str, int]]] = []
        for inner, outer in rules.items():
            target = _parsed(outer)
            if "/" in inner:
                networks.append((_network(inner), target))
                continue
            host, port = _parsed(inner)
            if port:
                self._exact[Address(host, port)] = target
            else:
                self._hosts[host] = target
        self._networks = sorted(networks, key=lambda rule: -rule[0].prefixlen)

    def __bool__(self) -> bool:
        return bool(self._exact or self._hosts or self._networks)

    def __call__(self, named: Address) -> Address:
        """Return the address to dial for one that a tracker named."""
        target = self._exact.get(named) or self._hosts.get(named.host) or self._in_network(named.host)
        return Address(target[0], target[1] or named.port) if target else named

    def _in_network(self, host: str) -> tuple[str, int] | None:
        if not self._networks:
            return None
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        return next((target for network, target in self._networks if address in network), None)


def _parsed(where: str) -> tuple[str, int]:
    """Read `host` or `host:port`; the port is 0 where it is left out."""
    if not isinstance(where, str):
        raise InvalidArgumentError(f"not an address: {where!r}")
    host, port = Address.parse(where, 1)
    return host, 0 if str(Address.parse(where, 2)) != str(Address(host, port)) else port


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise InvalidArgumentError(f"not a network in CIDR form: {text!r} ({error})") from error
