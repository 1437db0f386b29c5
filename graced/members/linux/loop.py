"""What a loop waits for beside its sockets: descriptors in one epoll, and signals through a pipe."""

import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import Final

Call = Callable[[], None]
SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Loop:
    """One epoll, whose own descriptor sits in the ZeroMQ poll: a turn costs no more with more of them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Call] = {}
        self._signals = -1  # the descriptor that tells of them

    def fileno(self) -> int:
        return self._epoll.fileno()

    def add(self, fd: int, call: Call) -> None:
        """Call `call` whenever fd is readable."""
        self._readers[fd] = call
        self._epoll.register(fd, select.EPOLLIN)

    def drop(self, fd: int) -> None:
        """Before the descriptor is closed."""
        if self._readers.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def dispatch(self) -> None:
        """Signals first: a kernel whose end SIGCHLD tells of is started before a member's death is dealt with."""
        ready = self._epoll.poll(0)
        for fd, _ in sorted(ready, key=lambda item: item[0] != self._signals):
            call = self._readers.get(fd)
            if call is not None:
                call()

    def on_signals(self, call: Callable[[set[int]], None]) -> None:
        """Signals reach the loop as bytes in a pipe (signal.set_wakeup_fd), never in the middle of anything."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

        def readable() -> None:
            with contextlib.suppress(BlockingIOError):
                call(set(os.read(reader, 4096)))

        self.add(reader, readable)
        self._signals = reader
