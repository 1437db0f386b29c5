"""What a member does for the runs of playbooks that it executes: the locks of their targets, and the steps' actions."""

import hashlib
import os
from typing import TYPE_CHECKING, Final

from graced.core.vocabulary import EndRun, Perform, TakeTargets, TargetsTaken
from graced.home.locks import LockRecord, RestartLock, holder, take_now
from graced.members.launching import inherited
from graced.members.step_workers import StepOutcome, StepWorkers
from graced.posix.scan import HOME_TAG
from graced.spec.actions import performer

if TYPE_CHECKING:
    from graced.members.shell import Shell

RESULTS_KEPT: Final = 64


class Playbooks:
    """One for each member. `results`: of the last runs that are over, by run."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._workers = StepWorkers(shell)
        self.note, self.noted = self._workers.note, self._workers.noted
        self._locks: dict[str, dict[str, RestartLock]] = {}
        self.requests: dict[str, str] = {}  # request -> run
        self.results: dict[str, EndRun] = {}

    # --- targets

    def take_targets(self, action: TakeTargets) -> None:
        """All of the locks or none, without waiting; the kernel drops them with this process."""
        held = self._locks.setdefault(action.run, {})
        for target, old in tuple(held.items()):
            if not old.still_mine():  # run/ was deleted: that lock excludes nobody any more
                held.pop(target).close()
        taken: list[str] = []
        for target in sorted(set(action.targets) - held.keys()):
            lock, owner = self._take(target)
            if lock is None:
                for name in taken:
                    held.pop(name).close()
                self._shell.take(TargetsTaken(action.run, owner))
                return
            held[target] = lock
            taken.append(target)
        self._shell.take(TargetsTaken(action.run))

    def _take(self, target: str) -> tuple[RestartLock | None, str]:
        """The lock, or who has it."""
        path = lock_path(self._shell.home.run, target)
        try:
            lock = take_now(path, LockRecord.of(self._shell.identity))
        except OSError as error:  # run/ is gone: it is made again with the next heartbeat
            return None, error.strerror or str(error)
        if lock is not None:
            return lock, ""
        record = holder(path)
        return None, f"pid {record.pid}" if record is not None else "another run"

    # --- steps

    def perform(self, action: Perform) -> None:
        """Have the attempt performed by whoever does it; the outcome comes as StepDone."""
        if performer(action.uses) == "duty":
            self._shell.duty.perform(action)
            return
        shell = self._shell
        environ, config = command_environ(shell, action), shell.config

        def work(again: bool) -> StepOutcome:
            from graced.playbooks.actions import all_actions
            from graced.playbooks.perform import Context
            from graced.playbooks.perform import perform as do

            told = action.context
            context = Context(
                config.folder, environ, config.notify, action.timeout, told.playbook, told.step, told.vars,
                shell.home.root, action.run, told.target, told.incident, told.by,
            )  # fmt: skip
            found = do(action.uses, action.args, context, all_actions(), again=again)
            return StepOutcome(found.ok, found.text, found.output, found.applies)

        self._workers.perform(action, work, lambda outcome: self.done(action, outcome))

    def done(self, action: Perform, outcome: StepOutcome) -> None:
        """The attempt has ended."""
        self._shell.step_done(action, outcome)

    # --- the end

    def ended(self, end: EndRun) -> None:
        """The run is over: its locks are free, its result is there for whoever asks."""
        for lock in self._locks.pop(end.run, {}).values():
            lock.close()
        self._workers.forget(end.run)
        while len(self.results) >= RESULTS_KEPT:
            self.results.pop(next(iter(self.results)))
        self.results[end.run] = end

    def begin_anew(self) -> None:
        """At a start from nothing, what earlier runs left."""
        self._workers.forget_all()


def lock_path(folder: str, target: str) -> str:
    """The lock file of a target, which may be any text."""
    digest = hashlib.blake2b(target.encode(errors="replace"), digest_size=8).hexdigest()
    return os.path.join(folder, f"target-{digest}.lock")


def command_environ(shell: "Shell", action: Perform) -> dict[str, str]:
    """Of the commands of a step: the kernels' environment, never the member's, and what the run is about.

    With the home's tag, so that `graced stop` ends what a command has left behind.
    """
    told = action.context
    about = {
        "GRACED_HOME": shell.home.root, "GRACED_PLAYBOOK": told.playbook, "GRACED_PLAYBOOK_RUN": action.run,
        "GRACED_STEP": told.step, "GRACED_TARGET": told.target, "GRACED_INCIDENT": told.incident,
    }  # fmt: skip
    return {**inherited(shell.home), HOME_TAG: shell.home.id(), **about}
