"""flock(2) alone, without the records that `locks` adds: what a new spawner needs in its first milliseconds.

Imports nothing but the interpreter's own: under systemd the time to READY is mostly imports.
"""

import fcntl
import os

from graced.posix.padded_record import open_slot

REPLACED_TRIES = 5
"""How often in a row a lock file may be replaced under us before the lock counts as taken."""


def lock_now(fd: int) -> bool:
    """Takes the exclusive flock at once or not at all; True when this open file holds it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(fd: int, path: str) -> bool:
    """Whether `path` still names the file that `fd` has open."""
    try:
        there = os.stat(path)
    except OSError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def open_locked(path: str) -> int | None:
    """A descriptor that holds the flock of the file that `path` names now, or None when another holds it."""
    for _ in range(REPLACED_TRIES):
        fd = open_slot(path)
        if not lock_now(fd):
            os.close(fd)
            return None
        if same_file(fd, path):
            return fd
        os.close(fd)  # the file was deleted or replaced between open and lock: that lock excludes nobody
    return None
