"""One kernel as self_healing sees it: its state, the standing order for its next exit, and what is asked of the shell.

The transitions between the states are in graced.core.kernels.
"""

from typing import Literal

from msgspec import Struct

from graced.config.schema import Kernel as Spec
from graced.core.intensity import LONG_RUN_S, History, Policy, weigh
from graced.core.orders import Exit, Order
from graced.core.vocabulary import Action

State = Literal["stopped", "starting", "ready", "healthy", "unhealthy", "backoff", "failed", "exited", "scheduled"]

Ending = Literal["", "stop", "restart"]


class Kernel(Struct, frozen=True):
    """One kernel as self_healing sees it. `wanted`: it is meant to run; `held`: a person stopped it by name."""

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


class Save(Action, frozen=True):
    """Store the kernel's row."""

    kernel: Kernel


Kernels = dict[str, Kernel]
Step = tuple[Kernels, tuple[Action, ...]]


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
    times = [kernel.started + LONG_RUN_S] + [
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
