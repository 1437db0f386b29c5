"""What playbooks do to kernels: `restart_kernel`, `start_kernel`, `stop_kernel`, `wait_for_kernel`.

The member that executes the run performs them, as `graced restart NAME` and its like do. self_healing asks itself, its
peer sends the same commands to it. What a person stopped stays stopped, unless a person runs the playbook. The run
before a restart is noted in the attempt's file, so a successor of the executor restarts nothing twice.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from graced.bus.protocol import Reply, to_plain
from graced.bus.verbs import KernelsLookedAt, Names
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


class Row(NamedTuple):
    """A kernel as self_healing tells of it. `meant`: it is meant to run."""

    run: int
    state: str
    alive: bool
    reason: str
    meant: bool

    @property
    def well(self) -> bool:
        return self.alive and self.state in WELL


class KernelActions:
    """One for each healer. `rung`: has a rung of a ladder restart its kernel, and gives the run that had failed."""

    def __init__(self, shell: "Shell", rung: Callable[[Perform], int | None] = lambda action: None) -> None:
        self._shell, self._rung = shell, rung
        self._under_way: set[tuple[str, int, int]] = set()

    def performs(self, action: Perform) -> bool:
        """Perform one of these actions, at most as long as the step may take. False for others."""
        course = COURSES.get(action.uses)
        if course is None:
            return False
        key = (action.run, action.step, action.attempt)
        if key not in self._under_way:
            self._under_way.add(key)
            course(self._shell, action, self._rung, lambda: self._under_way.discard(key)).look()
        return True


class Course:
    """One action on one kernel: looks at it, asks for what is to be done once, looks until it is over."""

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
        self._send("kernel.look", KernelsLookedAt((self._name,), True), self._looked)

    def _looked(self, reply: Reply | None) -> None:
        if reply is None or not reply.ok:
            self._again()
        elif self._name not in reply.data:
            self._end(False, f"no kernel {self._name}")
        else:
            told = reply.data[self._name]
            run = int(told["run"]["run"])
            self._seen(Row(run, str(told["state"]), bool(told["alive"]), str(told["reason"]), bool(told["meant"])))

    def _seen(self, row: Row) -> None:
        """What follows from how the kernel is now."""
        raise NotImplementedError

    def _again(self) -> None:
        self._shell.after(LOOK_S, self.look)

    def _ask(self, verb: str) -> None:
        """Have it done, as for a person."""
        self._asked = True

        def asked(reply: Reply | None) -> None:
            if reply is not None and not reply.ok:
                self._end(False, reply.error)
            else:
                self._again()

        self._send(verb, Names((self._name,)), asked)

    def _send(self, verb: str, args: Struct, answered: Answer) -> None:
        shell = self._shell
        if shell.me == "self_healing":
            shell.after(0.0, lambda: answered(shell.ask_itself(verb, args)))
        else:
            shell.send("self_healing", verb, to_plain(args), SEND_TIMEOUT_S, answered)

    def _stopped_by_person(self, row: Row) -> bool:
        if row.meant or self._action.context.by == BY_PERSON:
            return False
        self._end(False, f"{self._name} is not meant to run: a person starts it")
        return True

    def _end(self, ok: bool, text: str, run: int = 0) -> None:
        self._over()
        self._shell.playbooks.done(self._action, StepOutcome(ok, text, {"run": run} if run else {}))


class Restart(Course):
    """Until a newer run is ready."""

    def _seen(self, row: Row) -> None:
        before, told = self._before, self._action.context
        if before is not None and row.run > before:
            if row.well:
                self._end(True, f"{self._name} is {row.state}, run {row.run}", row.run)
            elif not row.meant:
                self._end(False, f"{self._name} was stopped meanwhile")
            elif not row.alive and row.state != "starting":
                self._end(False, f"{self._name} went down again: {row.reason}")
            else:
                self._again()
        elif self._asked:
            self._again()
        elif told.by == LADDER and told.target == self._name:  # it is down, and its ladder starts it
            self._by_ladder()
        elif not self._stopped_by_person(row):
            self._note(row.run)
            self._ask("kernels.restart")

    def _by_ladder(self) -> None:
        failed = self._rung(self._action)
        if failed is not None:
            self._asked = True
            self._note(failed)
        self._again()

    def _note(self, run: int) -> None:
        self._before = run
        self._shell.playbooks.note(self._action, run)


class Start(Course):
    """Until it is ready, with what it depends on."""

    def _seen(self, row: Row) -> None:
        if row.well or (self._asked and row.state == "exited"):
            self._end(True, f"{self._name} is {row.state}, run {row.run}", row.run)
        elif not self._asked and not self._stopped_by_person(row):
            self._ask("kernels.start")
        elif self._asked and row.state == "failed":
            self._end(False, f"{self._name} is failed: {row.reason}")
        elif self._asked:
            self._again()


class Stop(Course):
    """Until nothing of it is alive. It stays stopped until a person starts it."""

    def _seen(self, row: Row) -> None:
        if not row.meant and not row.alive:
            self._end(True, f"{self._name} is stopped")
        elif self._asked:
            self._again()
        else:
            self._ask("kernels.stop")


class Wait(Course):
    """Until it is in the state that the step names."""

    def _seen(self, row: Row) -> None:
        wanted = str(self._action.args.get("state", "ready"))
        if row.state == wanted or (wanted in WELL and row.well):
            self._end(True, f"{self._name} is {row.state}, run {row.run}", row.run)
        else:
            self._again()


COURSES: Final[Mapping[str, type[Course]]] = {
    "restart_kernel": Restart,
    "start_kernel": Start,
    "stop_kernel": Stop,
    "wait_for_kernel": Wait,
}
