"""The operating system as members can notice it: processes and their trees, signals, pidfds, locks.

A lock is held by a live or stopped process and is free the moment its holder is dead; the record of a role lock
stays. A stopped process keeps its locks, and takes in what was sent to it when it is continued.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from graced.core.orders import Exit
from graced.home.locks import LockRecord
from graced.posix.proc import Identity, Status
from graced.sim.clock import Clock

if TYPE_CHECKING:
    from graced.sim.member import Member

Life = Literal["running", "stopped", "hung", "gone"]

BOOT_ID: Final = "simulated-boot"
TICKS_A_SECOND: Final = 100
PIDFD_S: Final = (0.0002, 0.002)  # from a death to the poll that sees it
REAP_S: Final = (0.0003, 0.0015)  # from a child's death to its SIGCHLD in the parent's loop


class Freeze(Struct):
    """A span in which a process did nothing. `stopped`: by SIGSTOP, so that /proc tells; else it hung."""

    since: float
    stopped: bool
    until: float = float("inf")


class Process:
    """One process. `name`: of its member or kernel. `marks`: (kernel, run) in its first environment.

    `worker_of`: it dies with its parent. `dead`: children that it has not reaped yet.
    """

    __slots__ = (
        "born", "children", "dead", "ended", "exit", "freezes", "life", "marks", "member", "name", "parent", "pid",
        "session", "ticks", "watchers", "worker",
    )  # fmt: skip

    def __init__(self, pid: int, name: str, born: float, parent: "Process | None") -> None:
        self.pid, self.name, self.born, self.parent = pid, name, born, parent
        self.ticks = int(born * TICKS_A_SECOND)
        self.session = pid
        self.life: Life = "running"
        self.ended = 0.0
        self.exit = Exit(signal=9)
        self.marks: tuple[str, str] | None = None
        self.worker = False
        self.member: Member | None = None
        self.freezes: list[Freeze] = []
        self.children: dict[int, Process] = {}
        self.dead: list[Process] = []
        self.watchers: list[tuple[Process, Callable[[], None]]] = []

    def __repr__(self) -> str:
        return f"{self.name}[{self.pid}]"

    @property
    def alive(self) -> bool:
        return self.life != "gone"

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.ticks, BOOT_ID)

    @property
    def wait_status(self) -> int:
        """As waitpid(2) gives it."""
        return self.exit.code << 8 if self.exit.code is not None else self.exit.signal or 9

    def wake(self) -> None:
        """Something came for its loop, if it has one."""
        if self.member is not None:
            self.member.wake()


class Machine:
    """All processes and locks. `died` is called with each process that ended."""

    def __init__(self, clock: Clock, random: Random, died: Callable[[Process], None]) -> None:
        self.clock, self.random, self.died = clock, random, died
        self.processes: dict[int, Process] = {}
        self.everyone: dict[int, Process] = {}  # the dead too, for the checkers
        self.records: dict[str, LockRecord] = {}
        self.role_locks: dict[str, int] = {}
        self.restart_locks: dict[str, int] = {}
        self.target_locks: dict[str, int] = {}
        self._last_pid = 1000

    def fork(self, name: str, parent: Process | None) -> Process:
        self._last_pid += 1
        process = Process(self._last_pid, name, self.clock.now, parent)
        self.processes[process.pid] = self.everyone[process.pid] = process
        if parent is not None:
            parent.children[process.pid] = process
        return process

    def find(self, identity: Identity) -> Process | None:
        """Who lives under that pid and start time."""
        process = self.processes.get(identity.pid)
        return process if process is not None and process.ticks == identity.start_ticks else None

    def status(self, identity: Identity) -> Status:
        process = self.everyone.get(identity.pid)
        if process is None or process.ticks != identity.start_ticks:
            return "gone"
        if process.life == "gone":
            unreaped = process.parent is not None and process.parent.alive and process in process.parent.dead
            return "zombie" if unreaped else "gone"
        return "stopped" if process.life == "stopped" else "running"

    # --- signals

    def kill(self, process: Process) -> None:
        """SIGKILL, or the process's own end: locks are free at once, pidfds fire within a moment."""
        if process.life == "gone":
            return
        process.life = "gone"
        process.ended = self.clock.now
        del self.processes[process.pid]
        for locks in (self.role_locks, self.restart_locks, self.target_locks):
            for name in [n for n, pid in locks.items() if pid == process.pid]:
                del locks[name]
        self._orphan(process)
        parent = process.parent
        if parent is not None and parent.alive:
            parent.children.pop(process.pid, None)
            parent.dead.append(process)
            if parent.member is not None:
                self.clock.after(self.random.uniform(*REAP_S), parent.member.signalled, 17)
        self.died(process)
        for watcher, call in process.watchers:
            self.clock.after(self.random.uniform(*PIDFD_S), self._fire, watcher, call)
        process.watchers.clear()

    def _orphan(self, process: Process) -> None:
        """Its workers die with it; its other children go to the nearest subreaper above: members are such."""
        heir = process.parent
        while heir is not None and not heir.alive:
            heir = heir.parent
        for child in tuple(process.children.values()):
            child.parent = heir
            if heir is not None:
                heir.children[child.pid] = child
        orphans, process.children, process.dead = tuple(process.children.values()), {}, []
        for child in orphans:
            if child.worker:
                self.kill(child)

    def _fire(self, watcher: Process, call: Callable[[], None]) -> None:
        if watcher.alive and watcher.member is not None:
            watcher.member.came(call)

    def freeze(self, process: Process, *, stopped: bool) -> None:
        """SIGSTOP, or a loop that is stuck."""
        if process.life == "running":
            process.life = "stopped" if stopped else "hung"
            process.freezes.append(Freeze(self.clock.now, stopped))

    def thaw(self, process: Process) -> None:
        """SIGCONT, or the end of what held the loop up."""
        if process.life in ("stopped", "hung"):
            process.life = "running"
            process.freezes[-1].until = self.clock.now
            process.wake()

    # --- locks

    def claim(self, role: str, process: Process) -> bool:
        """Try the role's lock without waiting."""
        if self.role_locks.get(role, process.pid) != process.pid:
            return False
        self.role_locks[role] = process.pid
        return True
