"""Drives the machine of the kernels by words, and tells in words what came of it.

A golden table (`golden/kernels.txt`) is written and checked with it: nothing in it names how the machine is built.
"""

from typing import Any, Final

from core_kit import NOW

from graced.core.intensity import Policy
from graced.core.kernels import view
from graced.core.kernels.machine import Kernels
from graced.core.kernels.state import Evidence, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    BeginRung,
    CountRestart,
    End,
    Examine,
    Examined,
    GiveOrder,
    Keep,
    RunBorn,
    RunEnded,
    RungEnded,
    Save,
    SourcesMended,
    SourcesRenewed,
    Start,
    Told,
)
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Dependency, ExitCodes, Ready
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

POLICY: Final = Policy(max_restarts=2, window=60.0, immediate=1, initial=0.5, factor=2.0, max=8.0, jitter=0.0)
SPECS: Final = {
    "plain": Spec("web", ("web",), sources=("/src",)),
    "once": Spec("web", ("web",), restart="on-failure", ready=Ready(when="exited")),
    "on-failure": Spec("web", ("web",), restart="on-failure", exit_codes=ExitCodes((0, 2), (3,))),
    "never": Spec("web", ("web",), restart="never"),
    "short ladder": Spec("web", ("web",), ladder=("restart", "notify")),
    "no restart": Spec("web", ("web",), ladder=("fix_source", "notify")),
    "dependent": Spec("web", ("web",), depends_on=(Dependency("db"),)),
}
EXITS: Final = {
    "0": Exit(code=0), "1": Exit(code=1), "2": Exit(code=2), "3": Exit(code=3), "signal 9": Exit(signal=9),
    "unknown": Exit(),
}  # fmt: skip
EVIDENCE: Final = {
    "nothing": Evidence(),
    "syntax": Evidence("SyntaxError: invalid syntax", ("/src/a.py",)),
}


class Driver:
    """One kernel `web` (and `db`, on which a `dependent` one depends), and a clock."""

    def __init__(self, spec: str, *, wanted: bool = True) -> None:
        self.now = NOW
        specs = [SPECS[spec]] + ([Spec("db", ("db",))] if spec == "dependent" else [])
        self.kernels = Kernels(new_kernel(s, POLICY, wanted=wanted) for s in specs)
        self.said: list[Action] = []

    # --- words in

    def play(self, script: str) -> None:
        """Steps, with a comma between them; after each, what is due is done."""
        for step in script.split(", "):
            self.said = []
            if step:
                self._one(*step.split(" "))
            self.said += self.kernels.tend(self.now)

    def _one(self, verb: str, *words: str) -> None:
        """`exit +1 1`: run + 1 ended with code 1; `by order` behind it: the next run was started by order."""
        kernel = self.kernels["web"]
        event: Any
        match verb:
            case "wait":
                self.now += float(words[0])
                return
            case "born":
                event = RunBorn(self._run(words[0], *words[1:]))
            case "exit":
                by_order = words[-2:] == ("by", "order")
                exit = EXITS[" ".join(words[1:-2] if by_order else words[1:])]
                event = RunEnded(self._run(words[0]), exit, by_order=by_order)
            case "unborn":
                event = RunEnded(self._run(words[0]), Exit(code=127), text="no such program")
            case "stopping":
                event = RunEnded(self._run("+0"), Exit(signal=15), stopping=True)
            case "person":
                what: Any = words[0]
                event = Asked(what, ("web",))
            case "adopt" | "refused":
                run = self._run(words[0])
                if words[1] == "intent":
                    run = Run("web", run.run, started=run.started)
                alive = words[1] == "alive"
                event = Told(Running(run, alive=alive, exit=None if alive else Exit()), refused=verb == "refused")
            case "examined":
                event = Examined("web", kernel.run.run, EVIDENCE[words[0]])
            case "rung":
                outcome: Any = words[1]
                restart = outcome == "held_on" and words[0] != "notify"
                event = RungEnded("web", kernel.run.run, kernel.incident, words[0], outcome, "so it is", restart)
            case "mended":
                event = SourcesMended(("/src/a.py",))
            case "renew":
                event = SourcesRenewed(("web",))
            case _:
                raise ValueError(verb)
        self.said += self.kernels.take(event, self.now)

    def _run(self, plus: str, name: str = "web") -> Run:
        old = self.kernels[name].run
        number = old.run + int(plus)
        same = number == old.run
        pid = old.pid if same and old.pid else 100 + number
        started = old.started if same and old.started else self.now
        return Run(name, number, pid, 500, "boot", started)

    # --- words out

    def tell(self) -> str:
        kernel, tally = self.kernels["web"], self.kernels["web"].tally
        pid = kernel.run.pid if kernel.alive else 0
        words = [
            view.state(kernel), f"run={kernel.run.run}", f"pid={pid}", f"restarts={tally.restarts}",
            f"rung={tally.rung}", f"incident={tally.incident or None}", f"reason={view.reason(kernel)!r}",
        ]  # fmt: skip
        words += ["wanted"] * kernel.wanted + ["held"] * kernel.stopped_by_person
        wake = self.kernels.wake_at()
        words.append("sleeps" if wake == float("inf") else f"wakes={wake - self.now:g}")
        actions = [told for action in self.said if (told := _action(action))]
        return " ".join(words) + " | " + ("; ".join(actions) or "nothing")


def _action(action: Action) -> str:
    match action:
        case Save():
            return ""
        case Start():
            return f"start {action.kernel} {action.run}"
        case End():
            return f"end {action.run}"
        case GiveOrder():
            return f"order {action.order.run} {action.order.then}"
        case Examine():
            return f"examine {action.run}"
        case BeginRung():
            return f"begin {action.incident} {action.rung}"
        case Keep():
            return f"keep {action.run} {'proven' if action.proven else 'first'}"
        case Record():
            return f"record {action.kind} {action.data.get('run', '')}".strip()
        case OpenIncident():
            return f"open {action.id}"
        case NoteStep():
            return f"note {action.incident} {action.step} {'ok' if action.ok else 'not ok'}"
        case CloseIncident():
            return f"close {action.id} {action.state} {action.duration:g} s"
        case CountRestart():
            return f"count {action.run}"
    raise TypeError(action)
