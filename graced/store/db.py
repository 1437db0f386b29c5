"""`Store`: state.db as a member or a command sees it. It never blocks and never fails for want of a disk.

What cannot be written now waits in memory, in order, and is tried again by `flush` on the caller's timer. So a process
sees its own writes in two places: in the database once written, and until then as *effects* of the queue, which the
readers of counters, kernels, runs and leases apply (`tables`). Incidents, tasks and scanned files are seen when they
are written: nobody decides by them before, and a task is claimed in a transaction that writes the queue first.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, TypeVar

from graced.store.file import File, Remedy
from graced.store.opening import shared_of
from graced.store.queue import Effect, Entry, Statement, WriteQueue

T = TypeVar("T")

RETRY_S: Final = 0.003
"""Between two tries of somebody who may wait (newborns, commands)."""

HEALS_MAX: Final = 3
"""Remedies within one call: look again, set aside, find the new one replaced as well."""

WRITE_LOCK_BYTE: Final = 120
"""Of the -shm file, what SQLite locks to write a WAL (WALINDEX_LOCK_OFFSET in its wal.c)."""


class Store:
    """state.db at `path`, opened at the first use. For one thread of one process.

    `patience_s`: how long one call may wait for others; 0 in members, whose loops must not.
    `readonly`: for commands; makes nothing, and what cannot be read is [].
    """

    def __init__(self, path: str, readonly: bool = False, patience_s: float = 0.0, deferred: bool = False) -> None:
        self.path = path
        self.deferred = deferred
        self.patience_s = patience_s
        self._file = File(path, readonly)
        self._queue = WriteQueue()
        self._unsynced = False

    # --- what is known

    @property
    def degraded(self) -> bool:
        """Did the last try to read or write the database fail? That another process was writing does not count."""
        return bool(self._file.trouble)

    @property
    def trouble(self) -> str:
        """Why it is degraded, in a sentence; "" when it is not."""
        return self._file.trouble

    @property
    def findings(self) -> list[str]:
        """Sentences about a damaged or vanished file, each reported once, to be taken away by the caller."""
        return self._file.findings

    @property
    def generation(self) -> int:
        """Counts the files that were open under this path, from 1. When it grows, rows may have been lost: whoever has
        rows of his own in memory writes them again."""
        return self._file.generation

    @property
    def pending(self) -> int:
        """Writes that wait in memory."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Writes that were lost because too many waited."""
        return self._queue.dropped

    # --- writing

    def write(
        self,
        sql: str,
        params: tuple[Any, ...] | list[tuple[Any, ...]] = (),
        *,
        key: Hashable | None = None,
        table: str = "",
        effect: Effect | None = None,
        note: Any = None,
    ) -> bool:
        """Queues one statement (with a list of parameters: executed for each) and tries at once, as `write_all`."""
        return self.write_all(((sql, params),), key=key, table=table, effect=effect, note=note)

    def write_all(
        self,
        statements: tuple[Statement, ...],
        *,
        key: Hashable | None = None,
        table: str = "",
        effect: Effect | None = None,
        note: Any = None,
    ) -> bool:
        """Queues statements that belong together and tries at once; True when nothing waits any more.

        With a `key` they take the place of what waits under it (`waiting` gives its `note`). `effect` does to rows of
        `table` in memory what they do to those on disk. Raises sqlite3.Error for SQL that is wrong, never for what the
        disk does.
        """
        assert not self._file.readonly, "this store was opened to read"
        self._queue.put(Entry(statements, table, effect, note), key)
        return False if self.deferred else self.flush()

    def flush(self) -> bool:
        """Tries to write what waits, in one transaction; True when nothing waits any more."""
        if not self._queue:
            return True
        waiting = self._queue.items()
        last_tried = 0

        def commit(conn: sqlite3.Connection) -> bool:
            nonlocal last_tried
            conn.execute("BEGIN IMMEDIATE")
            for last_tried, (_, entry) in enumerate(waiting):  # noqa: B007
                for sql, params in entry.statements:
                    (conn.executemany if isinstance(params, list) else conn.execute)(sql, params)
            conn.execute("COMMIT")
            return True

        try:
            written = self._try(commit)
        except sqlite3.Error:
            self._queue.remove(waiting[last_tried][0])  # or it would raise for ever
            raise
        if not written:
            return False
        self._queue.clear()
        self._unsynced = True
        self._file.fine()
        return True

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` returns, run in a write transaction after all that waits; None when it cannot be had now."""
        if not self.flush():
            return None

        def commit(conn: sqlite3.Connection) -> T:
            conn.execute("BEGIN IMMEDIATE")
            result = work(conn)
            conn.execute("COMMIT")
            self._unsynced = True
            self._file.fine()
            return result

        return self._try(commit)

    # --- reading

    def read(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows; [] when there is no database yet, and [] with `degraded` when it cannot be read now.

        What waits in the queue is not in them (`effects`). Raises sqlite3.Error for SQL that is wrong.
        """
        rows = self._try(lambda conn: conn.execute(sql, params).fetchall())
        if rows is not None:
            if not self._queue:
                self._file.fine()
            return rows
        if not self._file.absent and not self._file.trouble:
            self._file.trouble = "state.db: another process keeps it from being read"
        return []

    def effects(self, table: str) -> Iterator[Effect]:
        """The effects of the writes that wait for `table`, in order, for rows that were read, by primary key."""
        return self._queue.effects(table)

    def waiting(self, key: Hashable) -> Any:
        """The note of what waits under `key`; None when nothing does."""
        entry = self._queue.get(key)
        return None if entry is None else entry.note

    # --- the file

    def open(self, wait_s: float = 0.0) -> bool:
        """Opens the file now; a newborn may give it time to wait for others. True when it can be read."""
        before, self.patience_s = self.patience_s, max(wait_s, self.patience_s)
        try:
            return self._try(lambda conn: True) is True
        finally:
            self.patience_s = before

    def look(self) -> None:
        """Checks, between uses, whether the file was replaced or lost a part; see `generation` and `findings`."""
        with contextlib.suppress(sqlite3.Error):
            self._file.look()

    def close(self) -> None:
        """Closes the database. The last process to close it writes the WAL back, synced, and may wait for the disk."""
        self._file.close()

    def release(self) -> None:
        """Closes the connection between writes. It may wait for the disk where no other process has the file open.

        For a process that forks: SQLite's own tables of open files and locks must not be carried into a child, which
        would take them for its own when it opens the same database.
        """
        self._file.drop()

    def forget(self) -> None:
        """In a forked child, before it opens any file: the connection and the queue are the parent's.

        The next use opens anew. To be called whether the child closes inherited descriptors before or after it.
        """
        self._file.forget()
        self._file = File(self.path, self._file.readonly)
        self._queue = WriteQueue()
        self._unsynced = False

    @property
    def dirty(self) -> bool:
        """Whether something was committed that no worker has been given to sync."""
        return self._unsynced

    def sync_target(self) -> list[str]:
        """Paths for a worker (`checkpoint.make_durable`), at most once a second; one may be gone. Clears `dirty`.

        The WAL, where commits are; state.db and its folder too, as both files may have been made since.
        """
        dirty, self._unsynced = self._unsynced, False
        return [self.path, f"{self.path}-wal", os.path.dirname(self.path)] if dirty else []

    def holder(self) -> int | None:
        """The pid of the process that holds SQLite's write lock now, as far as /proc/locks tells; None without one.

        A member whose writes keep waiting asks whether that process is stopped.
        """
        shm = shared_of(self.path)
        if shm is None:
            return None
        with contextlib.suppress(OSError), open("/proc/locks", encoding="ascii") as locks:
            for line in locks:
                # 1: POSIX  ADVISORY  WRITE 4711 fe:01:131842 120 120
                field = line.split()
                if field[1] != "POSIX" or field[3] != "WRITE" or int(field[5].rpartition(":")[2]) != shm[1]:
                    continue
                if int(field[6]) <= WRITE_LOCK_BYTE and (field[7] == "EOF" or int(field[7]) >= WRITE_LOCK_BYTE):
                    return int(field[4])
        return None

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` returns; None when the database cannot be had now. Raises sqlite3.Error for wrong SQL only."""
        give_up = time.monotonic() + self.patience_s
        heals = 0
        while True:
            conn = None
            try:
                conn = self._file.connection()
                return None if conn is None else work(conn)
            except sqlite3.Error as error:
                _rollback(conn)
                remedy = self._file.judge(error)
                if remedy is Remedy.MISTAKE:
                    raise
                if remedy is Remedy.HEALED and heals < HEALS_MAX:
                    heals += 1
                elif remedy is Remedy.BUSY and time.monotonic() < give_up:
                    time.sleep(RETRY_S)
                else:
                    return None
            except BaseException:
                _rollback(conn)
                raise


def _rollback(conn: sqlite3.Connection | None) -> None:
    if conn is not None and conn.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            conn.execute("ROLLBACK")
