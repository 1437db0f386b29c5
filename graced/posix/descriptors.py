"""What descriptors a process has, and which of them a newborn gets."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

FIRST_FD = 3
"""The standard three are never closed, only replaced."""

MAX_TARGET_FD = 1 << 16
"""A descriptor number asked for a kernel must be below this."""

_SYS_CLOSE_RANGE = 436
"""The same on every architecture, as of all system calls since 424."""

_CLOSE_RANGE_CLOEXEC = 4
_UINT_MAX = 0xFFFFFFFF

Action = tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]
"""A file action as os.posix_spawn takes it."""


def open_fds() -> list[int]:
    """Descriptors of this process from 3 up, ascending; the last may be that of the listing itself."""
    return sorted(fd for name in os.listdir("/proc/self/fd") if (fd := int(name)) >= FIRST_FD)


@cache
def _libc() -> "ctypes.CDLL":
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def seal_fds() -> None:
    """Marks every descriptor from 3 up as close-on-exec: those that this process inherited, and any a library made.

    One close_range(2), however many there are; one fcntl(2) each before Linux 5.11.
    """
    if _libc().syscall(_SYS_CLOSE_RANGE, FIRST_FD, _UINT_MAX, _CLOSE_RANGE_CLOEXEC) == 0:
        return
    for fd in open_fds():
        with contextlib.suppress(OSError):  # that of the listing, closed by now
            os.set_inheritable(fd, False)


def close_all_but(keep: Iterable[int]) -> None:
    """Closes every descriptor from 3 up that is not in `keep`: the first thing a forked child does.

    One close_range(2) for each gap.
    """
    fds = open_fds()
    low = FIRST_FD
    for fd in sorted({fd for fd in keep if fd >= FIRST_FD}):
        os.closerange(low, fd)
        low = fd + 1
    if fds:
        os.closerange(low, fds[-1] + 1)


class ChildFds:
    """What goes where in a newborn: 0 is /dev/null, 1 and 2 the log, then the kept ones, and nothing else.

    A source whose own number is another's target is moved out of the way first, so that the order does not matter.
    Used as a context, for the length of the birth; it seals the descriptors of this process (`seal_fds`).
    """

    def __init__(self, log_fd: int, keep: Iterable[tuple[int, int]]) -> None:
        self.moves = [(log_fd, 1), (log_fd, 2), *keep]
        self._targets = {target for _, target in self.moves} | {0}
        self.above = max(self._targets) + 1
        """The first number that nothing is moved to."""
        if len(self._targets) != len(self.moves) + 1:
            raise OSError(errno.EINVAL, "descriptors: two for one number")
        if self.above > MAX_TARGET_FD:
            raise OSError(errno.EBADF, f"descriptors: {self.above - 1} is too large a number")
        self._moved: list[int] = []
        self._null = -1

    def __enter__(self) -> "ChildFds":
        try:
            self._moved.append(null := os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            # Nothing is opened in the newborn itself: its limit may be lower than what this process has open.
            self._null = self._out_of_the_way(null, 0) if null in self._targets else null
            self.moves = [(self._out_of_the_way(source, target), target) for source, target in self.moves]
        except BaseException:
            self.__exit__()
            raise
        # All others close by themselves, at the exec and no sooner: until then a newborn holds the role lock of its
        # spawner, and that is how the next spawner knows that it has to wait for a birth.
        seal_fds()
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._moved:
            os.close(fd)
        self._moved.clear()

    def _out_of_the_way(self, source: int, target: int) -> int:
        if source == target or source not in self._targets:
            return source
        copy = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, self.above)
        self._moved.append(copy)
        return copy

    def actions(self) -> list[Action]:
        """As file actions of posix_spawn(3), which clears O_CLOEXEC also where both numbers are equal."""
        return [
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            *((os.POSIX_SPAWN_DUP2, source, target) for source, target in self.moves),
        ]

    def apply(self, null_fd: int) -> None:
        """Puts the descriptors in their places in a forked child."""
        os.dup2(null_fd, 0)
        for source, target in self.moves:
            if source == target:
                os.set_inheritable(target, True)
            else:
                os.dup2(source, target)
