"""What `status` is composed of: everything that was asked, read and measured in one look at a home."""

from typing import Final

from msgspec import Struct

from graced.bus.protocol import KernelView, View
from graced.home.presence import Presence
from graced.posix.proc import Usage
from graced.spec.config import Kernel

ALIVE: Final = frozenset({"starting", "ready", "healthy", "unhealthy"})
"""States of a kernel that has a process."""


class Clocks(Struct, frozen=True):
    """One moment by three clocks, in seconds: since 1970, of CLOCK_MONOTONIC, of CLOCK_BOOTTIME."""

    wall: float
    monotonic: float
    boottime: float


class RunFact(Struct, frozen=True):
    """The newest run of a kernel, by its slot in the home and /proc. `alive`: that very process."""

    run: int
    pid: int
    start_ticks: int
    alive: bool


class Recoveries(Struct, frozen=True):
    mutual: int = 0
    emergency: int = 0
    kernel: int = 0


class Code(Struct, frozen=True):
    """Of the watched trees. `scanned_at`: None before the first scan."""

    files: int = 0
    broken: int = 0
    scanned_at: str | None = None


class Tasks(Struct, frozen=True):
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    undone: int = 0


class Gathered(Struct, frozen=True):
    """`views`: of the members that answered in time. `slots`, `stored`: the kernels by the disk; `living`: (pid, start
    ticks) of every kernel process named in views or on disk that was alive; `frozen`: pids of those that a
    signal stopped. `usages` by pid. `base`: each member's
    incarnation before the last `start` from nothing. `unfinished`: targets of the playbook runs that the store holds
    as unfinished, by executor. `stopping`: a `graced stop` of everything is at work, or done.
    """

    root: str
    version: str
    clocks: Clocks
    presences: dict[str, Presence]
    views: dict[str, View] = {}
    usages: dict[int, Usage] = {}
    specs: dict[str, Kernel] = {}
    slots: dict[str, RunFact] = {}
    stored: dict[str, KernelView] = {}
    living: frozenset[tuple[int, int]] = frozenset()
    frozen: frozenset[int] = frozenset()
    base: dict[str, int] = {}
    unfinished: dict[str, tuple[str, ...]] = {}
    recoveries: Recoveries = Recoveries()
    code: Code = Code()
    tasks: Tasks = Tasks()
    approvals: int = 0
    audit_records: int = 0
    audit_head: str = ""
    stopping: bool = False
