"""One kernel as self_healing sees it: its state, the standing order for its next exit, and what is asked of the shell.

The transitions between the states are in graced.core.kernels, those up the ladder in graced.core.ladder.
"""

from typing import Final, Literal

from msgspec import Struct

from graced.core.intensity import LONG_RUN_S, History, Policy, weigh
from graced.core.orders import Exit, Order
from graced.core.vocabulary import Action, Bump, CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Kernel as Spec

State = Literal["stopped", "starting", "ready", "healthy", "unhealthy", "backoff", "failed", "exited", "scheduled"]

Ending = Literal["", "stop", "restart"]

Climb = Literal["", "examine", "fix_source", "restore_source"]

FIRST_KEEP_S: Final = 1.0  # a run of this length is worth a snapshot where there is none; a long one replaces it


class Evidence(Struct, frozen=True):
    """What the end of a kernel's log and its sources say about a failure.

    `syntax`: a SyntaxError or its kin, in `path`, which the coding agent may mend if `mendable` (it is watched, or in
    `sources`). `named`: every file that the traceback names. `changed`: `sources` are not as when it was healthy.
    """

    error: str = ""
    syntax: bool = False
    path: str = ""
    named: tuple[str, ...] = ()
    mendable: bool = False
    changed: bool = False


class Kernel(Struct, frozen=True):
    """One kernel as self_healing sees it. `wanted`: it is meant to run; `held`: a person stopped it by name.

    `climb`: what is being done about a crash loop (then `due` is when that is given up), `tried` what was done since
    it last held; `kept`: the snapshot of this run's sources was asked for (1: the first, 2: that of a long run).
    """

    spec: Spec
    policy: Policy
    state: State = "stopped"
    wanted: bool = False
    held: bool = False
    run: int = 0
    pid: int = 0
    start_ticks: int = 0
    started: float = 0.0
    exit: Exit | None = None
    reason: str = ""
    restarts: int = 0
    history: History = History()
    due: float = 0.0
    asked: float = 0.0  # when the start of run + 1 was asked for; 0: not
    ending: Ending = ""
    ended_at: float = 0.0
    rung: str | None = None
    incident: str = ""
    order: Order | None = None
    climb: Climb = ""
    tried: tuple[str, ...] = ()
    evidence: Evidence | None = None
    kept: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def alive(self) -> bool:
        return self.pid != 0


class Start(Action, frozen=True):
    """Ask the spawner for `run`."""

    kernel: str
    run: int


class GiveOrder(Action, frozen=True):
    order: Order


class End(Action, frozen=True):
    """Have the spawner end the run's tree."""

    kernel: str
    run: int
    signal: int
    timeout: float


class Examine(Action, frozen=True):
    """Look at the end of the log, and whether `sources` changed -> `ladder.examined`."""

    kernel: str
    run: int


class FixSource(Action, frozen=True):
    """Have the coding agent mend `path` -> `ladder.told`. Repeated until it is told how that ended."""

    kernel: str
    run: int
    incident: str
    path: str
    error: str


class RestoreSource(Action, frozen=True):
    """Put the sources back as they were when the kernel was healthy -> `ladder.told`. Repeating it is harmless."""

    kernel: str
    run: int
    incident: str


class Keep(Action, frozen=True):
    """Keep a snapshot of the kernel's sources; one that is not `proven` only where there is none."""

    kernel: str
    run: int
    proven: bool


class Save(Action, frozen=True):
    """Store the kernel's row."""

    kernel: Kernel


KernelAction = (
    Start | GiveOrder | End | Examine | FixSource | RestoreSource | Keep | Save
    | Record | OpenIncident | NoteStep | CloseIncident | Bump
)  # fmt: skip
Kernels = dict[str, Kernel]
Step = tuple[Kernels, tuple[KernelAction, ...]]


def with_kernel(kernels: Kernels, kernel: Kernel) -> Kernels:
    return {**kernels, kernel.name: kernel}


def saved(kernels: Kernels, kernel: Kernel, *actions: KernelAction) -> Step:
    return with_kernel(kernels, kernel), (*actions, Save(kernel))


def ended_well(kernel: Kernel) -> bool:
    return kernel.exit is not None and kernel.exit.code is not None and kernel.exit.code in kernel.spec.exit_codes.ok


def satisfied(kernel: Kernel) -> bool:
    """May kernels that depend on it start?"""
    if kernel.spec.ready.when == "exited":
        return kernel.state == "exited" and ended_well(kernel)
    return kernel.state in ("ready", "healthy")


def meant(kernel: Kernel) -> bool:
    """Is it meant to be running (and so counts for `healthy` in status)?"""
    return kernel.wanted and kernel.state != "exited"


def next_order(kernel: Kernel, now: float) -> Order:
    """The order for the next exit of the run that lives, with the restart intensity counted in."""
    spec = kernel.spec
    report = Order(kernel.name, kernel.run)
    if not kernel.wanted or kernel.ending or spec.restart == "never" or "restart" not in spec.ladder:
        return report
    verdict = weigh(kernel.history, kernel.policy, max(0.0, now - kernel.started), now)
    if verdict.spent or verdict.wait > 0:
        return report
    return Order(
        kernel.name, kernel.run, "start", spec.restart == "on-failure", spec.exit_codes.ok, spec.exit_codes.no_restart
    )


def order_changes_at(kernel: Kernel, now: float) -> float:
    """When time alone changes the order: the run gets long, or a restart leaves the window."""
    times = [kernel.started + LONG_RUN_S, *([kernel.started + FIRST_KEEP_S] if kernel.spec.sources else [])] + [
        t + kernel.policy.window for t in (*kernel.history.restarts, *kernel.history.short)
    ]
    return min((t for t in times if t > now), default=float("inf"))


def exit_data(exit: Exit | None) -> dict[str, int] | Literal["unknown"] | None:
    """`exit` as status and audit show it: {"code": 0} | {"signal": 9} | "unknown" | None while it never ended."""
    if exit is None:
        return None
    if exit.code is not None:
        return {"code": exit.code}
    return {"signal": exit.signal} if exit.signal is not None else "unknown"
