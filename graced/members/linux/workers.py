"""Long work of a member in a process of its own: titled `graced: MEMBER worker [HOME]`, no role, ends with its member
unless it is told to outlive it."""

import contextlib
import gc
import os
import signal
from collections.abc import Callable
from typing import Final

from graced.members.linux.loop import Loop
from graced.members.timers import Timers
from graced.members.troubles import PASSING, words
from graced.members.work import Stream, Work
from graced.posix import proc
from graced.posix.descriptors import close_all_but

READ_BYTES: Final = 1 << 20


class Workers:
    """`title`: of their processes."""

    def __init__(self, title: str, loop: Loop, timers: Timers) -> None:
        self._title, self._loop, self._timers = title, loop, timers

    def run(self, work: Work, timeout: float, done: Callable[[bytes], None]) -> bool:
        return self.start(lambda fd: answer(fd, work.do()), timeout, done)

    def start(
        self, work: Callable[[int], None], timeout: float, done: Callable[[bytes], None],
        keep: tuple[int, ...] = (), outlives: bool = False,
    ) -> bool:  # fmt: skip
        """`done` gets what `work` writes to its descriptor. False when no worker can be forked."""
        try:
            pid, fd = start(self._title, work, keep, outlives)
        except OSError:
            return False
        self.collect(pid, fd, timeout, done)
        return True

    def collect(self, pid: int, fd: int, timeout: float, done: Callable[[bytes], None]) -> None:
        """Read a child's output; `done` gets all of it at its end, what came so far after `timeout`."""
        parts: list[bytes] = []
        over = [False]

        def finish() -> None:
            if not over[0]:
                over[0] = True
                self._loop.drop(fd)
                os.close(fd)
                done(b"".join(parts))

        def readable() -> None:
            with contextlib.suppress(BlockingIOError):
                data = os.read(fd, READ_BYTES)
                if data:
                    parts.append(data)
                else:
                    finish()

        def late() -> None:
            if not over[0]:
                identity = proc.identify(pid)
                if identity is not None and proc.parent_of(pid) == os.getpid():
                    proc.signal_identity(identity, signal.SIGKILL)
                finish()

        self._loop.add(fd, readable)
        if timeout > 0:
            self._timers.after(timeout, late)

    def follow(self, stream: Stream, told: Callable[[], None], ended: Callable[[], None]) -> bool:
        try:
            _, fd = start(self._title, stream.follow)
        except OSError:
            return False

        def readable() -> None:
            with contextlib.suppress(BlockingIOError):
                if os.read(fd, READ_BYTES):
                    told()
                    return
                self._loop.drop(fd)
                os.close(fd)
                ended()

        self._loop.add(fd, readable)
        return True


def start(
    title: str, work: Callable[[int], None], keep: tuple[int, ...] = (), outlives: bool = False
) -> tuple[int, int]:
    """Fork a worker that calls `work(fd)` and ends; what it writes to fd is read from the descriptor returned.

    The worker dies with its member, unless it `outlives` it: the kernel tells it (PR_SET_PDEATHSIG). `keep`: further
    descriptors that it has. Returns (pid, fd); raises OSError.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid:
        os.close(writer)
        os.set_blocking(reader, False)
        return pid, reader
    try:
        proc.set_title(title)
        gc.disable()  # garbage of the parent's, a socket say, must not close numbers that are others' by now
        signal.set_wakeup_fd(-1)
        close_all_but((writer, *keep))
        if not outlives:
            _die_with(parent)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        work(writer)
    except PASSING as error:
        os.write(2, f"{title}: {words(error)}\n".encode(errors="replace"))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _die_with(parent: int) -> None:
    proc.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def answer(fd: int, result: bytes) -> None:
    """In a worker: send the whole answer."""
    data = memoryview(result)
    while data:
        data = data[os.write(fd, data) :]
