"""Drives the machine of the kernels by words, and tells in words what came of it.

A golden table (`golden/kernels.txt`) is written and checked with it: nothing in it names how the machine is built.
"""

from typing import Any, Final

from core_kit import NOW

from graced.core import kernels, ladder
from graced.core.intensity import Policy
from graced.core.kernel import Evidence, Examine, FixSource, Keep, Kernel, RestoreSource, Save
from graced.core.kernels import End, GiveOrder, Kernels, Start
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, Bump, CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Dependency, ExitCodes, Ready
from graced.spec.config import Kernel as Spec

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
    "syntax": Evidence("SyntaxError: invalid syntax", True, "/src/a.py", ("/src/a.py",), True),
    "changed": Evidence("KeyError: 'a'", False, "/src/a.py", ("/src/a.py",), False, True),
}


class Driver:
    """One kernel `web` (and `db`, on which a `dependent` one depends), and a clock."""

    def __init__(self, spec: str, *, wanted: bool = True) -> None:
        self.now = NOW
        specs = [SPECS[spec]] + ([Spec("db", ("db",))] if spec == "dependent" else [])
        state: Any = "backoff" if wanted else "stopped"
        self.kernels: Kernels = {s.name: Kernel(s, POLICY, wanted=wanted, state=state) for s in specs}
        self.said: list[Action] = []

    # --- words in

    def play(self, script: str) -> None:
        """Steps, with a comma between them; after each, what is due is done."""
        for step in script.split(", "):
            self.said = []
            if step:
                self._one(*step.split(" "))
            self._take(kernels.tend(self.kernels, self.now))

    def _one(self, verb: str, *words: str) -> None:
        """`exit +1 1`: run + 1 ended with code 1; `by order` behind it: the next run was started by order."""
        match verb:
            case "wait":
                self.now += float(words[0])
            case "born":
                self._take(kernels.born(self.kernels, self._running(words[0], words[1:]), self.now))
            case "exit":
                by_order = words[-2:] == ("by", "order")
                exit = EXITS[" ".join(words[1:-2] if by_order else words[1:])]
                running = self._running(words[0], (), exit)
                self._take(kernels.exited(self.kernels, running, self.now, by_order=by_order, noise=0.0))
            case "unborn":
                running = self._running(words[0], (), Exit(code=127))
                self._take(kernels.exited(
                    self.kernels, running, self.now, by_order=False, noise=0.0, text="no such program"
                ))  # fmt: skip
            case "stopping":
                running = self._running("+0", (), Exit(signal=15))
                self._take(kernels.exited(self.kernels, running, self.now, by_order=False, noise=0.0, stopping=True))
            case "person":
                verbs = {"start": kernels.person_start, "stop": kernels.person_stop, "restart": kernels.person_restart}
                self._take(verbs[words[0]](self.kernels, ("web",), self.now))
            case "adopt" | "refused":
                exit = None if words[1] == "alive" else Exit()
                running = self._running(words[0], words[2:], exit, intent=words[1] == "intent")
                self._take(getattr(kernels, verb)(self.kernels, running, self.now))
            case "examined":
                kernel = self.kernels["web"]
                self._take(ladder.examined(self.kernels, "web", kernel.run, EVIDENCE[words[0]], self.now))
            case "rung":
                kernel = self.kernels["web"]
                self._take(ladder.told(
                    self.kernels, "web", kernel.run, words[0], words[1] == "held_on", "so it is", self.now
                ))  # fmt: skip
            case "mended":
                self._take(ladder.mended(self.kernels, ("/src/a.py",), self.now))
            case "renew":
                self._take(ladder.renew(self.kernels, ("web",), self.now))
            case _:
                raise ValueError(verb)

    def _running(self, plus: str, name: tuple[str, ...], exit: Exit | None = None, *, intent: bool = False) -> Running:
        kernel = self.kernels[name[0] if name else "web"]
        run = kernel.run + int(plus)
        same = run == kernel.run
        pid = kernel.pid if same and kernel.pid else 100 + run
        started = kernel.started if same and kernel.started else self.now
        return Running(
            kernel.name, run, 0 if intent else pid, 0 if intent else 500, started, alive=exit is None, exit=exit
        )

    def _take(self, step: Any) -> None:
        self.kernels, actions = step
        self.said += actions

    # --- words out

    def tell(self) -> str:
        kernel = self.kernels["web"]
        words = [
            kernel.state, f"run={kernel.run}", f"pid={kernel.pid}", f"restarts={kernel.restarts}",
            f"rung={kernel.rung}", f"incident={kernel.incident or None}", f"reason={kernel.reason!r}",
        ]  # fmt: skip
        words += [word for word in ("wanted", "held") if getattr(kernel, word)]
        wake = kernels.wake_at(self.kernels, self.now)
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
            return f"end {action.run} signal {action.signal} timeout {action.timeout:g}"
        case GiveOrder():
            return f"order {action.order.run} {action.order.then}"
        case Examine():
            return f"examine {action.run}"
        case FixSource():
            return f"begin {action.incident} fix_source"
        case RestoreSource():
            return f"begin {action.incident} restore_source"
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
        case Bump():
            return f"count {action.incident}"
    raise TypeError(action)
