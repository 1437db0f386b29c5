"""What a kernel's standard output and error are: a pipe that the kernel could read itself.

It is opened O_RDWR (fifo(7): Linux allows it), so the kernel's own descriptor is a reader too and nobody's death breaks
the pipe: no SIGPIPE while no process of graced lives. Past what a pipe holds (64 KiB) the kernel waits then. A pipe
cannot be truncated: `echo x > /dev/stderr` in a kernel adds a line, where O_TRUNC would empty a regular file.
"""

import os
import select
from collections.abc import Iterable
from typing import Final

OUTPUTS: Final = (1, 2)


def make() -> int:
    """A new pipe, as one descriptor that reads and writes (O_CLOEXEC). Raises OSError."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        return os.open(f"/proc/self/fd/{writer}", os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(reader)
        os.close(writer)


def again(fd: int, flags: int = os.O_RDWR) -> int:
    """The same pipe by an open file of its own: what one user of it sets (O_NONBLOCK) is not the others'.

    Raises OSError.
    """
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC)


def number(fd: int) -> int:
    """The inode of the pipe: its name in /proc/PID/fd, the same for every process, given once between two boots."""
    return os.fstat(fd).st_ino


def unread(fd: int) -> bool:
    """Is anything in it? By poll(2), which never waits for a reader in the middle of its work, as FIONREAD does."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def held_by(pid: int, numbers: Iterable[int] | None = None) -> dict[int, str]:
    """The pipes that a process has open, by inode: a path that opens each. Only among its descriptors `numbers`, if any
    are given; {} for a process that may not be looked at."""
    folder = f"/proc/{pid}/fd"
    found: dict[int, str] = {}
    try:
        names = os.listdir(folder) if numbers is None else [str(n) for n in numbers]
    except OSError:
        return found
    for name in names:
        path = f"{folder}/{name}"
        try:
            link = os.readlink(path)
        except OSError:
            continue
        if link.startswith("pipe:["):
            found[int(link[6:-1])] = path
    return found


def output_of(pid: int) -> str | None:
    """A path that opens the pipe which is a process's output and which it could read itself, as one of ours; None
    without one. Other pipes are open for one direction alone."""
    for path in held_by(pid, OUTPUTS).values():
        try:
            with open(path.replace("/fd/", "/fdinfo/")) as file:
                flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
        except (OSError, StopIteration, ValueError, IndexError):
            continue
        if flags & os.O_ACCMODE == os.O_RDWR:
            return path
    return None
