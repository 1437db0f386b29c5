"""state.db while it is open: is it still the file that the path names, and what to do about an error."""

import os
import sqlite3
from enum import Enum
from typing import Final

from graced.store.errors import CONTENTION, DAMAGE, PASSING, Newer, primary
from graced.store.opening import (
    Inode,
    Lost,
    Sides,
    inode_of,
    open_reader,
    open_writer,
    rescue,
    set_aside,
    sides_of,
    whole,
    write_back_at_close,
)
from graced.store.schema import VERSION, version

BUSY_IS_TROUBLE: Final = 20
"""Tries in a row that found another process writing, after which it counts as trouble: that process may be stopped."""


class Remedy(Enum):
    """What to do after an error."""

    MISTAKE = "raise: the SQL is wrong"
    HEALED = "try again at once"
    BUSY = "try again soon"
    TROUBLE = "try again on the timer"


class File:
    """The connection of one thread of one process. `trouble`, `findings` and `generation` are as `Store` tells."""

    def __init__(self, path: str, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self.trouble = ""
        self.findings: list[str] = []
        self.generation = 0
        self._conn: sqlite3.Connection | None = None
        self._inode: Inode | None = None
        self._sides: Sides = (None, None)
        self._busy = 0
        self._suspected = False  # damage was met, and a second look found none
        self._waiting = False  # the last try to open it failed

    @property
    def absent(self) -> bool:
        """There is nothing to read, and none of this process's business to make it."""
        return self.readonly and inode_of(self.path) is None

    def connection(self) -> sqlite3.Connection | None:
        """A connection to the file that the path names now; None when it is `absent`. Raises sqlite3.Error."""
        if self._conn is not None:
            if self._intact():
                return self._conn
            self._rescue(self._conn)
            self.drop()
        self._waiting = True
        opened = open_reader(self.path) if self.readonly else open_writer(self.path)
        if opened is None:
            return None
        if opened.created and self.generation:
            self.findings.append("state.db was removed while graced ran: a new one was begun, what was in it is lost")
        # A new file may have got the numbers of the one that was lost.
        if opened.created or (opened.inode, opened.sides[0]) != (self._inode, self._sides[0]):
            self.generation += 1
        self._waiting = False
        self._conn, self._inode, self._sides = opened.conn, opened.inode, opened.sides
        return self._conn

    def look(self) -> None:
        """Notices, between uses, what was taken away from under an open connection. Raises sqlite3.Error."""
        if self._conn is not None or self._waiting:
            self.connection()

    def _intact(self) -> bool:
        same = inode_of(self.path) == self._inode and sides_of(self.path) == self._sides
        return same and not self._emptied_file()

    def _emptied_file(self) -> bool:
        """Truncated by somebody: in WAL mode even a new one has a page."""
        try:
            return os.stat(self.path).st_size == 0 and not self.readonly
        except OSError:
            return False

    def _rescue(self, conn: sqlite3.Connection) -> None:
        """While the file has its name, what this connection sees is put in its place, for all to open anew.

        When that is not whole any more, the file is set aside. Another process may be quicker. Raises sqlite3.Error
        when it cannot be done now: the connection, which is all that knows it, stays open.
        """
        if self.readonly or self._inode is None or inode_of(self.path) != self._inode:
            return
        if sides_of(self.path)[1] == self._sides[1] and not self._emptied_file():
            return  # the -shm alone: it is made from the WAL
        try:
            if rescue(self.path, self._inode, conn):
                self.findings.append("state.db lost its WAL or its content while graced ran: it was written anew")
        except Lost as error:
            aside = set_aside(self.path, self._inode)
            if aside is not None:
                self.findings.append(
                    f"state.db was damaged ({error}): it was set aside as {aside}, a new one was begun"
                )

    def drop(self) -> None:
        """Closes the connection. SQLite knows when its file has moved, and leaves the -wal of a new one alone."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def close(self) -> None:
        """Closes in good order: the last of all to close writes the WAL back, synced. It may wait for the disk."""
        if self._conn is not None:
            write_back_at_close(self._conn, True)
        self.drop()

    def forget(self) -> None:
        """In a forked child, before it opens any file: gives up what it inherited.

        SQLite knows the locks and shared memory of a *process* by inode, so a new connection of the child would build
        on those of the parent, unless the inherited one was closed first. That harms nobody, with the descriptors
        closed or not: the child's locks are not the parent's, and the parent's keep it from writing the WAL back.
        """
        self.drop()

    # --- errors

    def fine(self) -> None:
        """Notes that a read or write has worked: there is no trouble any more."""
        self.trouble = ""
        self._busy = 0
        self._suspected = False

    def judge(self, error: sqlite3.Error) -> Remedy:
        """Notes what an error says of the file, and heals what can be healed."""
        code = primary(error)
        self._busy = self._busy + 1 if code in CONTENTION else 0
        if code in CONTENTION:
            if self._busy >= BUSY_IS_TROUBLE:
                self.trouble = f"state.db: {PASSING[code]} ({error})"
            return Remedy.BUSY
        if code in DAMAGE:
            return self._heal(str(error))
        if code in PASSING:
            self.trouble = str(error) if isinstance(error, Newer) else f"state.db: {PASSING[code]} ({error})"
            return Remedy.TROUBLE
        # A reader that comes while the schema is being made looks again; a writer makes it itself.
        unmade = self.readonly and "no such table" in str(error)
        if code == sqlite3.SQLITE_ERROR and (unmade or self._emptied()):
            self.drop()
            self._inode = None
            return Remedy.HEALED
        return Remedy.MISTAKE

    def _emptied(self) -> bool:
        """Whether tables are missing because the file was truncated, or overwritten by another, in its place."""
        if self._conn is None:
            return False
        try:
            return version(self._conn) != VERSION
        except sqlite3.Error:
            return True

    def _heal(self, why: str) -> Remedy:
        """Damage: look again with fresh eyes (the -shm may have been at fault), then set the file aside."""
        inode = self._inode if self._conn is not None else inode_of(self.path)
        self.trouble = f"state.db is damaged: {why}"
        self.drop()
        if self.readonly or inode is None:
            return Remedy.TROUBLE
        if not self._suspected and whole(self.path):
            self._suspected = True
            return Remedy.HEALED
        try:
            aside = set_aside(self.path, inode)
        except sqlite3.Error:
            return Remedy.BUSY
        if aside is not None:
            self.findings.append(f"state.db was damaged ({why}): it was set aside as {aside}, a new one was begun")
        return Remedy.HEALED
