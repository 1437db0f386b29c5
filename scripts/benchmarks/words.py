"""A program whose first word tells that it runs: its pid, written into a FIFO as soon as its shell can."""

import os
import select
import signal
import time
from collections.abc import Callable

WORD_S = 20.0


class Program:
    """The same for every supervisor. `command` is what is to be kept running; `say` waits for its word."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "words")
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)  # so that the program never waits for a reader
        self.script = f"echo $$ > {self.path}; exec sleep 1000000"
        self.command = ["/bin/sh", "-c", self.script]
        self.pid = 0

    def say(self, limit_s: float = WORD_S) -> float:
        """When the next word came, by CLOCK_MONOTONIC; `pid` is then the speaker's. Raises TimeoutError."""
        ready, _, _ = select.select([self._fd], [], [], limit_s)
        now = time.monotonic()
        if not ready:
            raise TimeoutError(f"no word of the program within {limit_s:g} s")
        self.pid = int(os.read(self._fd, 64).split()[-1])
        return now

    def kill(self, also: Callable[[], None] = lambda: None) -> float:
        """Kill it (`also` is done just before); seconds until its successor's first word."""
        also()
        began = time.monotonic()
        os.kill(self.pid, signal.SIGKILL)
        return self.say() - began

    def bare(self) -> float:
        """Start it with nobody in between and end it again; seconds to its first word: the floor for all others."""
        began = time.monotonic()
        child = os.posix_spawn(self.command[0], self.command, dict(os.environ))
        took = self.say() - began
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return took

    def close(self) -> None:
        os.close(self._fd)
