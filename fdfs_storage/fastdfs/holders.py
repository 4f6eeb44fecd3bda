"""Holders: the one reply whose layout has to be guessed."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .errors import ProtocolError
from .file_id import GROUP_BYTES
from .protocol import Address, Width, checked_address, checked_group, fixed, pack_group, text

_PORT = struct.Struct(">q")


@dataclass(frozen=True)
class Holders:
    """Every server that holds a file: the reply to QUERY_FETCH_ALL.

    Since 6.16 each address has a port of its own, before that the first one's serves all (PROTOCOL,
    section 3); both come narrow or wide, and lengths overlap, so the contents decide.
    """

    group: str
    addresses: tuple[Address, ...]

    def pack(self, width: Width = Width.NARROW) -> bytes:
        """Lay it out as 6.16 does."""
        servers = (fixed(host, width) + _PORT.pack(port) for host, port in self.addresses)
        return pack_group(self.group) + b"".join(servers)

    @classmethod
    def unpack(cls, body: bytes) -> Holders:
        group, rest = checked_group(body[:GROUP_BYTES]), body[GROUP_BYTES:]
        for width in Width:
            for split in (_own_ports, _one_port):
                try:
                    return cls(group, tuple(checked_address(_address(h), p) for h, p in split(rest, width)))
                except ProtocolError:
                    continue
        raise ProtocolError(f"the tracker's list of servers ({len(body)} bytes) fits no known release")


def _own_ports(rest: bytes, width: int) -> list[tuple[bytes, int]]:
    servers = struct.Struct(f">{width}sq")
    if not rest or len(rest) % servers.size:
        raise ProtocolError("not this layout")
    return [(host, port) for host, port in servers.iter_unpack(rest)]


def _one_port(rest: bytes, width: int) -> list[tuple[bytes, int]]:
    first, others = rest[: width + _PORT.size], rest[width + _PORT.size :]
    if len(first) < width + _PORT.size or len(others) % width:
        raise ProtocolError("not this layout")
    port: int = _PORT.unpack(first[width:])[0]
    hosts = [first[:width], *(others[at : at + width] for at in range(0, len(others), width))]
    return [(host, port) for host in hosts]


def _address(field: bytes) -> str:
    """Read an address that is followed by nothing but NULs, as it is in its own layout only."""
    host, _, padding = field.partition(b"\0")
    if padding.strip(b"\0"):
        raise ProtocolError("not this layout")
    return text(host)
