"""run/stopping: how a `graced stop` tells every healer to leave things alone, before it touches anything.

It counts while the process that wrote it lives, or for ever once it says `done`. A stop must also work on a full disk,
where no file can be made: `make_spare` leaves one at start whose block is then overwritten and renamed.
"""

import contextlib
import os
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.posix import proc
from graced.posix.files import read_small, write_over
from graced.posix.padded_record import open_slot, write_slot
from graced.posix.undecodable import UNDECODABLE

SPARE: Final = "stopping.spare"
SLOT_BYTES: Final = 256
ANNOUNCEMENT_BYTES: Final = 4096


class Announcement(msgspec.Struct, frozen=True):
    """Who stops graced. `done`: nothing is left, and nothing is to be started by what may wake up late."""

    pid: int
    start_ticks: int
    boot_id: str
    done: bool = False


def read(home: Home) -> Announcement | None:
    """The announcement as it stands; None without one or when it cannot be read."""
    try:
        return msgspec.json.decode(read_small(home.stopping, ANNOUNCEMENT_BYTES), type=Announcement)
    except (OSError, *UNDECODABLE):
        return None


def announced(home: Home) -> bool:
    """Is a stop under way, or finished? One that died midway counts no more: healing resumes."""
    if not os.path.exists(home.stopping):
        return False
    found = read(home)
    if found is None:
        return False
    return found.done or proc.alive(proc.Identity(found.pid, found.start_ticks, found.boot_id))


# --- by whoever stops, or starts


def make_spare(home: Home) -> None:
    """Makes the spare file that `_write` uses when the disk is full. Raises OSError."""
    fd = open_slot(os.path.join(home.run, SPARE))
    try:
        write_slot(fd, b"{}", SLOT_BYTES)
    finally:
        os.close(fd)


def announce(home: Home) -> bool:
    """Tells everyone that this process stops graced. False when the disk does not even take that."""
    return _write(home, done=False)


def conclude(home: Home) -> bool:
    """Announces that the stop is over: nothing is left, and whoever wakes up late starts nothing."""
    return _write(home, done=True)


def retract(home: Home) -> proc.Identity | None:
    """Before a start: removes the announcement of a stop that is finished or dead.

    Returns the process of a stop that is still at work, and removes nothing then; None otherwise.
    """
    at_work = other_stop(home)
    if at_work is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(home.stopping)
    return at_work


def other_stop(home: Home) -> proc.Identity | None:
    """The process of a stop that is at work now, if it is not this one."""
    found = read(home)
    if found is None or found.done or found.pid == os.getpid() or not home.is_ours():  # in a copy: a stop of the other
        return None
    identity = proc.Identity(found.pid, found.start_ticks, found.boot_id)
    return identity if proc.alive(identity) else None


def _write(home: Home, done: bool) -> bool:
    me = proc.me()
    data = msgspec.json.encode(Announcement(me.pid, me.start_ticks, me.boot_id, done))
    with contextlib.suppress(OSError):
        write_over(home.stopping, data, durable=False)
        return True
    spare = os.path.join(home.run, SPARE)
    for path in (spare, home.stopping):  # the second: it was written in place of the first before
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                write_slot(fd, data, SLOT_BYTES)
            finally:
                os.close(fd)
            if path != home.stopping:
                os.rename(path, home.stopping)
            return True
    return False
