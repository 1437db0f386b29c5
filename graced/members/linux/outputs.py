"""What kernels print, in the spawner: their pipes, kept across every death, and the log writer that empties them.

The pipes of kernels that live are found again by a new spawner at whoever has them open: the log writer of the spawner
before it, else the kernels.
"""

import _socket
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from typing import Final, Never

from graced.audit.log import AuditLog
from graced.home import titles
from graced.home.locks import read_record
from graced.home.log_files import lock_path
from graced.home.paths import Home
from graced.home.slots import Slot
from graced.members import logwriter
from graced.members.linux.loop import Loop
from graced.members.linux.place import Locks
from graced.members.timers import Timers
from graced.posix import logpipe, passing, proc
from graced.posix.clock import monotonic
from graced.posix.descriptors import close_all_but
from graced.posix.flock import open_locked
from graced.posix.scan import find_by_log
from graced.posix.users import credentials
from graced.spec.config import Kernel
from graced.store.db import Store

AGAIN_S: Final = 0.02
"""Between the death of a log writer and the next."""

RETRY_S: Final = 0.005
SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

TOLD: Final = {
    "moved": "the log of {name} was moved or removed: it is written on in logs/{name}.log",
    "lost": "what {name} prints cannot be written (a full disk?): it goes on, and its output is lost meanwhile",
}


class Outputs:
    """Made in every member, used in the spawner alone."""

    def __init__(
        self, home: Home, loop: Loop, timers: Timers, store: Store, audit: AuditLog, locks: Locks, interval_s: float
    ) -> None:
        self._home, self._loop, self._timers, self._interval_s = home, loop, timers, interval_s
        self._store, self._audit, self._locks = store, audit, locks
        self._pipes: dict[str, int] = {}
        self.worker = 0
        self._channel: _socket.socket | None = None
        self._unsent: list[str] = []
        self._again = 0.0  # not before this is a log writer started
        self._looked = 0.0
        self._told: set[tuple[str, str]] = set()

    def adopt(self, slots: Iterable[Slot]) -> None:
        """Finds the pipes that kernels of an earlier spawner write into."""
        here = proc.boot_id()
        wanted = {slot.log: slot.run for slot in slots if slot.log and slot.run.boot_id == here}
        found = self._of_writer() if wanted else {}
        for inode, run in wanted.items():
            path = found.get(inode) or (logpipe.held_by(run.pid, logpipe.OUTPUTS).get(inode) if run.pid else None)
            with contextlib.suppress(OSError):
                if path is not None:
                    self._pipes[run.kernel] = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def adopt_of(self, kernel: str, pid: int) -> None:
        """Of a kernel that lives and whose slot was lost: by the pipe that it has."""
        path = logpipe.output_of(pid) if kernel not in self._pipes else None
        with contextlib.suppress(OSError):
            if path is not None:
                self._pipes[kernel] = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def _of_writer(self) -> dict[int, str]:
        """The pipes of a log writer that an earlier spawner left. A record counts while its lock is held: a copy of a
        home has the record of another's."""
        path = lock_path(self._home)
        with contextlib.suppress(OSError):
            fd = open_locked(path)
            if fd is not None:
                os.close(fd)
                return {}
        record = read_record(path)
        return logpipe.held_by(record.pid) if record is not None and proc.alive(record.identity) else {}

    def open(self, kernel: Kernel) -> int:
        """For one birth: an end of the kernel's pipe, the caller's own to close. Without one it is /dev/null."""
        try:
            pipe = self._pipe(kernel.name)
            owner = credentials(kernel.user, kernel.group)
            if owner is not None and os.fstat(pipe).st_uid != owner.uid:
                os.fchown(pipe, owner.uid, owner.gid)  # so that it may open /dev/stderr again
            return logpipe.again(pipe)
        except OSError:
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def _pipe(self, kernel: str) -> int:
        pipe = self._pipes.get(kernel)
        if pipe is None:
            pipe = self._pipes[kernel] = logpipe.make()
            if self._channel is not None:
                self._unsent.append(kernel)
        return pipe

    def number(self, kernel: str) -> int:
        """The inode of its pipe, made now if need be, for its slot; 0 when there can be none."""
        try:
            return logpipe.number(self._pipe(kernel))
        except OSError:
            return 0

    def unread(self, kernel: str) -> bool:
        """Has it printed what is not in its log yet?"""
        pipe = self._pipes.get(kernel)
        return pipe is not None and logpipe.unread(pipe)

    def writes(self, kernel: str, pid: int) -> bool:
        """Is the kernel's pipe the output of that process?"""
        pipe = self._pipes.get(kernel)
        if pipe is None:
            return False
        stat = os.fstat(pipe)
        return bool(find_by_log((stat.st_dev, stat.st_ino), (pid,)))

    # --- the log writer

    def tend(self, now: float) -> None:
        """One that died, or that somebody stopped, is replaced; it is handed what is new."""
        if self.worker == 0 and self._pipes and now >= self._again:
            self._again = now + self._interval_s
            if not self._locks.stopping():  # that ends it when all kernels have ended
                self._start()
        if self._unsent:
            self._send()
        if self.worker and now - self._looked >= self._interval_s:
            self._looked = now
            identity = proc.identify(self.worker)
            if identity is not None and proc.status(identity) == "stopped":
                proc.signal_identity(identity, signal.SIGKILL)

    def wake_at(self) -> float:
        return self._again if self._pipes and self.worker == 0 else float("inf")

    def reaped(self, pid: int) -> bool:
        """A child ended: was it the log writer?"""
        if pid != self.worker:
            return False
        self.worker = 0
        self._again = monotonic() + AGAIN_S
        if self._channel is not None:
            self._loop.drop(self._channel.fileno())
            self._channel.close()
            self._channel = None
        return True

    def _start(self) -> None:
        ours, its = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        self._store.release()
        try:
            pid = os.fork()
        except OSError:
            return
        if pid == 0:
            self._be(its)
        its.close()
        ours.setblocking(False)
        self.worker, self._channel = pid, ours
        self._loop.add(ours.fileno(), self._hear)
        self._unsent = list(self._pipes)

    def _be(self, channel: _socket.socket) -> Never:
        """In the child: nothing of the spawner's but the channel."""
        try:
            proc.set_title(titles.of_worker(self._home.root, "spawner"))
            os.setsid()  # a Ctrl-C in the foreground is the spawner's
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            close_all_but((channel.fileno(),))
            home = Home(self._home.root)
            logwriter.be(home, channel, self._interval_s)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(0)

    def _send(self) -> None:
        if self._channel is None:
            return
        try:
            while self._unsent:
                name = self._unsent[0]
                passing.send(self._channel, f"log {name}", self._pipes[name])
                self._unsent.pop(0)
        except BlockingIOError:  # its queue is full
            self._timers.after(RETRY_S, lambda: None)
        except OSError:  # it has died: its successor is handed all of them
            self._unsent.clear()

    def _hear(self) -> None:
        """What the log writer tells is said once of each kernel, in the life of this spawner."""
        try:
            text = passing.receive(self._channel)[0] if self._channel is not None else ""
        except OSError:
            text = ""
        if not text:  # it has died: SIGCHLD comes too
            if self._channel is not None:
                self._loop.drop(self._channel.fileno())
            return
        what, _, name = text.partition(" ")
        if what in TOLD and (what, name) not in self._told:
            self._told.add((what, name))
            told = {"incident": "home", "subject": name, "text": TOLD[what].format(name=name)}
            self._audit.append("escalated", told)
