"""What a loop waits for beside its sockets: descriptors in one epoll, signals through a pipe, and timers."""

import contextlib
import heapq
import os
import select
import signal
from collections.abc import Callable
from typing import Final

from graced.core.state import INFINITY
from graced.posix.clock import monotonic

Call = Callable[[], None]
SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class PollSet:
    """One epoll, whose own descriptor sits in the ZeroMQ poll: a turn costs no more with more of them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Call] = {}
        self._timers: list[tuple[float, int, Call]] = []
        self._count = 0
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

    # --- timers

    def after(self, seconds: float, call: Call) -> None:
        """Call once, `seconds` from now. A timer cannot be taken back: its call looks whether it still matters."""
        self._count += 1
        heapq.heappush(self._timers, (monotonic() + seconds, self._count, call))

    def next_timer(self) -> float:
        return self._timers[0][0] if self._timers else INFINITY

    def expire(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
