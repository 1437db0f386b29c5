"""Whose a process is that hangs below one of ours, but says of itself that it is another's.

A kernel may be a shell or an agent that runs `graced start` in another project: that graced is the child of our
spawner then, as every orphan below it is, and belongs to its own home all the same. So does a `graced stop` of ours
that was asked for from inside: it is at work, and nobody's leftover.
"""

import os

from graced.home.paths import Home
from graced.home.stopping import read as read_announcement
from graced.home.titles import parse
from graced.posix import proc
from graced.posix.scan import HOME_TAG
from graced.posix.shortage import unless_short

_TAG = HOME_TAG.encode() + b"="


NOBODY_S = "-"
"""No id is like this."""


class Foreign:
    """Says of a pid whether it must be left alone when what is ours is ended (a `Spare` of graced.posix.scan)."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._root = os.path.realpath(home.root)
        # In a copy whatever bears a mark is of another home; where the id cannot be read there is no telling.
        self._id = (home.known_id() or ("" if home.is_ours() else NOBODY_S)).encode()

    def __call__(self, pid: int) -> bool:
        return self.is_another_home_s(pid) or self.is_stopper(pid)

    def is_another_home_s(self, pid: int) -> bool:
        """By the mark in its environment, or, of a member, by its title."""
        return self.says_so(_slurp(f"/proc/{pid}/environ"), _slurp(f"/proc/{pid}/cmdline"))

    def says_so(self, environ: bytes, cmdline: bytes) -> bool:
        title = parse(cmdline)
        if title is not None:
            return title.home != self._home.root and os.path.realpath(title.home) != self._root
        start = (b"\0" + environ).find(b"\0" + _TAG)
        if start < 0 or not self._id:
            return False
        return environ[start + len(_TAG) :].partition(b"\0")[0] != self._id

    def is_stopper(self, pid: int) -> bool:
        """Is it the process that has announced a stop of this home?"""
        found = read_announcement(self._home)
        return found is not None and found.pid == pid and not found.done and found.start_ticks == proc.start_ticks(pid)


def _slurp(path: str) -> bytes:
    try:
        return proc.slurp(path)
    except OSError as error:
        unless_short(error)
        return b""
