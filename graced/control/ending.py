"""The end of kernels, wave by wave: politely, and by force once their time is over."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from graced.config.env_file import read_env_file
from graced.control.census import Census, Found
from graced.control.deaths import Deaths
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.proc import Identity
from graced.posix.scan import HOME_TAG, Spare
from graced.posix.spawn import Launch, launch
from graced.posix.tree import STUCK_S, TreeKill
from graced.spec.config import Dependency, Kernel

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


def waves(specs: Mapping[str, Kernel], names: Iterable[str]) -> list[list[str]]:
    """In which order to stop: each wave may be stopped at once, dependents before what they depend on."""
    left = list(names)
    found: list[list[str]] = []
    while left:
        needed = {need.name for name in left for need in _needs(specs, name)}
        wave = [name for name in left if name not in needed] or left
        found.append(wave)
        left = [name for name in left if name not in wave]
    return found


def _needs(specs: Mapping[str, Kernel], name: str) -> Sequence[Dependency]:
    return specs[name].depends_on if name in specs else ()


class KernelEnd:
    """Ends one wave: `stop.command`, then `stop.signal` to the whole tree, then KILL when `stop.timeout` is over.

    A kernel that the configuration no longer has is ended by the defaults. report: told each name as it ends.
    """

    def __init__(
        self,
        census: Census,
        home_id: str,
        specs: Mapping[str, Kernel],
        environ: Mapping[str, str],
        report: Report,
        spare: Spare | None = None,
    ) -> None:
        self._census, self._home_id = census, home_id
        self._specs, self._environ, self._report = specs, environ, report
        self._spare = spare
        self._deaths = Deaths()
        self._commands: dict[str, Identity] = {}
        self._asked_at: dict[str, float] = {}
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
                if all(self._overdue_s(name) >= STUCK_S for name in left):
                    return
        finally:
            for identity in self._commands.values():
                proc.signal_identity(identity, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(identity.pid, 0)
            self._deaths.close()

    def _spec(self, name: str) -> Kernel:
        return self._specs.get(name) or Kernel(name, ())

    def _alive(self, names: Sequence[str]) -> dict[str, list[Identity]]:
        wanted = frozenset(names)
        return by_kernel(found for found in self._census.look() if found.kernel in wanted)

    def _overdue_s(self, name: str) -> float:
        """Seconds past its time, negative before. It counts from when it was asked: a look at /proc may take long."""
        return monotonic() - self._asked_at.get(name, monotonic()) - self._spec(name).stop.timeout_s

    def _urge(self, name: str, processes: Sequence[Identity]) -> None:
        """What is due for one kernel."""
        if name in self._asked_at and self._overdue_s(name) >= 0:
            self._kill(name, processes)
        elif name not in self._asked_at and self._spec(name).stop.command is not None:
            self._command(self._spec(name), processes)
            self._asked_at[name] = monotonic()
        elif name not in self._commands or not proc.alive(self._commands[name]):
            self._signal(name, processes)

    def _signal(self, name: str, processes: Sequence[Identity]) -> None:
        fresh = [identity for identity in processes if identity not in self._signalled]
        for identity in fresh:
            self._deaths.send(identity, self._spec(name).stop.signal)
            if proc.status(identity) == "stopped":  # it takes no signal but KILL and CONT
                self._deaths.send(identity, signal.SIGCONT)
        self._signalled.update(fresh)
        self._asked_at.setdefault(name, monotonic())

    def _kill(self, name: str, processes: Sequence[Identity]) -> None:
        for identity in processes:
            self._deaths.send(identity, signal.SIGKILL)
        # A tree that forks faster than it can be listed needs more than a list.
        tags = {HOME_TAG: self._home_id, "GRACED_KERNEL": name}
        kill = self._kills.setdefault(name, TreeKill(None, tags, spare=self._spare))
        kill.step(monotonic())

    def _command(self, kernel: Kernel, processes: Sequence[Identity]) -> None:
        """Starts `stop.command` as the kernel itself is started, with MAINPID as systemd gives it.

        One that cannot be run is passed over, as the signal comes next.
        """
        env = {**self._environ, "MAINPID": str(min(processes, key=lambda i: i.start_ticks).pid)}
        with contextlib.suppress(OSError, ValueError):
            if kernel.env_file is not None:
                env.update(read_env_file(kernel.env_file))
        env.update(kernel.env)
        argv = list(kernel.stop.command or ())
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            pid = launch(Launch(kernel.name, argv, env, null, kernel.cwd, kernel.user, kernel.group))
            identity = proc.identify(pid)
            if identity is not None:
                self._commands[kernel.name] = identity
                self._deaths.add(identity)
        os.close(null)
