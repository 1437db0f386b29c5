"""What the machine of the kernels takes and asks for: its events and its actions.

Times are seconds of CLOCK_MONOTONIC. Every event and action names the kernel and, where it matters, the run.
"""

from typing import Literal

from graced.core.kernels.state import Evidence, Kernel
from graced.core.orders import Exit, Order, Running
from graced.core.vocabulary import Action, Bump, CloseIncident, Event, NoteStep, OpenIncident, Record
from graced.spec.run import Run

RungOutcome = Literal["held_on", "not_applicable", "failed"]
"""held_on: the rung did its work. not_applicable: it has nothing to do here, and is passed over without a note."""


# --- events of one kernel, which graced.core.kernels.table knows


class RunBorn(Event, frozen=True):
    """A run was started: at our request, or by the standing order."""

    run: Run


class RunEnded(Event, frozen=True):
    """A run ended. `by_order`: the spawner has started the next one already, and its birth is told next.

    `noise`: a random number in [-1, 1] for the jitter. `text`: why its birth failed; empty for one that was born.
    `wanting`: it failed for want of something that may come back (memory, a port, its folder), which is no crash.
    `since`: when it may have ended, where nobody saw that; 0: just now.
    `stopping`: a `graced stop` did it; that is no failure, and should the stop die midway it is started again.
    """

    run: Run
    exit: Exit
    by_order: bool = False
    noise: float = 0.0
    stopping: bool = False
    text: str = ""
    wanting: bool = False
    since: float = 0.0


class RunFound(Event, frozen=True):
    """The spawner has this run alive, and holds this order for its exit."""

    run: Run
    order: Order | None


class StartRefused(Event, frozen=True):
    """The spawner did not take the request for a run; what it knows better was told before."""

    kernel: str


class PersonStarts(Event, frozen=True):
    """By name (`named`), or as something that a named one depends on."""

    kernel: str
    named: bool


class PersonStops(Event, frozen=True):
    kernel: str


class PersonRestarts(Event, frozen=True):
    kernel: str


class Renewed(Event, frozen=True):
    """Its sources were mended while it ran: the run that lives ends, and the next one begins. Counts nothing."""

    kernel: str


class Mended(Event, frozen=True):
    """`path`, over which the kernel may be down, was broken and compiles now."""

    kernel: str
    path: str


class Examined(Event, frozen=True):
    """The answer to Examine."""

    kernel: str
    run: int
    evidence: Evidence


class RungEnded(Event, frozen=True):
    """How a rung of the ladder ended. `restart`: the kernel is to be started anew, its count cleared.

    One that names another run, incident or rung than the kernel is at is void, so a repeat does no harm.
    """

    kernel: str
    run: int
    incident: str
    rung: str
    outcome: RungOutcome
    text: str = ""
    restart: bool = False


class Due(Event, frozen=True):
    """Its time has come, or something around it has changed.

    `needs_ready`: all that it depends on is ready. `room`: one more may be starting. `outlived`: nothing that depends
    on it is still ending.
    """

    kernel: str
    needs_ready: bool = True
    room: bool = True
    outlived: bool = True


KernelEvent = (
    RunBorn | RunEnded | RunFound | StartRefused | PersonStarts | PersonStops | PersonRestarts | Renewed | Mended
    | Examined | RungEnded | Due
)  # fmt: skip
EVENTS: tuple[type[KernelEvent], ...] = (
    RunBorn, RunEnded, RunFound, StartRefused, PersonStarts, PersonStops, PersonRestarts, Renewed, Mended,
    Examined, RungEnded, Due,
)  # fmt: skip


# --- events of all kernels, which graced.core.kernels.machine makes into those of one


class Asked(Event, frozen=True):
    """A person asks for these kernels; `start` includes what they depend on."""

    what: Literal["start", "stop", "restart"]
    names: tuple[str, ...]


class SourcesMended(Event, frozen=True):
    """These files were broken and compile now: who is down over one of them is started again."""

    paths: tuple[str, ...]


class SourcesRenewed(Event, frozen=True):
    """The sources of these kernels were mended while they ran."""

    names: tuple[str, ...]


class Told(Event, frozen=True):
    """What the spawner says of a kernel's newest run; `refused`: in answer to a request that it did not take.

    `since`: when there was last a spawner that would have told; 0: there was one all the time.
    """

    running: Running
    refused: bool = False
    since: float = 0.0


# --- actions


class Start(Action, frozen=True):
    """Ask the spawner for `run`."""

    kernel: str
    run: int


class GiveOrder(Action, frozen=True):
    order: Order


class End(Action, frozen=True):
    """Have the spawner end the run, as the kernel's `stop` says."""

    kernel: str
    run: int


class Examine(Action, frozen=True):
    """Look at the end of the log -> Examined."""

    kernel: str
    run: int


class BeginRung(Action, frozen=True):
    """Take a rung of the ladder -> RungEnded. Repeated until that comes: (kernel, run, incident, rung) is one rung.

    `rung`: a word of the kernel's `ladder`: fix_source, restore_source, notify, or a playbook's name. The core's own
    backoff is the rung `restart`, for which nothing is begun.
    """

    kernel: str
    run: int
    incident: str
    rung: str


class Keep(Action, frozen=True):
    """Keep a snapshot of the kernel's sources; one that is not `proven` only where there is none."""

    kernel: str
    run: int
    proven: bool


class CountRestart(Action, frozen=True):
    """Count `run` as a restart after a failure; once, whoever tells of it again."""

    kernel: str
    run: int


class Save(Action, frozen=True):
    """Store the kernel's row."""

    kernel: Kernel


KernelAction = (
    Start | GiveOrder | End | Examine | BeginRung | Keep | Save | CountRestart
    | Record | OpenIncident | NoteStep | CloseIncident | Bump
)  # fmt: skip
"""Every action of the kernels' machine; graced.members.self_healing carries each out."""

KernelActions = tuple[KernelAction, ...]
