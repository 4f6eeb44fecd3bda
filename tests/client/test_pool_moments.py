"""What strikes a pool between two steps: ends of time, interrupts, deaths, forks."""

import os
import threading
from collections import deque

import pytest

from fdfs_storage.fastdfs import pool as pools
from fdfs_storage.fastdfs.connection import Connection
from fdfs_storage.fastdfs.deadline import Deadline
from fdfs_storage.fastdfs.errors import PoolTimeoutError
from fdfs_storage.fastdfs.pool import Pool
from fdfs_storage.fastdfs.protocol import Address

from .lending import lent


class Struck(BaseException):
    """What a signal handler raises, or gevent's kill."""


@pytest.fixture
def pool(embedded):
    """A pool of one connection."""
    server = embedded.tracker_servers[0]
    with_one = Pool(Address(server.host, server.port), size=1, connect_timeout=5, idle_seconds=50)
    yield with_one
    with_one.close()


class Came:
    """The lock on which a waiter waits, with something that happens in place of the first waiting."""

    def __init__(self, lock, moment):
        self._lock = lock
        self._moment = moment

    def acquire(self, timeout):
        moment, self._moment = self._moment, None
        return moment() if moment else self._lock.acquire(timeout=timeout)

    def release(self):
        self._lock.release()


@pytest.fixture
def at_the_first_wait(monkeypatch):
    """Lets something happen in place of the next one's first waiting; it says whether a word came."""

    def arrange(moment):
        class Turn(pools._Turn):
            def __init__(self):
                super().__init__()
                self.came = Came(self.came, moment)
                monkeypatch.undo()

        monkeypatch.setattr(pools, "_Turn", Turn)

    return arrange


def strike():
    raise Struck


def struck_while_it_takes(pool):
    """Let a taker be struck; return the traceback, which keeps alive what it held."""
    with pytest.raises(Struck) as struck:
        pool.shelf().take(pool, Deadline(5))
    return struck


def all_is_free(pool):
    return pool.shelf().busy == 0


def is_lost_without_its_place(pool, connection, struck):
    """Whether nobody gets a connection again, and somebody its place, while the traceback is still there."""
    assert struck.traceback
    assert all_is_free(pool)
    with lent(pool, 0.1) as other:
        return other is not connection


def test_what_is_handed_over_as_the_time_runs_out_is_taken(pool, at_the_first_wait):
    shelf = pool.shelf()
    first = shelf.take(pool, Deadline(5))

    def run_out():
        shelf.give_back(first)
        return False

    at_the_first_wait(run_out)

    assert shelf.take(pool, Deadline(0)) is first
    shelf.give_back(first)
    assert all_is_free(pool)


def test_a_waiter_who_is_struck_leaves_the_queue(pool, at_the_first_wait):
    with lent(pool) as connection:
        at_the_first_wait(strike)
        struck_while_it_takes(pool)

    with lent(pool) as again:
        assert again is connection


def test_a_waiter_who_is_struck_passes_the_connection_on(pool, at_the_first_wait):
    shelf = pool.shelf()
    connection = shelf.take(pool, Deadline(5))

    def give_and_strike():
        shelf.give_back(connection)
        raise Struck

    at_the_first_wait(give_and_strike)
    struck = struck_while_it_takes(pool)

    with lent(pool, 0.1) as again:
        assert again is connection
    assert struck.traceback
    assert all_is_free(pool)


def test_a_waiter_who_is_struck_gives_the_place_back(pool, at_the_first_wait):
    at_the_first_wait(strike)
    struck = struck_while_it_takes(pool)

    assert struck.traceback
    assert all_is_free(pool)


class Striking:
    """What tells a pool that a connection is dead, struck as it is asked."""

    def poll(self, _timeout):
        raise Struck


def test_whoever_is_struck_while_it_looks_at_a_connection_keeps_none(pool):
    with lent(pool) as connection:
        connection._poll = Striking()
    struck = struck_while_it_takes(pool)

    assert is_lost_without_its_place(pool, connection, struck)


def test_a_waiter_who_is_struck_while_it_looks_at_what_it_was_given_keeps_none(pool, at_the_first_wait):
    shelf = pool.shelf()
    connection = shelf.take(pool, Deadline(5))

    def give():
        connection._poll = Striking()
        shelf.give_back(connection)
        return True

    at_the_first_wait(give)
    struck = struck_while_it_takes(pool)

    assert is_lost_without_its_place(pool, connection, struck)


def test_whoever_is_struck_before_it_has_a_connection_leaves_it_there(pool, monkeypatch):
    class Idle(deque):
        def __getitem__(self, index):
            raise Struck

    with lent(pool) as connection:
        pass
    with monkeypatch.context() as patch:
        patch.setattr(pool.shelf(), "idle", Idle())
        struck = struck_while_it_takes(pool)

    assert struck.traceback
    assert all_is_free(pool)
    with lent(pool, 0.1) as again:
        assert again is connection


def test_a_connect_that_is_struck_gives_its_place_to_the_next(pool, monkeypatch):
    opened, waiting, got = Connection.open, threading.Event(), []

    def wait():
        with lent(pool) as connection:
            got.append(connection)

    waiter = threading.Thread(target=wait)

    def struck(address, timeout):
        monkeypatch.setattr(Connection, "open", opened)
        waiter.start()
        while not pool.shelf()._waiting:
            waiting.wait(0.001)
        raise Struck

    monkeypatch.setattr(Connection, "open", struck)
    with pytest.raises(Struck):
        pool.shelf().take(pool, Deadline(5))
    waiter.join()

    assert len(got) == 1


