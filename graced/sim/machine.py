"""The operating system as the core can notice it: processes, signals, pidfds, role locks and restart locks.

A lock is held by a live or stopped process and is free the moment its holder is dead; the record of a role lock
stays. A stopped process keeps its locks and takes in what was sent to it when it is continued.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final, Literal

from msgspec import Struct

from graced.core.orders import Exit
from graced.sim.clock import Clock

Life = Literal["running", "stopped", "hung", "gone"]
Call = tuple[Callable[..., None], tuple[Any, ...]]

PIDFD_S: Final = (0.0002, 0.002)  # from a death to the poll that sees it
ZOMBIE_S: Final = 0.005  # from a death to the parent's wait
INBOX_LIMIT: Final = 1000  # messages that wait for a frozen process, as ZeroMQ's high water mark has it


class Freeze(Struct):
    """A span in which a process did nothing. `stopped`: by SIGSTOP, so that /proc tells; else it hung."""

    since: float
    stopped: bool
    until: float = float("inf")


class Process:
    """One process. `name`: of its member or kernel. `inbox`: what came while it was frozen."""

    __slots__ = ("born", "ended", "exit", "freezes", "inbox", "life", "name", "pid", "reapers", "ticks", "watchers")

    def __init__(self, pid: int, name: str, born: float) -> None:
        self.pid, self.name, self.born = pid, name, born
        self.ticks = int(born * 100)
        self.life: Life = "running"
        self.ended = 0.0
        self.exit = Exit(signal=9)
        self.inbox: list[Call] = []
        self.freezes: list[Freeze] = []
        self.watchers: list[tuple[Process, Callable[..., None], tuple[Any, ...]]] = []
        self.reapers: list[Callable[[Process], None]] = []

    def __repr__(self) -> str:
        return f"{self.name}[{self.pid}]"

    @property
    def alive(self) -> bool:
        return self.life != "gone"

    def deliver(self, call: Callable[..., None], *args: Any) -> None:
        """Something arrives: taken in now, when the process is continued, or never."""
        if self.life == "running":
            call(*args)
        elif self.life != "gone" and len(self.inbox) < INBOX_LIMIT:
            self.inbox.append((call, args))

    @property
    def status(self) -> str:
        """As psutil would name it."""
        return "running" if self.life == "hung" else self.life


class RoleRecord(Struct, frozen=True):
    """What a role's lock file says."""

    pid: int = 0
    start_ticks: int = 0
    incarnation: int = 0


class Machine:
    """All processes and locks. `died` is called with each process that ended."""

    def __init__(self, clock: Clock, random: Random, died: Callable[[Process], None]) -> None:
        self.clock, self.random, self.died = clock, random, died
        self.processes: dict[int, Process] = {}
        self.everyone: dict[int, Process] = {}  # the dead too, for the checkers
        self.records: dict[str, RoleRecord] = {}
        self.role_locks: dict[str, int] = {}
        self.restart_locks: dict[str, int] = {}
        self._last_pid = 1000

    def fork(self, name: str) -> Process:
        self._last_pid += 1
        process = Process(self._last_pid, name, self.clock.now)
        self.processes[process.pid] = self.everyone[process.pid] = process
        return process

    def status(self, pid: int, start_ticks: int) -> str:
        process = self.everyone.get(pid)
        if process is None or process.ticks != start_ticks:
            return "gone"
        if process.life == "gone" and self.clock.now - process.ended < ZOMBIE_S:
            return "zombie"
        return process.status

    # --- signals

    def kill(self, process: Process) -> None:
        """SIGKILL, or the process's own end: locks are free at once, pidfds fire within a moment."""
        if process.life == "gone":
            return
        process.life = "gone"
        process.ended = self.clock.now
        process.inbox.clear()
        del self.processes[process.pid]
        for locks in (self.role_locks, self.restart_locks):
            for name in [n for n, pid in locks.items() if pid == process.pid]:
                del locks[name]
        self.died(process)
        for reap in process.reapers:
            reap(process)
        for watcher, call, args in process.watchers:
            self.clock.after(self.random.uniform(*PIDFD_S), watcher.deliver, call, *args)
        process.watchers.clear()

    def freeze(self, process: Process, *, stopped: bool) -> None:
        """SIGSTOP, or a loop that is stuck."""
        if process.life == "running":
            process.life = "stopped" if stopped else "hung"
            process.freezes.append(Freeze(self.clock.now, stopped))

    def thaw(self, process: Process) -> list[Call]:
        """SIGCONT, or the end of what held the loop up; what came meanwhile, in order, is the caller's to deliver."""
        process.life = "running"
        process.freezes[-1].until = self.clock.now
        inbox, process.inbox = process.inbox, []
        return inbox

    def watch(self, process: Process | None, by: Process, call: Callable[..., None], *args: Any) -> None:
        """`by` opens a pidfd; `call` comes at the death, within a moment if it is dead already."""
        if process is None or not process.alive:
            self.clock.after(self.random.uniform(*PIDFD_S), by.deliver, call, *args)
        else:
            process.watchers.append((by, call, args))

    def find(self, pid: int, start_ticks: int) -> Process | None:
        process = self.processes.get(pid)
        return process if process is not None and process.ticks == start_ticks else None

    # --- locks

    def claim(self, role: str, process: Process) -> bool:
        """Try the role's lock without waiting."""
        if self.role_locks.get(role, process.pid) != process.pid:
            return False
        self.role_locks[role] = process.pid
        return True

    def record(self, role: str) -> RoleRecord:
        return self.records.get(role, RoleRecord())
