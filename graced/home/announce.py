"""run/stopping: how a `graced stop` tells every healer to leave things alone. Read by `graced.home.stopping`.

It counts while the process that wrote it lives, or for ever once it says `done`. A stop must also work on a full disk,
where no file can be made: `make_spare` leaves one at start whose block is then overwritten and renamed.
"""

import contextlib
import os
from typing import Final

import msgspec

from graced.control.errors import Refusal
from graced.home.paths import Home
from graced.home.stopping import Announcement, read
from graced.posix import proc
from graced.posix.files import write_over
from graced.posix.padded_record import open_slot, write_slot

SPARE: Final = "stopping.spare"
SLOT_BYTES: Final = 256


def make_spare(home: Home) -> None:
    """Raises OSError."""
    fd = open_slot(os.path.join(home.run, SPARE))
    try:
        write_slot(fd, b"{}", SLOT_BYTES)
    finally:
        os.close(fd)


def announce(home: Home) -> bool:
    """Tells everyone that this process stops graced. False when the disk does not even take that."""
    return _write(home, done=False)


def conclude(home: Home) -> bool:
    """Nothing is left, and nothing is to be started by what may wake up late."""
    return _write(home, done=True)


def retract(home: Home) -> None:
    """Before a start: removes what a finished or dead stop left. Raises Refusal while a stop is at work."""
    at_work = other_stop(home)
    if at_work is not None:
        raise Refusal(f"graced is being stopped (by pid {at_work.pid}); start it when that is done")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(home.stopping)


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