def test_a_connection_that_died_on_its_way_to_a_waiter_is_replaced(pool, at_the_first_wait):
    shelf = pool.shelf()
    first = shelf.take(pool, Deadline(5))

    def hand_over():
        shelf.give_back(first)
        first.close()
        return True

    at_the_first_wait(hand_over)
    second = shelf.take(pool, Deadline(5))

    assert second is not first
    assert second.settled
    shelf.give_back(second)
    assert all_is_free(pool)


def test_a_waiter_finds_the_place_of_a_connection_that_was_dropped(pool, at_the_first_wait):
    held = [pool.shelf().take(pool, Deadline(5))]

    def drop():
        held.clear()  # as by a signal between two steps: nobody is told
        return False

    at_the_first_wait(drop)
    with lent(pool) as connection:
        assert connection.settled


def test_waiters_look_for_themselves(pool, monkeypatch):
    monkeypatch.setattr(pools, "_LOOK_SECONDS", 0.001)

    with lent(pool), pytest.raises(PoolTimeoutError):
        pool.shelf().take(pool, Deadline(0.02))


def test_who_waits_when_the_pool_is_closed_is_served_and_its_connection_not_kept(pool, at_the_first_wait):
    shelf = pool.shelf()
    first = shelf.take(pool, Deadline(5))

    def close():
        pool.close()
        shelf.give_back(first)
        return True

    at_the_first_wait(close)
    second = shelf.take(pool, Deadline(5))

    assert first.stale
    assert second.settled
    shelf.give_back(second)
    assert second.stale


def test_a_waiter_sees_what_it_was_given_though_the_giver_was_struck_before_a_word(pool, monkeypatch):
    class Mute:
        def __init__(self, lock):
            self.acquire = lock.acquire

        def release(self):
            raise Struck

    class Turn(pools._Turn):
        def __init__(self):
            super().__init__()
            self.came = Mute(self.came)

    monkeypatch.setattr(pools, "_Turn", Turn)
    monkeypatch.setattr(pools, "_LOOK_SECONDS", 0.01)
    shelf, got = pool.shelf(), []
    monkeypatch.setattr(shelf, "_hand_out", lambda: None)
    waiter = threading.Thread(target=lambda: got.append(shelf.take(pool, Deadline(20))))
    held = _first(pool, shelf)
    waiter.start()
    while not shelf._waiting:
        waiter.join(0.001)
    monkeypatch.delattr(shelf, "_hand_out")

    with pytest.raises(Struck):
        shelf.give_back(held)
    waiter.join()

    assert got == [held]
    shelf.give_back(held)
    assert all_is_free(pool)


def test_who_was_given_something_but_stayed_in_the_queue_is_given_no_more(pool):
    shelf = pool.shelf()
    turn = pools._Turn()
    turn.given = given = pools._Place()
    shelf._waiting.append(turn)

    shelf._hand_out()

    assert turn.given is given
    assert turn.came.acquire(timeout=0)
    assert not shelf._waiting
    assert shelf.busy == 0


def _first(pool, shelf):
    """Open the first connection though nobody hands anything out."""
    place = pools._Place()
    shelf._alive.add(place)
    return shelf._opened(pool, Deadline(5), place)


def test_those_behind_a_dead_connection_keep_their_order(pool):
    shelf, order = pool.shelf(), []
    held = shelf.take(pool, Deadline(5))

    def work(number):
        with lent(pool, 20):
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(shelf._waiting) <= number:
            thread.join(0.001)
    held._poll = Gone()
    shelf.give_back(held)
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 3]
    assert all_is_free(pool)


class Gone:
    """A poll object that finds the peer gone."""

    def poll(self, _timeout):
        return [(0, 0)]


def test_a_pool_that_is_closed_while_its_first_shelf_is_made_goes_on(pool):
    class Racing(dict):
        def setdefault(self, pid, shelf):
            made = super().setdefault(pid, shelf)
            pool.close()
            return made

    pool._shelves = Racing()
    with lent(pool) as closed:
        pass
    assert closed.stale
    pool._shelves = dict(pool._shelves)

    with lent(pool) as first:
        pass
    with lent(pool) as second:
        assert second is first


def test_greenlets_that_waited_when_their_process_forked_get_nothing_of_the_parents(pool, at_the_first_wait):
    shelf = pool.shelf()
    theirs = shelf.take(pool, Deadline(5))

    def fork():
        shelf._pid = os.getpid() + 1
        shelf.give_back(theirs)
        return False

    at_the_first_wait(fork)
    mine = shelf.take(pool, Deadline(5))

    assert mine is not theirs
    assert theirs.stale
    shelf.give_back(mine)
    assert mine.stale


def test_a_waiter_who_is_struck_in_a_forked_child_does_not_wait_for_the_parents_lock(pool, at_the_first_wait):
    shelf = pool.shelf()

    def fork_and_strike():
        shelf._pid = os.getpid() + 1
        shelf._lock.acquire()
        raise Struck

    at_the_first_wait(fork_and_strike)
    struck_while_it_takes(pool)


def test_a_forked_childs_copy_of_a_busy_connection_wakes_nobody(pool):
    shelf = pool.shelf()
    connection = shelf.take(pool, Deadline(5))
    shelf._waiting.append(pools._Turn())
    shelf._pid = os.getpid() + 1  # as if this were the child
    shelf._lock.acquire()  # by a thread that stayed in the parent

    shelf.give_back(connection)

    assert list(shelf.idle) == [connection]


def test_what_another_process_left_is_let_go_and_its_connections_closed(pool):
    with lent(pool) as connection:
        pass
    pool._shelves = {os.getpid() + 1: pool._shelves[os.getpid()]}

    assert repr(pool).endswith("0 busy, 0 idle of 1>")
    assert connection.stale
