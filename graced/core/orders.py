"""The spawner's rules for kernels: births by request, births by standing order, exits.

self_healing leaves for each kernel the order for the *next* exit of the run that is alive; the spawner carries it
out once, for that run only, and reports. So a kernel comes back in a millisecond, also while self_healing is dead.
The spawner decides nothing: where the order says report, or anything of the old tree is left, it reports.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.core.vocabulary import Action
from graced.spec.run import Run

LEFT: Final = "it left {} behind, which graced ended with it: run it in the foreground, not as a daemon"

Then = Literal["start", "report"]


class Exit(Struct, frozen=True):
    """How a run ended: exactly one of code and signal, or neither when nobody could know.

    `left`: the processes that it left behind when it ended well, as words; they were ended.
    """

    code: int | None = None
    signal: int | None = None
    left: str = ""

    @property
    def known(self) -> bool:
        return self.code is not None or self.signal is not None

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}" + (f"; {LEFT.format(self.left)}" if self.left else "")
        return f"signal {self.signal}" if self.signal is not None else "ended, nobody saw how"


class Order(Struct, frozen=True):
    """What is to happen when `run` of `kernel` exits: start run + 1 at once, or only report.

    `on_failure`: start only if the exit is not in `ok`. `no_restart`: exit codes that are only reported.
    """

    kernel: str
    run: int
    then: Then = "report"
    on_failure: bool = False
    ok: tuple[int, ...] = (0,)
    no_restart: tuple[int, ...] = ()


class Running(Struct, frozen=True):
    """The newest run of one kernel, as the spawner has it. `ending`: it is being ended, so no order is carried out."""

    run: Run
    alive: bool = False
    adopted: bool = False
    ending: bool = False
    exit: Exit | None = None
    order: Order | None = None

    @property
    def kernel(self) -> str:
        return self.run.kernel


class Launch(Action, frozen=True):
    """Give birth to `run`; the intent is stored first. The shell reports with `launched` or `not_launched`."""

    kernel: str
    run: int
    by_order: bool


class EndTree(Action, frozen=True):
    """End the run as its `stop` says; the end is reported as its exit."""

    kernel: str
    run: int


class Report(Action, frozen=True):
    """News for self_healing, kept until it has taken it. `by_order`: the next run is being started already.

    `text`: why a birth failed; `wanting`: for want of something that may come back.
    """

    what: Literal["born", "exited", "refused"]
    running: Running
    at: float
    text: str = ""
    by_order: bool = False
    wanting: bool = False


RunsAction = Launch | EndTree | Report
Runs = dict[str, Running]
Step = tuple[Runs, tuple[RunsAction, ...]]


def wants_start(order: Order | None, run: int, exit: Exit) -> bool:
    """Does the order say start, for this very run and this way of ending?"""
    if order is None or order.run != run or order.then != "start":
        return False
    if exit.code is not None and exit.code in order.no_restart:
        return False
    return not (order.on_failure and exit.code is not None and exit.code in order.ok)


def start(runs: Runs, kernel: str, run: int, now: float, *, stopping: bool = False) -> Step:
    """A request for `run`: refused if it is not above the highest run stored, or anything of the kernel lives."""
    old = runs.get(kernel, Running(Run(kernel)))
    if stopping:
        return runs, (Report("refused", old, now, text="graced is being stopped"),)
    if old.alive or run <= old.run.run:
        text = f"run {old.run.run} is alive" if old.alive else f"run {old.run.run} is the newest"
        return runs, (Report("refused", old, now, text=text),)
    return runs, (Launch(kernel, run, False),)


def launched(runs: Runs, run: Run, now: float) -> Step:
    """A run was born."""
    new = Running(run, alive=True)
    return {**runs, run.kernel: new}, (Report("born", new, now),)


def not_launched(runs: Runs, run: Run, text: str, now: float, *, wanting: bool = False) -> Step:
    """The birth failed (no such program, no such user ...): the run is used up, with an exit as a shell gives it."""
    new = Running(run, exit=Exit(code=127))
    return {**runs, run.kernel: new}, (Report("exited", new, now, text=text, wanting=wanting),)


def exited(runs: Runs, kernel: str, pid: int, exit: Exit, now: float, *, stopping: bool = False) -> Step:
    """A run ended. The order is used up by it, whatever it said."""
    old = runs.get(kernel)
    if old is None or not old.alive or old.run.pid != pid:
        return runs, ()
    new = replace(old, alive=False, exit=exit, order=None, ending=False)
    again = wants_start(old.order, old.run.run, exit) and not (old.ending or stopping)
    # The exit is reported before the birth that follows: self_healing counts the one before it hears of the other.
    report = Report("exited", new, now, by_order=again)
    return {**runs, kernel: new}, (report, Launch(kernel, old.run.run + 1, True)) if again else (report,)


def give(runs: Runs, order: Order) -> Runs:
    """Take an order; one for another run than the one that lives is void."""
    old = runs.get(order.kernel)
    if old is None or not old.alive or old.run.run != order.run or old.order == order:
        return runs
    return {**runs, order.kernel: replace(old, order=order)}


def stop(runs: Runs, kernel: str, run: int) -> Step:
    """End a run. Repeating it is harmless."""
    old = runs.get(kernel)
    if old is None or not old.alive or old.run.run != run:
        return runs, ()
    return {**runs, kernel: replace(old, ending=True, order=None)}, (EndTree(kernel, run),)
