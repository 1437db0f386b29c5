"""What playbooks do to kernels: `restart_kernel`, as `graced restart NAME` does it, and waiting until it runs again.

The member that executes the run performs it. self_healing asks itself, its peer sends the same commands to it. What a
person stopped stays stopped, unless a person runs the playbook. The run before the restart is noted in the attempt's
file, so an attempt that is taken up by a successor of the executor restarts nothing twice.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from graced.bus.protocol import Reply
from graced.bus.verbs import Names
from graced.core.vocabulary import Perform
from graced.members.step_workers import StepOutcome

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 0.1
SEND_TIMEOUT_S: Final = 2.0
WELL: Final = ("ready", "healthy")
BY_PERSON: Final = "person"
LADDER: Final = "ladder"
"""Who has started a run that is a rung of a kernel's ladder."""

Answer = Callable[[Reply | None], None]


class KernelActions:
    """One for each healer. `rung`: has a rung of a ladder restart its kernel, and gives the run that had failed."""

    def __init__(self, shell: "Shell", rung: Callable[[Perform], int | None] = lambda action: None) -> None:
        self._shell, self._rung = shell, rung
        self._under_way: set[tuple[str, int, int]] = set()

    def restart(self, action: Perform) -> None:
        """Restart one kernel and wait until it is ready again, at most as long as the step may take."""
        key = (action.run, action.step, action.attempt)
        if key not in self._under_way:
            self._under_way.add(key)
            _Restart(self._shell, action, self._rung, lambda: self._under_way.discard(key)).look()


class _Restart:
    """One restart: look at it, ask for it once, look until it is over."""

    def __init__(
        self, shell: "Shell", action: Perform, rung: Callable[[Perform], int | None], over: Callable[[], None]
    ) -> None:
        self._shell, self._action, self._rung, self._over = shell, action, rung, over
        self._name = str(action.args.get("kernel"))
        self._deadline = self._shell.now() + action.timeout
        self._before = shell.playbooks.noted(action)
        self._asked = False  # by this executor; what its predecessor asked for may have been lost with it

    def look(self) -> None:
        if self._shell.now() >= self._deadline:
            self._over()  # the core has ended the step by itself
            return
        self._ask("kernel.look", self._looked)

    def _looked(self, reply: Reply | None) -> None:
        if reply is None or not reply.ok:
            self._shell.after(LOOK_S, self.look)
            return
        row = reply.data.get(self._name)
        run = int(row["run"]["run"]) if row is not None else 0
        if self._before is None or (not self._asked and row is not None and run <= self._before):
            self._begin(run if row is not None else None)
        elif row is None:
            self._end(False, f"{self._name} was stopped meanwhile")
        elif run > self._before and row["alive"] and row["state"] in WELL:
            self._end(True, f"{self._name} is {row['state']}, run {run}", {"run": run})
        elif run > self._before and not row["alive"] and row["state"] != "starting":
            self._end(False, f"{self._name} went down again: {row['reason']}")
        else:
            self._shell.after(LOOK_S, self.look)

    def _begin(self, run: int | None) -> None:
        told = self._action.context
        if run is None and told.by != BY_PERSON:
            self._end(False, f"{self._name} is not meant to run, or is no kernel: a person starts it")
            return
        if told.by == LADDER and told.target == self._name:  # it is down, and its ladder starts it
            failed = self._rung(self._action)
            if failed is not None:
                self._before, self._asked = failed, True
                self._shell.playbooks.note(self._action, failed)
            self._shell.after(LOOK_S, self.look)
            return
        self._before, self._asked = run or 0, True
        self._shell.playbooks.note(self._action, self._before)

        def asked(reply: Reply | None) -> None:
            if reply is not None and not reply.ok:
                self._end(False, reply.error)
                return
            if reply is not None and self._name in reply.data["runs"]:
                self._before = int(reply.data["runs"][self._name])
            self._shell.after(LOOK_S, self.look)

        self._ask("kernels.restart", asked)

    def _ask(self, verb: str, answered: Answer) -> None:
        shell = self._shell
        if shell.me == "self_healing":
            shell.after(0.0, lambda: answered(shell.ask_itself(verb, Names((self._name,)))))
        else:
            shell.send("self_healing", verb, {"names": [self._name]}, SEND_TIMEOUT_S, answered)

    def _end(self, ok: bool, text: str, output: dict[str, Any] | None = None) -> None:
        self._over()
        self._shell.playbooks.done(self._action, StepOutcome(ok, text, output or {}))
