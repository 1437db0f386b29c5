"""How many descriptors this process may open, and a few that are kept back for when all are gone.

graced raises its own soft limit; what it gives birth to gets the limit that graced was started with, as a program that
closes all descriptors up to its limit, or waits by select(2), counts on.
"""

import contextlib
import os
import resource
from collections.abc import Iterator
from typing import Final

OPEN_FILES: Final = 65536
"""What the soft limit is raised to, where the hard one allows it."""

RESERVE: Final = 6
"""Kept back: a pidfd, a lock, a log, a file of /proc, two for a birth."""

HEADROOM: Final = 12
"""Descriptors below the limit that what could be done without is not to take: the reserve, and as many for work."""

_given: list[int] = []


def raise_open_files() -> None:
    """Once, in the first process of graced; forked children inherit both the limit and the memory of the old one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if not _given and soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            _given.append(soft)


def given_open_files() -> int | None:
    """The soft limit that graced was started with; None where it was not raised."""
    return _given[0] if _given else None


@contextlib.contextmanager
def as_given() -> Iterator[None]:
    """The old limit, for the instant of a birth that can set none. Descriptors that are open stay so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _given or _given[0] == soft:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (_given[0], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_scarce(fd: int) -> bool:
    """Is this one, the lowest that was free, so near to the limit that only what must be open may be?"""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft != resource.RLIM_INFINITY and fd >= soft - HEADROOM


class Reserve:
    """Descriptors that are open for nothing, so that there are some when the table is full."""

    def __init__(self) -> None:
        self._fds: list[int] = []

    def hold(self) -> bool:
        """Fills it up; False when that cannot be done now, and then nothing is held."""
        try:
            while len(self._fds) < RESERVE:
                self._fds.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
