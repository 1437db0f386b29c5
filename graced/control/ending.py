"""The end of kernels, wave by wave: politely, and by force once their time is over."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from graced.config.environment import environment_of
from graced.control.census import Census, Found
from graced.control.deaths import Deaths
from graced.core.kernels.ending import Course, step
from graced.home import stop_command
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.proc import Identity
from graced.posix.scan import HOME_TAG, Spare
from graced.posix.tree import STUCK_S, TreeKill
from graced.spec.config import Kernel

LOOK_S: Final = 0.1
"""Between two looks at /proc for what a kernel forked since, while it has time to end."""

Report = Callable[[str], None]


def by_kernel(everyone: Iterable[Found]) -> dict[str, list[Identity]]:
    """Processes of kernels by the kernel's name."""
    groups: dict[str, list[Identity]] = {}
    for found in everyone:
        if found.kernel:
            groups.setdefault(found.kernel, []).append(found.identity)
    return groups


class KernelEnd:
    """Ends one wave, each of it by the course of graced.core.kernels.ending.

    mains: the first process of each kernel's newest run. A kernel that the configuration no longer has is ended by the
    defaults. report: told each name as it ends.
    """

    def __init__(
        self,
        census: Census,
        home_id: str,
        specs: Mapping[str, Kernel],
        mains: Mapping[str, Identity],
        environ: dict[str, str],
        report: Report,
        spare: Spare | None = None,
    ) -> None:
        self._census, self._home_id = census, home_id
        self._specs, self._mains, self._environ, self._report = specs, mains, environ, report
        self._spare = spare
        self._deaths = Deaths()
        self._main_of: dict[str, Identity] = {}
        self._courses: dict[str, Course] = {}
        self._commands: dict[str, Identity] = {}
        self._signalled: set[Identity] = set()
        self._kills: dict[str, TreeKill] = {}

    def run(self, names: Sequence[str]) -> None:
        """Returns when all of them have ended, or cannot be ended: a last look (`stop.sweep`) tells."""
        try:
            left = self._alive(names)
            while left:
                for name, processes in left.items():
                    self._urge(name, processes)
                self._deaths.wait(LOOK_S)
                before, left = left, self._alive(names)
                for name in before.keys() - left.keys():
                    self._report(name)
                if all(monotonic() - self._course(name).over_at >= STUCK_S for name in left):
                    return
        finally:
            for identity in self._commands.values():
                proc.signal_identity(identity, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(identity.pid, 0)
            self._deaths.close()

    def _spec(self, name: str) -> Kernel:
        return self._specs.get(name) or Kernel(name, ())

    def _course(self, name: str) -> Course:
        """Its time counts from when it is first urged: a look at /proc may take long."""
        return self._courses.get(name) or Course(self._spec(name).stop, monotonic())

    def _alive(self, names: Sequence[str]) -> dict[str, list[Identity]]:
        wanted, commands = frozenset(names), frozenset(self._commands.values())
        everyone = self._census.look()
        return by_kernel(found for found in everyone if found.kernel in wanted and found.identity not in commands)

    def _urge(self, name: str, processes: Sequence[Identity]) -> None:
        """What is due for one kernel."""
        command = self._commands.get(name)
        main = self._main(name, processes)
        running = command is not None and proc.alive(command)
        self._courses[name], act = step(self._course(name), monotonic(), command=running, main=main in processes)
        match act:
            case "command" if not self._command(name, main):
                self._urge(name, processes)  # passed over, as the signal comes next
            case "main":
                self._signal(name, [main])
            case "tree":
                self._signal(name, processes)
            case "kill":
                self._kill(name, processes)

    def _main(self, name: str, processes: Sequence[Identity]) -> Identity:
        """The first process of its newest run; where no record of it is left, the oldest. The same to the end."""
        if name not in self._main_of:
            recorded = self._mains.get(name)
            oldest = min(processes, key=lambda i: i.start_ticks)
            self._main_of[name] = recorded if recorded is not None and recorded in processes else oldest
        return self._main_of[name]

    def _signal(self, name: str, whom: Sequence[Identity]) -> None:
        """Each of them once."""
        for identity in whom:
            if identity in self._signalled:
                continue
            self._signalled.add(identity)
            self._deaths.send(identity, self._spec(name).stop.signal)
            if proc.status(identity) == "stopped":  # it takes no signal but KILL and CONT
                self._deaths.send(identity, signal.SIGCONT)

    def _kill(self, name: str, processes: Sequence[Identity]) -> None:
        for identity in processes:
            self._deaths.send(identity, signal.SIGKILL)
        # A tree that forks faster than it can be listed needs more than a list.
        tags = {HOME_TAG: self._home_id, "GRACED_KERNEL": name}
        kill = self._kills.setdefault(name, TreeKill(None, tags, spare=self._spare))
        kill.step(monotonic())

    def _command(self, name: str, main: Identity) -> bool:
        kernel = self._spec(name)
        with contextlib.suppress(OSError, ValueError):
            identity = proc.identify(stop_command.start(kernel, environment_of(self._environ, kernel), main.pid))
            if identity is not None:
                self._commands[name] = identity
                self._deaths.add(identity)
                return True
        return False
