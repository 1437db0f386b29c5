"""What a worker does for state.db, as it takes fsync(2): make last second's commits durable, and empty the WAL.

`checkpoint` syncs the WAL, writes it back, syncs state.db and truncates the WAL, in that order. A WAL that is *reused*
instead of truncated could, with its new header unsynced, replay old pages after a power loss: that is why members do
not write back themselves (short of `opening.WAL_MAX_PAGES`).
"""

import os
import sqlite3
from typing import Final

from graced.store.opening import connect, inode_of

CHECKPOINT_BYTES: Final = 1024 * 1024
"""A WAL of this size is worth a checkpoint."""


def wanted(path: str) -> bool:
    """Whether a worker should call `checkpoint` now; costs one stat(2)."""
    try:
        return os.stat(f"{path}-wal").st_size >= CHECKPOINT_BYTES
    except OSError:
        return False


def checkpoint(path: str) -> bool:
    """Writes the WAL back into state.db and empties it, synced. It waits for the disk, never for a lock.

    Members that commit meanwhile keep their writes queued. False when something was in the way: try again later.
    """
    if inode_of(path) is None:
        return False
    try:
        conn = connect(path, "mode=rw")
    except sqlite3.Error:
        return False
    try:
        conn.execute("PRAGMA synchronous=FULL")
        busy: int = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy
    except sqlite3.Error:
        return False
    finally:
        conn.close()
