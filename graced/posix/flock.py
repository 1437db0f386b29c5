"""flock(2) alone, without the records that `locks` adds: what a new spawner needs in its first milliseconds.

A lock file that exists needs no right to write: flock(2) takes a descriptor that only reads, so that a file system that
has become read-only, or has no free inode, takes nobody's lock away.

Imports nothing but the interpreter's own: under systemd the time to READY is mostly imports.
"""

import errno
import fcntl
import os
import stat

from graced.posix.files import set_aside
from graced.posix.padded_record import open_slot

REPLACED_TRIES = 5
"""How often in a row a lock file may be replaced under us before the lock counts as taken."""


READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
"""What open(2) says where a file may be read, and not be written or made."""


def open_lock_file(path: str) -> int:
    """A descriptor (O_CLOEXEC) of a lock file, made 0600 when missing; one that only reads where it may not be written.

    Raises OSError, with the path as its `filename`: what is no regular file is no lock.
    """
    try:
        fd = open_slot(path)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:  # it cannot be made: the first error says why
            raise error from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a file, so it cannot be locked", path)
    return fd


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


IN_THE_WAY = (errno.EACCES, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.ELOOP)
"""What open(2) says of another user's file, a folder, a FIFO, a socket, a circle of links in the place of a lock."""


def open_locked(path: str) -> int | None:
    """A descriptor that holds the flock of the file that `path` names now, or None when another holds it.

    What stands in its place and is no lock of ours is set aside (PATH.aside-N), where the folder is ours. Raises
    OSError, with `filename`, when there is no telling: the file can neither be opened nor made.
    """
    for _ in range(REPLACED_TRIES):
        try:
            fd = open_lock_file(path)
        except OSError as error:
            if error.errno not in IN_THE_WAY or not _out_of_the_way(path):
                raise
            continue
        if not lock_now(fd):
            os.close(fd)
            return None
        if same_file(fd, path):
            return fd
        os.close(fd)  # the file was deleted or replaced between open and lock: that lock excludes nobody
    return None


def _out_of_the_way(path: str) -> bool:
    try:
        set_aside(path)
    except OSError:
        return False
    return True
