"""Locks between processes: flock(2) on a file that says who holds it.

A flock belongs to the open file, not to the process: a forked child that kept the descriptor keeps the lock, and an
unlock in a child would drop the parent's. So nothing here ever unlocks, it closes; and whoever wants to know the holder
reads the record, since a probe that locks makes a newborn believe that it came second.
"""

import contextlib
import os
import time
from types import TracebackType
from typing import Self

import msgspec

from graced.posix import proc
from graced.posix.flock import open_locked, same_file
from graced.posix.padded_record import read_slot, write_slot
from graced.posix.proc import Identity
from graced.posix.undecodable import UNDECODABLE

RETRY_S = 0.004
"""Wait of a newborn between two tries for its role."""

READ_TRIES = 16
"""Looks at a record that does not parse, in case a write was caught half way."""


class LockRecord(msgspec.Struct, frozen=True):
    """Who holds a lock. `incarnation` is 0 in restart locks."""

    pid: int
    incarnation: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, identity: Identity, incarnation: int = 0) -> "LockRecord":
        return cls(identity.pid, incarnation, identity.start_ticks, identity.boot_id)

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, self.boot_id)


def is_held_by(path: str, record: LockRecord) -> bool:
    """Is the process of a record alive, with this very lock file open?

    A copied file holds the record of a process that never saw the copy, and no record outlives its flock. Where it may
    not be looked at (another user's process) the record is believed.
    """
    return proc.alive(record.identity) and proc.has_open(record.pid, path) is not False


def read_record(path: str) -> LockRecord | None:
    """The record in a lock file; None when it is missing, blank or garbage.

    It stays after a role's holder died (the next incarnation is counted from it), and is copied with the home: who
    holds the lock is told by `is_held_by`.
    """
    for _ in range(READ_TRIES):
        data = read_slot(path)
        if data is None:
            return None
        if read_slot(path) != data:  # a look in the middle of a write may see a mixture that parses
            continue
        try:
            return msgspec.json.decode(data, type=LockRecord)
        except UNDECODABLE:
            continue
    return None


class HeldLock:
    """A lock that this process holds until `close`. Its descriptor is O_CLOEXEC."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd

    def write(self, record: LockRecord) -> None:
        """Writes into the file who holds the lock, by one pwrite of the padded record."""
        write_slot(self._fd, msgspec.json.encode(record))

    def still_mine(self) -> bool:
        """Does the path still name the locked file? Once it does not (run/ was deleted), the lock excludes nobody."""
        return self._fd >= 0 and same_file(self._fd, self.path)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        """Closes the descriptor; the lock is free once no forked child has it either. A second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RoleLock(HeldLock):
    """Held by a member for as long as it lives."""

    @classmethod
    def take(cls, path: str, patience_s: float = 0.2) -> "RoleLock | None":
        """Tries for `patience_s` seconds (this blocks: newborns only), as a predecessor may be dying still.

        None when another holds it; OSError when run/ is missing, or the file can be neither opened nor made.
        """
        give_up = time.monotonic() + patience_s
        while True:
            fd = open_locked(path)
            if fd is not None:
                return cls(path, fd)
            if time.monotonic() >= give_up:
                return None
            time.sleep(RETRY_S)


class RestartLock(HeldLock):
    """Held for one restart. Its record is blanked on close, so that a record names a holder, or one that was killed."""

    def close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                write_slot(self._fd, b"")
            super().close()


def take_now(path: str, record: LockRecord) -> RestartLock | None:
    """Takes a restart lock at once and writes who holds it; None when another does (see `holder`). Raises OSError."""
    fd = open_locked(path)
    if fd is None:
        return None
    lock = RestartLock(path, fd)
    # A new lock file on a full disk: the lock holds without its record, and recovery must go on.
    with contextlib.suppress(OSError):
        lock.write(record)
    return lock


def holder(path: str) -> LockRecord | None:
    """Who holds a restart lock; None when nobody does, its holder has not written yet, or may not write."""
    record = read_record(path)
    return record if record is not None and is_held_by(path, record) else None
