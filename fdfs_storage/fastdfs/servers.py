"""Every server by its address: its pool, the address map, who rests, and the one retry loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from .address_map import AddressMap
from .connection import Connection
from .deadline import Deadline
from .errors import (
    EINVAL,
    ENOENT,
    ConnectionLostError,
    FastDFSError,
    IntegrityError,
    NetworkError,
    NoServerError,
    PoolTimeoutError,
    ProtocolError,
    ServerError,
)
from .pool import Pool
from .protocol import Address
from .resting import Resting

T = TypeVar("T")
Operation = Callable[[Connection, Deadline], T]

_FAILURES = (NetworkError, ProtocolError, IntegrityError, ServerError)


@dataclass(frozen=True)
class Limits:
    """Bounds of every exchange, and how long answers are remembered; seconds unless it says otherwise."""

    connect_timeout: float = 5.0
    network_timeout: float = 30.0
    pool_size: int = 16
    """Connections to each server, per process."""
    placement_ttl: float = 10.0
    """How long a tracker's choice of storages for new files holds; 0 asks for each upload."""
    # Storages and firewalls drop idle connections, old storages after 60 s.
    idle_seconds: float = 50.0


Candidate = tuple[Address, int | None, Operation[T]]
"""A server to try, the store path that an upload goes to, and what to do there."""


class Servers:
    """Runs operations on servers, trackers and storages alike.

    The address map applies here and nowhere else, to all but the `fixed` addresses, which the user
    wrote down as they are.
    """

    def __init__(self, limits: Limits, fixed: Collection[Address], address_map: AddressMap) -> None:
        self.limits = limits
        self.resting = Resting()
        self._fixed = frozenset(fixed)
        self._map = address_map
        self._pools: dict[Address, Pool] = {}
        """By the address that a tracker or the user names."""
        self._by_place: dict[Address, Pool] = {}
        """By the address that is dialled: several names may lead there."""

    def close(self) -> None:
        """Close every idle connection, and busy ones as they come back; a later use opens new ones."""
        for pool in list(self._by_place.values()):
            pool.close()

    @property
    def dialled(self) -> frozenset[Address]:
        """Every address that was ever dialled."""
        return frozenset(self._by_place)

    def first_success(
        self,
        what: str,
        candidates: Iterable[Candidate[T]],
        *,
        about: object = None,
        repeatable: bool,
        timeout: float | None = None,
        failed: Callable[[Address, int | None, FastDFSError], None] | None = None,
    ) -> T:
        """Try candidates in turn; go on only after what cannot have happened or may happen twice.

        `failed` hears of each failure of a candidate. When none is left, raises what
        `_verdict` says of `what` it was `about`.
        """
        attempts: dict[str, FastDFSError] = {}
        dead: set[Address] = set()
        try:
            for address, path, operation in candidates:
                if attempts and (address in dead or _place(address, path) in attempts):
                    continue
                try:
                    return self.on(address, operation, repeatable=repeatable, timeout=timeout)
                except _FAILURES as error:
                    if failed:
                        failed(address, path, error)
                    if not (error.retriable or repeatable):
                        raise
                    attempts[_place(address, path)] = error
                    if not isinstance(error, (ServerError, IntegrityError)):
                        dead.add(address)
        except NoServerError as error:
            raise NoServerError(error.args[0], {**attempts, **error.attempts}) from error
        raise _verdict(f"{what} {about}" if about else what, attempts)

    def on(
        self, address: Address, operation: Operation[T], *, repeatable: bool, timeout: float | None = None
    ) -> T:
        """Run an operation on one server; once more if a connection that stood idle turns out dead."""
        pool = self._pools.get(address) or self._pool(address)
        deadline = Deadline(timeout or self.limits.network_timeout)
        try:
            try:
                result = pool.run(operation, deadline)
            except ConnectionLostError as error:
                if not error.reused or not (error.retriable or repeatable):
                    raise
                deadline.renew()
                result = pool.run(operation, deadline, fresh=True)
        except (NetworkError, ProtocolError) as error:
            if not isinstance(error, PoolTimeoutError):  # that one is our own congestion
                self.resting.note(address)
            raise
        self.resting.forget(address)
        return result

    def _pool(self, named: Address) -> Pool:
        """Return the pool of where a server really is, and remember it by the name that it has here."""
        address = named if named in self._fixed else self._map(named)
        limits = self.limits
        pool = self._by_place.setdefault(
            address,
            Pool(
                address,
                size=limits.pool_size,
                connect_timeout=limits.connect_timeout,
                idle_seconds=limits.idle_seconds,
            ),
        )
        return self._pools.setdefault(named, pool)


def _place(address: Address, path: int | None) -> str:
    return f"{address} path {path}" if path else str(address)


def _verdict(what: str, attempts: dict[str, FastDFSError]) -> FastDFSError:
    """Say what all the failures amount to: absent only where every server that was asked says so.

    The last refusal when all refused with "missing" or "invalid", another refusal where there was
    one, else NoServerError with everything.
    """
    refusals = [error for error in attempts.values() if isinstance(error, ServerError)]
    corrupt = [error for error in attempts.values() if isinstance(error, IntegrityError)]
    if refusals and len(refusals) == len(attempts):
        other = [error for error in refusals if error.status not in (ENOENT, EINVAL)]
        return other[0] if other else refusals[-1]
    return corrupt[0] if corrupt else NoServerError(what, attempts)
