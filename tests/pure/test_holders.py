"""The reply whose layout has to be guessed: all four of PROTOCOL 3, and the recordings."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdfs_storage.fastdfs.errors import ProtocolError
from fdfs_storage.fastdfs.holders import Holders
from fdfs_storage.fastdfs.protocol import Address, Width

from .recordings import ADDRESSES, PORT, Exchange, replies

FETCH_ALL = 105
GROUP = b"group1".ljust(16, b"\0")


def own_ports(addresses: list[Address], width: int) -> bytes:
    """Lay out as since 6.16."""
    return GROUP + b"".join(struct.pack(f">{width}sq", host.encode(), port) for host, port in addresses)


def one_port(addresses: list[Address], width: int) -> bytes:
    """Lay out as before 6.16."""
    hosts = [host.encode().ljust(width, b"\0") for host, _ in addresses]
    return GROUP + hosts[0] + struct.pack(">q", addresses[0].port) + b"".join(hosts[1:])


HOSTS = st.ip_addresses(v=4).map(str)
WIDE_HOSTS = HOSTS | st.ip_addresses(v=6).map(str)
PORTS = st.integers(1, 65535)


def servers(hosts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Address]]:
    return st.lists(st.builds(Address, hosts, PORTS), min_size=1, max_size=32)


@replies(FETCH_ALL)
def test_a_recorded_list_is_read(exchange: Exchange) -> None:
    holders = Holders.unpack(exchange.answer)

    assert holders.group == "group1"
    assert {host for host, _ in holders.addresses} <= ADDRESSES["group1"]
    assert {port for _, port in holders.addresses} == {PORT}
    assert len(holders.addresses) == (2 if exchange.case == "tr_fetch_all_two" else 1)
    width = Width.NARROW if len(exchange.answer) in (39, 62) else Width.WIDE
    assert holders.pack(width) == exchange.answer


@given(servers(HOSTS))
def test_narrow_lists_are_read(addresses: list[Address]) -> None:
    same_port = [address._replace(port=addresses[0].port) for address in addresses]

    assert Holders.unpack(own_ports(addresses, 15)).addresses == tuple(addresses)
    assert Holders.unpack(one_port(same_port, 15)).addresses == tuple(same_port)


@given(servers(WIDE_HOSTS))
def test_wide_lists_are_read(addresses: list[Address]) -> None:
    same_port = [address._replace(port=addresses[0].port) for address in addresses]

    assert Holders.unpack(own_ports(addresses, 45)).addresses == tuple(addresses)
    assert Holders.unpack(one_port(same_port, 45)).addresses == tuple(same_port)


@given(servers(WIDE_HOSTS), st.sampled_from(Width))
def test_what_was_packed_is_unpacked(addresses: list[Address], width: Width) -> None:
    if width is Width.NARROW:
        addresses = [address for address in addresses if len(address.host) <= width] or [Address("::", 1)]
    holders = Holders("group1", tuple(addresses))

    assert holders.pack(width) == own_ports(addresses, width)
    assert Holders.unpack(holders.pack(width)) == holders


def test_three_old_servers_are_not_one_new_one() -> None:
    addresses = [Address(f"10.0.0.{last}", 23000) for last in (1, 2, 3)]
    old, new = one_port(addresses, 15), own_ports(addresses[:1], 45)

    assert len(old) == len(new) == 69
    assert Holders.unpack(old).addresses == tuple(addresses)
    assert Holders.unpack(new).addresses == (addresses[0],)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        GROUP,
        GROUP[:15],
        own_ports([Address("10.0.0.1", 0)], 15),
        own_ports([Address("10.0.0.1", 65536)], 45),
        own_ports([Address("elsewhere", 1)], 15),
        own_ports([Address("10.0.0.1\0x", 1)], 15),
        b"../etc".ljust(16, b"\0") + own_ports([Address("10.0.0.1", 1)], 15)[16:],
    ],
)
def test_what_fits_no_layout_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        Holders.unpack(body)


@pytest.mark.parametrize("width", [15, 45])
def test_a_list_cut_at_any_place_is_shorter_or_refused(width: int) -> None:
    both = (Address("10.0.0.1", 23000), Address("10.0.0.2", 23000))
    whole = own_ports([*both], width)
    for length in range(len(whole)):
        try:
            addresses = Holders.unpack(whole[:length]).addresses
        except ProtocolError:
            continue
        assert addresses == both[: len(addresses)]  # without its port, the second is as before 6.16


@settings(max_examples=300)
@given(st.binary(max_size=200).map(lambda rest: GROUP + rest))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        holders = Holders.unpack(body)
    except ProtocolError:
        return
    assert all(0 < port < 65536 for _, port in holders.addresses)
