"""One kernel as self_healing has it: what is meant, its phase, its newest run, and the tally of its trouble.

Only graced.core.kernels.table makes a phase into another one. Times are seconds of CLOCK_MONOTONIC.
"""

from typing import Literal

from msgspec import Struct

from graced.core.intensity import History, Policy
from graced.core.orders import Exit, Order
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

# --- phases


class Stopped(Struct, frozen=True, tag="stopped"):
    """Not running, and not meant to."""


class Waiting(Struct, frozen=True, tag="waiting"):
    """To be started at `until`, and then once nothing holds it up. `why` tells a person what it waits for.

    `held_by`: past `until`, what is still in the way; who takes it away looks at this kernel again.
    """

    why: str = ""
    until: float = 0.0
    held_by: Literal["", "dependencies", "turn"] = ""


class Starting(Struct, frozen=True, tag="starting"):
    """The next run was asked for at `asked`, and nobody has told of its birth yet."""

    asked: float


class Up(Struct, frozen=True, tag="up"):
    """Its run is alive. `health`: what its probes say."""

    ready: bool = True
    health: Literal["none", "healthy", "unhealthy"] = "none"


class Ending(Struct, frozen=True, tag="ending"):
    """Its run is to end: for good, or to be started again. `asked`: when the spawner was last told; 0: not yet."""

    why: Literal["stop", "restart"]
    was: Up = Up()
    asked: float = 0.0


class Climbing(Struct, frozen=True, tag="climbing"):
    """Restarts are over: a rung of the ladder is under way since `since`, last asked for at `asked`."""

    rung: str
    since: float = 0.0
    asked: float = 0.0


class Failed(Struct, frozen=True, tag="failed"):
    """The ladder is over. `until`: when it is tried again; None: never by itself."""

    until: float | None = None


class Done(Struct, frozen=True, tag="done"):
    """It ended well, and that is all that was wanted."""


Phase = Stopped | Waiting | Starting | Up | Ending | Climbing | Failed | Done
PHASES: tuple[type[Phase], ...] = (Stopped, Waiting, Starting, Up, Ending, Climbing, Failed, Done)


# --- the kernel


class Evidence(Struct, frozen=True):
    """What the end of a kernel's log says about its failure. `named`: every file that the traceback names."""

    error: str = ""
    named: tuple[str, ...] = ()


class Tally(Struct, frozen=True):
    """What is counted and remembered of its failures.

    `incident`: the open one, `failed_at` when its outage began, `escalated`: people were called for it. `wants`: births
    in a row that failed for want of something. `rung`: the last that was taken, `tried`: all since a run of it held.
    """

    restarts: int = 0
    history: History = History()
    incident: str = ""
    failed_at: float = 0.0
    escalated: bool = False
    wants: int = 0
    rung: str | None = None
    tried: tuple[str, ...] = ()
    evidence: Evidence | None = None


class Kernel(Struct, frozen=True):
    """`wanted`: it is meant to run. `run`: the newest. `order`: what the spawner does at its exit, as far as we know.

    `kept`: the snapshot of this run's sources was asked for (1: the first, 2: that of a long run).
    """

    spec: Spec
    policy: Policy
    run: Run
    phase: Phase = Stopped()
    wanted: bool = False
    stopped_by_person: bool = False
    tally: Tally = Tally()
    exit: Exit | None = None
    reason: str = ""
    order: Order | None = None
    kept: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def alive(self) -> bool:
        return isinstance(self.phase, (Up, Ending))

    @property
    def incident(self) -> str:
        """The incident that is open, or the one that a failure of the newest run opens."""
        return self.tally.incident or f"{self.name}-run{self.run.run}"


def new_kernel(spec: Spec, policy: Policy, *, wanted: bool | None = None) -> Kernel:
    """A kernel of which nothing is known yet. `wanted`: by default as its `autostart` says."""
    wanted = spec.autostart if wanted is None else wanted
    return Kernel(spec, policy, Run(spec.name), Waiting() if wanted else Stopped(), wanted)
