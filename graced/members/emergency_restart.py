"""`restart_kernel` as trigger does it in an emergency: by the spawner, past self_healing, which is out.

Only with the power that the watchdog lends; that it is held was checked when the step began (graced.core.powers).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from graced.core.vocabulary import Perform
from graced.home.slots import identity_of
from graced.members.step_workers import StepOutcome
from graced.spec.config import Kernel
from graced.spec.run import Run

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 0.05
AGAIN_S: Final = 1.0
SEND_TIMEOUT_S: Final = 1.0
DEAD: Final = ("gone", "zombie")


class EmergencyRestart:
    """One kernel: the run that lives is ended, the next one is started, and a newer one that lives is the end of it."""

    def __init__(self, shell: "Shell", action: Perform, spec: Kernel, done: Callable[[StepOutcome], None]) -> None:
        self._shell, self._action, self._spec, self._done = shell, action, spec, done
        self._deadline = self._shell.now() + action.timeout
        self._before = shell.playbooks.noted(action)
        self._asked_at = 0.0

    def look(self) -> None:
        slot = self._shell.slots.read(self._spec.name)
        if self._shell.now() >= self._deadline or slot is None:
            self._done(StepOutcome(False, f"{self._spec.name} did not come back in time"))
            return
        if self._before is None:
            self._before = slot.run.run
            self._shell.playbooks.note(self._action, self._before)
        run = slot.run
        alive = run.pid > 0 and self._shell.processes.status(identity_of(run)) not in DEAD
        if alive and run.run > self._before:
            self._done(StepOutcome(True, f"{self._spec.name} runs, run {run.run}", {"run": run.run}))
            return
        if self._shell.now() - self._asked_at >= AGAIN_S:
            self._asked_at = self._shell.now()
            self._ask(run, alive)
        self._shell.after(LOOK_S, self.look)

    def _ask(self, run: Run, alive: bool) -> None:
        verb, number = ("kernel.end", run.run) if alive else ("kernel.start", run.run + 1)
        self._shell.send("spawner", verb, {"kernel": run.kernel, "run": number}, SEND_TIMEOUT_S)
