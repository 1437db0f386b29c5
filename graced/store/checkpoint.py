"""What a worker does for state.db, as it takes fsync(2): makes the last commits durable, and begins the WAL anew.

SQLite lets the next writer begin a WAL anew once all of it stands in state.db, and that writer must sync the new header
before it writes on: old pages behind a lost header would be replayed over newer ones. A member should not wait for that
sync, so the worker is the next writer itself: a read transaction keeps everyone else from beginning anew until the
worker has the write lock. Who kills the worker in between leaves that one sync to a member.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from typing import Final

from graced.store.opening import connect, inode_of, maker_lock, write_back_at_close
from graced.store.schema import version

CHECKPOINT_BYTES: Final = 1024 * 1024
"""A WAL of this size is worth a checkpoint."""

TRIES: Final = 3
"""Within one checkpoint. One comes to nothing when a member committed, or read, in the middle of it."""

WRITE_LOCK_S: Final = 1.0
"""How long the worker waits for the write lock, which a member holds for a millisecond, or a stopped one for ever."""


def wanted(path: str) -> bool:
    """Whether a worker should call `checkpoint` now; costs one stat(2)."""
    try:
        return os.stat(f"{path}-wal").st_size >= CHECKPOINT_BYTES
    except OSError:
        return False


def make_durable(paths: Iterable[str], database: str = "") -> None:
    """A sync worker's work: fdatasync of files, fsync of folders, then a checkpoint of `database` if it is `wanted`.

    A path that is gone is passed over. The process may not have `database` open, nor be forked from one that has.
    """
    for path in paths:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                (os.fsync if os.path.isdir(path) else os.fdatasync)(fd)
            finally:
                os.close(fd)
    if database and wanted(database):
        checkpoint(database)


def checkpoint(path: str) -> bool:
    """Writes the WAL back into state.db and begins it anew, all synced. It waits for the disk, and WRITE_LOCK_S at most
    for a lock. Members that commit meanwhile keep their writes queued.

    True when the WAL holds next to nothing now. False when something was in the way: try again later.
    """
    if inode_of(path) is None:
        return False
    try:
        with maker_lock(path):  # one checkpoint at a time, and none of a file that is being replaced
            return any(_begin_anew(path) for _ in range(TRIES))
    except sqlite3.Error:
        return False


def _begin_anew(path: str) -> bool:
    with contextlib.ExitStack() as stack:
        reader, copier, writer = (stack.enter_context(contextlib.closing(_synced(path))) for _ in range(3))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # nobody begins the WAL anew from here on
        _, in_wal, copied = copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        writer.execute("BEGIN IMMEDIATE")
        reader.execute("COMMIT")
        writer.execute(f"PRAGMA user_version={version(writer)}")  # what it is already: any write will do
        writer.execute("COMMIT")
        return bool(in_wal == copied and not wanted(path))


def _synced(path: str) -> sqlite3.Connection:
    conn = connect(path, "mode=rw")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute("PRAGMA wal_autocheckpoint=0")
    conn.execute("PRAGMA journal_size_limit=0")  # the file shrinks to what is used when it is begun anew
    conn.execute(f"PRAGMA busy_timeout={WRITE_LOCK_S * 1000:.0f}")
    write_back_at_close(conn, False)
    return conn
