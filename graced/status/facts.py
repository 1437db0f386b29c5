"""What `status` is composed of: everything that was asked, read and measured in one look at a home."""

from msgspec import Struct

from graced.bus.protocol import KernelView, View
from graced.home.presence import Presence
from graced.posix.proc import Usage
from graced.spec.config import Kernel
from graced.spec.run import Run
from graced.status.structs import Code, Recoveries, Tasks


class Clocks(Struct, frozen=True):
    """One moment by three clocks, in seconds: since 1970, of CLOCK_MONOTONIC, of CLOCK_BOOTTIME."""

    wall: float
    monotonic: float
    boottime: float


class RunFact(Struct, frozen=True):
    """The newest run of a kernel, as its slot says. `alive`: whether exactly that process lives, by /proc."""

    run: Run
    alive: bool


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
