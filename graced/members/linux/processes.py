"""Processes as Linux has them: pidfds, signals, forks of members, cold starts."""

import contextlib
import os
import signal
from collections.abc import Callable

from graced.home.launch import PYTHON, launch_spawner
from graced.home.paths import Home
from graced.members.birth import Newborn
from graced.members.linux.loop import Loop
from graced.members.timers import Timers
from graced.posix import proc
from graced.posix.limits import is_scarce
from graced.posix.proc import Identity, Status
from graced.posix.scan import HOME_TAG
from graced.posix.spawn import cold_start

Call = Callable[[], None]


class PidFd:
    """A pidfd in the loop's epoll; `died` is called once, after it was closed."""

    def __init__(self, loop: Loop, fd: int, died: Call) -> None:
        self._loop, self._fd, self._died = loop, fd, died
        loop.add(fd, self._fired)

    def signal(self, number: int) -> None:
        if self._fd >= 0:
            proc.send(self._fd, number)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.drop(fd)
            os.close(fd)

    def _fired(self) -> None:
        # The number may have been another's that became readable in the same poll and was closed meanwhile.
        if self._fd >= 0 and proc.pidfd_dead(self._fd):
            self.close()
            self._died()


class Looked:
    """A process that is looked at every interval, until there is a descriptor for it."""

    def __init__(self, loop: Loop, timers: Timers, interval_s: float, identity: Identity, died: Call) -> None:
        self._loop, self._timers, self._interval_s = loop, timers, interval_s
        self._identity, self._died = identity, died
        self._held: PidFd | None = None
        self._over = False
        timers.after(interval_s, self._look)

    def signal(self, number: int) -> None:
        proc.signal_identity(self._identity, number)

    def close(self) -> None:
        self._over = True
        if self._held is not None:
            self._held.close()

    def _look(self) -> None:
        if self._over:
            return
        try:
            fd = proc.open_pidfd(self._identity)
        except OSError:  # there is none at all
            fd = -1
        if fd is None:
            self._over = True
            self._died()
        elif fd < 0 or is_scarce(fd):
            if fd >= 0:
                os.close(fd)
            self._timers.after(self._interval_s, self._look)
        else:
            self._held = PidFd(self._loop, fd, self._died)


class Processes:
    """`bear` is what a forked child does: it never returns."""

    def __init__(
        self, home: Home, loop: Loop, timers: Timers, interval_s: float, bear: Callable[[Newborn], None]
    ) -> None:
        self._home, self._loop, self._timers, self._interval_s, self._bear = home, loop, timers, interval_s, bear
        self.identify = proc.identify
        self.alive = proc.alive
        self.signal = proc.signal_identity
        self.reap = proc.reap

    def status(self, identity: Identity) -> Status:
        return proc.status(identity)

    def watch(self, identity: Identity, died: Call, spare: bool = False) -> PidFd | Looked | None:
        fd = proc.open_pidfd(identity)
        if fd is not None and spare and is_scarce(fd):
            os.close(fd)
            return Looked(self._loop, self._timers, self._interval_s, identity, died)
        return None if fd is None else PidFd(self._loop, fd, died)

    def end_children(self, pids: tuple[int, ...]) -> None:
        for pid in pids:
            identity = proc.identify(pid)
            if identity is not None:
                proc.signal_identity(identity, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def fork(self, birth: Newborn) -> int:
        pid = os.fork()
        if pid == 0:
            self._bear(birth)
        return pid

    def launch_spawner(self, as_child: bool) -> int:
        return launch_spawner(self._home, fresh=False, as_child=as_child)

    def stop_everything(self) -> int:
        argv = [*PYTHON, "-m", "graced", "stop", "--home", self._home.root, "--beside", str(os.getpid())]
        # Without the home's mark: the stop looks for processes that carry it, and must not find itself.
        environ = {name: value for name, value in os.environ.items() if name != HOME_TAG}
        return cold_start(argv, environ, self._home.log("spawner"))
