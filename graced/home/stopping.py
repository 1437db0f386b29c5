"""`graced stop` announces itself in run/stopping before it touches anything; everybody else obeys it."""

import os
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.posix import proc
from graced.posix.files import read_small
from graced.posix.undecodable import UNDECODABLE

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
