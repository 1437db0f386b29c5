"""What a member does for the runs of playbooks that it executes: the locks of their targets, and the steps' actions."""

from typing import TYPE_CHECKING, Final

from graced.core.vocabulary import EndRun, Perform, TakeTargets, TargetsTaken
from graced.home.paths import Home
from graced.members.step_workers import StepOutcome, StepWork, StepWorkers
from graced.posix.scan import HOME_TAG
from graced.spec.actions import performer
from graced.spec.config import Config

if TYPE_CHECKING:
    from graced.members.shell import Shell

RESULTS_KEPT: Final = 64


class Playbooks:
    """One for each member. `results`: of the last runs that are over, by run."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._workers = StepWorkers(shell)
        self.note, self.noted = self._workers.note, self._workers.noted
        self._locks: dict[str, list[str]] = {}  # run -> targets
        self.requests: dict[str, str] = {}  # request -> run
        self.results: dict[str, EndRun] = {}
        self.over: list[str] = []  # runs whose end state.db may not have yet

    # --- targets

    def take_targets(self, action: TakeTargets) -> None:
        """All of the locks or none, without waiting; the kernel drops them with this process."""
        locks = self._shell.locks
        held = self._locks.setdefault(action.run, [])
        for target in tuple(held):
            if not locks.holds_target(target):  # run/ was deleted: that lock excludes nobody any more
                locks.drop_target(target)
                held.remove(target)
        taken: list[str] = []
        for target in sorted(set(action.targets) - set(held)):
            owner = self._take(target)
            if owner:
                for name in taken:
                    locks.drop_target(name)
                self._shell.take(TargetsTaken(action.run, owner))
                return
            taken.append(target)
        held += taken
        self._shell.take(TargetsTaken(action.run))

    def _take(self, target: str) -> str:
        """Who has the lock; "" when it is ours now."""
        locks = self._shell.locks
        try:
            if locks.take_target(target):
                return ""
        except OSError as error:  # run/ is gone: it is made again with the next heartbeat
            return error.strerror or str(error)
        record = locks.target_holder(target)
        return f"pid {record.pid}" if record is not None else "another run"

    # --- steps

    def perform(self, action: Perform) -> None:
        """Have the attempt performed by whoever does it; the outcome comes as StepDone."""
        if performer(action.uses) == "duty":
            self._shell.duty.perform(action)
            return
        config, home = self._shell.config, self._shell.home.root
        step = Step(action=action, config=config, home=home)
        self._workers.perform(action, step, lambda outcome: self.done(action, outcome))

    def done(self, action: Perform, outcome: StepOutcome) -> None:
        """The attempt has ended."""
        self._shell.step_done(action, outcome)

    # --- the end

    def ended(self, end: EndRun) -> None:
        """The run is over: its locks are free, its result is there for whoever asks."""
        for target in self._locks.pop(end.run, ()):
            self._shell.locks.drop_target(target)
        self.over.append(end.run)
        while len(self.results) >= RESULTS_KEPT:
            self.results.pop(next(iter(self.results)))
        self.results[end.run] = end

    def stored(self) -> None:
        """state.db has the ends of all runs: only now may what shows which steps were done be forgotten.

        Before that a successor of this member would go on with the run, and do its steps once more.
        """
        for run in self.over:
            self._workers.forget(run)
        self.over.clear()

    def begin_anew(self) -> None:
        """At a start from nothing, what earlier runs left."""
        self._workers.forget_all()


class Step(StepWork):
    """One attempt of a step."""

    action: Perform
    config: Config
    home: str

    def perform(self, again: bool) -> StepOutcome:
        from graced.playbooks.actions import all_actions
        from graced.playbooks.perform import Context
        from graced.playbooks.perform import perform as do

        action, config, told = self.action, self.config, self.action.context
        context = Context(
            config.folder, command_environ(Home(self.home), action), config.notify, action.timeout, told.playbook,
            told.step, told.vars, self.home, action.run, told.target, told.incident, told.by,
        )  # fmt: skip
        found = do(action.uses, action.args, context, all_actions(), again=again)
        return StepOutcome(found.ok, found.text, found.output, found.applies)


def command_environ(home: Home, action: Perform) -> dict[str, str]:
    """Of the commands of a step: the kernels' environment, never the member's, and what the run is about.

    With the home's tag, so that `graced stop` ends what a command has left behind.
    """
    from graced.members.launching import inherited

    told = action.context
    about = {
        "GRACED_HOME": home.root, "GRACED_PLAYBOOK": told.playbook, "GRACED_PLAYBOOK_RUN": action.run,
        "GRACED_STEP": told.step, "GRACED_TARGET": told.target, "GRACED_INCIDENT": told.incident,
    }  # fmt: skip
    return {**inherited(home), HOME_TAG: home.id(), **about}
