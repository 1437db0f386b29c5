"""systemd, if there is one: what is said to it, and what job it has for our unit."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Final

from graced.members.linux.workers import Workers
from graced.posix import notify, proc
from graced.posix.spawn import ALL_SIGNALS, resolve

INIT_PID: Final = 1


class Supervisor:
    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.there = notify.outer()
        self.first_process = os.getpid() == INIT_PID
        self.watchdog_s = notify.watchdog_s()
        self.worker = 0

    def say(self, *words: str) -> None:
        notify.say(*words)

    def ask_job(self, timeout: float, done: Callable[[str | None], None]) -> None:
        unit = notify.unit()
        if unit is None:
            done(None)
            return
        name, of_user = unit
        argv = ["systemctl", *(["--user"] if of_user else []), "--no-legend", "--plain", "list-jobs", name]
        try:
            fd = self._spawn(argv)
        except OSError:
            done("unknown")
            return
        answered = lambda data: done(job_of(name, data.decode(errors="replace")))  # noqa: E731
        self._workers.collect(self.worker, fd, timeout, answered)

    def _spawn(self, argv: list[str]) -> int:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            path = resolve(argv[0], os.environ)
            actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, writer, 1)]
            self.worker = os.posix_spawn(
                path, argv, os.environ, file_actions=actions, setsigmask=(), setsigdef=ALL_SIGNALS - {signal.SIGPIPE}
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        return reader

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        proc.set_subreaper(False)
        try:
            yield
        finally:
            proc.set_subreaper()


def job_of(unit: str, listing: str) -> str:
    """The type of the unit's job in what `systemctl list-jobs` printed: ID UNIT TYPE STATE a line; "" without one."""
    for line in listing.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == unit:
            return words[2]
    return "" if not listing.strip() or "No jobs" in listing else "unknown"
