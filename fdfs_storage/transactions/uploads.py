"""Upload: a file whose row is not known to be there, and how it learns what its transaction did."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import FileField

from .bearers import borne
from .watching import watch


class NewName(str):
    """The id of a file that was just uploaded. As long as this object lives, it may get into a row."""

    __slots__ = ("__weakref__", "upload")

    upload: Upload | None

    def __copy__(self) -> NewName:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> NewName:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Become a plain text; where that goes, nobody knows."""
        if self.upload is not None:
            self.upload.doubtful = True
        return str, (str(self),)


class Upload:
    """A file in FastDFS that a row may refer to, now or once a transaction has ended."""

    def __init__(self, field: FileField, name: str, has_row: Callable[[Upload], None]) -> None:
        self.field = field
        self.name = name
        self.has_row = has_row
        """Called once a row with the file is committed for certain."""
        self.attempted = False
        """Whether a row with it was to be written; without that, it may have been meant for later."""
        self.doubtful = is_historical(field)
        """Whether an outcome is unknown, so that a row may yet appear."""
        self.over = False
        """Whether its fate is known, or given up."""
        self.deleted = False
        self.in_statement = False
        """Whether the statements to come are those of its row."""
        self.notes = 0
        """How often a row was to be written or to go with it."""
        self.tries = 0
        """How often the databases could not be asked about it."""
        self._hooks: list[weakref.ref[Hook]] = []
        self._new_name: weakref.ref[NewName] | None = None
        self._thread = threading.get_ident()
        self._collected = False

    def new_name(self) -> NewName:
        """Return the name in a form that tells whether anybody still has it."""
        name = NewName(self.name)
        name.upload = self
        self._new_name = weakref.ref(name)
        return name

    def attempt(self) -> None:
        """Note that a row with the file is about to be written, on whichever connection of this thread."""
        self.wait()
        self.in_statement = True
        for connection in connections.all(initialized_only=True):
            watch(connection, self)

    def wait(self, hook: Hook | None = None) -> None:
        """Stay for as long as a transaction is open in this thread, which may bring a row or take it.

        `hook` waits already for the one that takes it.
        """
        self.attempted = True
        self.notes += 1
        if hook is not None:
            self._hooks.append(weakref.ref(hook))
            self._take_back(hook.connection())
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:
                if hook is None or hook.connection() is not connection:
                    self._hook(connection)
            elif not autocommits(connection):
                self.doubtful = True

    def written(self, using: str) -> None:
        """Note that a row with the file was written, there for certain once its transaction is committed."""
        connection = connections[using]
        if connection.in_atomic_block:
            self._hook(connection).has_row = True
            watch(connection, self)
        elif autocommits(connection):
            self.has_row(self)

    def pending(self) -> bool:
        """Say whether a transaction is open that may bring a row, or an object lives that may write one."""
        self.in_statement = self._is_named()
        return self.waits() or borne(self.name) or self.in_statement

    def waits(self) -> bool:
        """Say whether a transaction is open that may bring a row or take it."""
        self._hooks = [reference for reference in self._hooks if reference() is not None]
        return any(self._open_hooks())

    def lost_sight(self, connection: BaseDatabaseWrapper) -> None:
        """Note a statement, outside of transactions, of which nobody knows how it ended."""
        hooked = any(hook.connection() is connection for hook in self._open_hooks())
        if not self.over and self.in_statement and not hooked:
            self.doubtful = True

    def undone(self, connection: BaseDatabaseWrapper) -> None:
        """Note that a savepoint was rolled back: the row, if it was written since, is not there."""
        self._take_back(connection)

    def _take_back(self, connection: BaseDatabaseWrapper | None) -> None:
        for hook in self._open_hooks():
            if hook.connection() is connection:
                hook.has_row = False

    def waits_for_collector(self) -> bool:
        """Say, once, whether only garbage may have the name: an instance and its FieldFile make a circle.

        Asked by the thread that made the upload, and is done with it.
        """
        waits = (
            not self._collected
            and self._thread == threading.get_ident()
            and self.attempted
            and self._is_named()
            and not self.waits()
        )
        self._collected = self._collected or waits
        return waits

    def _is_named(self) -> bool:
        return self._new_name is not None and self._new_name() is not None

    def _open_hooks(self) -> Iterator[Hook]:
        hooks = (reference() for reference in list(self._hooks))
        return (hook for hook in hooks if hook is not None and not hook.called)

    def _hook(self, connection: BaseDatabaseWrapper) -> _RowHook:
        """Return what waits for the innermost savepoint; another one waits for the whole transaction."""
        savepoints = connection.savepoint_ids
        connection.savepoint_ids = []
        try:
            outermost = self._hook_here(connection)
        finally:
            connection.savepoint_ids = savepoints
        return self._hook_here(connection) if savepoints else outermost

    def _hook_here(self, connection: BaseDatabaseWrapper) -> _RowHook:
        savepoints = frozenset(connection.savepoint_ids)
        for hook in self._open_hooks():
            here = hook.connection() is connection and hook.savepoints == savepoints
            if here and isinstance(hook, _RowHook):
                return hook
        made = _RowHook(connection)
        made.uploads.append(self)
        self._hooks.append(weakref.ref(made))
        connection.on_commit(made)
        return made


class Hook:
    """Waits in a connection for COMMIT. Where it is dropped instead, that is the news."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = weakref.ref(connection)
        self.savepoints = frozenset(connection.savepoint_ids)
        self.uploads: list[Upload] = []
        self.has_row = False
        """Whether a row with the file was written and not taken back."""
        self.called = False

    def __call__(self) -> None:
        self.called = True
        self.committed()

    def committed(self) -> None:
        """Do what there is to be done after COMMIT."""

    def __del__(self) -> None:
        """Tell a rollback that the database confirmed from a connection that was lost.

        On its way to a dropped hook, Django clears `errors_occurred` when a ROLLBACK was answered, and
        leaves it set when the connection broke, at COMMIT perhaps: then the row may be there, now or
        soon. Inside the atomic block it is a savepoint that was rolled back.
        """
        connection = self.connection()
        if self.called:
            return
        if connection is None or (connection.errors_occurred and not connection.in_atomic_block):
            for upload in self.uploads:
                upload.doubtful = True


class _RowHook(Hook):
    """Waits for the COMMIT of one upload's row."""

    def committed(self) -> None:
        for upload in self.uploads:
            if self.has_row:
                upload.has_row(upload)


def is_historical(field: FileField) -> bool:
    """Say whether the field is that of a migration: its table may have another name than the model's now."""
    return field.model.__module__ == "__fake__"


def autocommits(connection: BaseDatabaseWrapper) -> bool:
    """Say whether a statement outside of atomic blocks is a transaction of its own."""
    if connection.connection is None:
        return bool(connection.settings_dict["AUTOCOMMIT"])
    return connection.autocommit


def in_transaction() -> bool:
    """Say whether this thread has a transaction open, on any database."""
    return any(
        connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
        for connection in connections.all(initialized_only=True)
    )
