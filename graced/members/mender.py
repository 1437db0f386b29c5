"""The coding agent's hands: one task after the other from the queue, each in a worker, to an end that is told once.

The order of the end is what a kill -9 at any instant cannot confuse: the fix is in place, `fix.applied` is in the audit
log, the task is over in state.db. An agent that takes a task up again finds out by the note, and by the log, how far
its predecessor came.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from graced.core.kernels.ladder import inside
from graced.core.vocabulary import CloseIncident, Happened, NoteStep
from graced.members.mending_work import Accept, LookAt, Mend, Settle, TakeBack
from graced.members.scanning import PAST
from graced.members.told import fixes_told
from graced.members.trials import Trials
from graced.mending.apply import Job, Outcome
from graced.mending.backend import TIMEOUT_S as BACKEND_S
from graced.mending.patience import Patience, Seen
from graced.mending.propose import Given
from graced.mending.verify import TIMEOUT_S as VERIFY_S
from graced.mending.verify import Verifier
from graced.spec.config import Kernel
from graced.store import tables
from graced.store.tasks import TaskRecord
from graced.store.text import is_valid

if TYPE_CHECKING:
    from graced.members.shell import Shell

MEND_S: Final = 60.0
"""For a repair, whatever the file; verify and a back end have their own time on top."""
RETRY_S: Final = 0.1
LOOK_S: Final = 60.0
"""For a look at the files of all tasks that wait."""


class Closing(msgspec.Struct):
    """A task whose end waits for the audit log to have what was said of it."""

    task: str
    state: Any
    text: str
    outcome: Outcome | None
    good: bool


class Crash(NamedTuple):
    """Of a kernel, over the file of a task; `at`: when that run began, in seconds of 1970, 0 if not known."""

    kernel: str
    at: float


class Mender:
    """`quiet` is called when the queue is empty: what was mended should be looked at."""

    def __init__(self, shell: "Shell", quiet: Callable[[], None]) -> None:
        self._shell, self._quiet = shell, quiet
        self._agent = f"{shell.identity.pid}-{shell.identity.start_ticks}"
        self.folder = os.path.join(shell.home.root, "originals")
        self._trials = Trials(shell, self._waiting, self._tried)
        self._next = 0.0
        self._mending = ""
        self._resumed = False
        self._told: frozenset[str] = frozenset()
        self._outcomes: dict[str, Outcome] = {}  # of tasks in trial
        self._closing: list[Closing] = []
        self._began: dict[str, float] = {}
        self._crashes: dict[str, Crash] = {}  # by task
        self._patience = Patience()
        self._looking = False

    # --- the loop

    def tend(self, now: float) -> None:
        if not self._resumed:
            if now >= self._next:
                self._resume()
            return
        self._close()
        self._trials.tend(now)
        if now >= self._next and not self._mending and not self._looking:
            self._claim(now)

    def wake_at(self) -> float:
        if not self._resumed:
            return self._next
        at = self._trials.wake_at()
        if self._closing:
            at = min(at, self._shell.now() + RETRY_S)
        return at if self._mending or self._looking else min(at, self._next)

    def soon(self, task: str) -> None:
        """A task was queued."""
        self._began[task] = self._shell.now()
        self._next = 0.0

    def crashed(self, task: str, kernel: str, at: float) -> None:
        """A kernel fell over the task's file; `at`: when that run began, in seconds of 1970, 0 if not known."""
        if task not in self._crashes:
            self._patience.forget(task)
            self._next = 0.0
        self._crashes[task] = Crash(kernel, at)

    def whole(self, task: str) -> None:
        """The file of a queued task compiles by somebody else's doing: nobody waits for anything."""
        self._patience.learn(Seen(task), self._shell.now())
        self._next = 0.0

    def held_by_tool(self, task: str) -> str:
        """Why a queued task waits for another tool's end; "" when it does not."""
        return self._patience.held_by_tool(task)

    def _resume(self) -> None:
        """Tasks that a dead predecessor was at go back into the queue."""
        unfinished = {t.id for t in tables.tasks(self._shell.store) if t.state in ("running", "queued")}
        self._shell.audit.flush()  # what waits for the store is written with this, and comes after its records
        if tables.resume(self._shell.store, self._agent) is None:
            self._next = self._shell.now() + RETRY_S
            return
        self._resumed = True
        self._next = 0.0
        if unfinished:  # also those that a predecessor had put back, and then died
            self._told = frozenset(unfinished & fixes_told(self._shell.audit.lately))

    # --- one task

    def _claim(self, now: float) -> None:
        config = self._shell.config
        idle = now + (RETRY_S if self._shell.store.pending else config.timing.check_interval_s)
        if config.coding_agent.apply == "off":
            self._next = idle
            return
        queued = {task.id: task for task in tables.queued_tasks(self._shell.store)}
        self._patience.keep_only(queued)
        ready = self._patience.ready(queued)
        if ready is None:
            due = self._patience.due(queued, now)
            self._next = min(idle, self._patience.next_look(queued))
            if due:
                self._look_at([queued[task] for task in due])
            return
        self._shell.audit.flush()
        task = tables.claim_next(self._shell.store, self._agent, ready)
        if task is None:
            self._next = now + RETRY_S
            return
        self._patience.forget(task.id)
        self._began.setdefault(task.id, now)
        job = self._job(task)

        def done(data: bytes) -> None:
            self._mending = ""
            self._next = 0.0
            if data:
                self._finish(job, msgspec.msgpack.decode(data, type=Outcome))
            else:
                self._look_after(job)

        limit = MEND_S + (VERIFY_S if job.verifier else 0.0) + (BACKEND_S if job.backend else 0.0)
        if self._shell.workers.run(Mend(job, self._shell.home.root, config), limit, done):
            self._mending = task.id
        else:  # no process to be had: it is taken up again
            self._look_after(job)

    def _look_at(self, due: list[TaskRecord]) -> None:
        """In a worker: which of the files are left alone by now."""
        config = self._shell.config
        again_s = config.timing.check_interval_s

        def done(data: bytes) -> None:
            self._looking = False
            self._next = 0.0 if data else self._shell.now() + again_s
            for seen in msgspec.msgpack.decode(data, type=list[Seen]) if data else ():
                self._patience.learn(seen, self._shell.now())

        asked = [(task.id, task.path, task.id in self._crashes) for task in due]
        self._looking = self._shell.workers.run(LookAt(asked, config.coding_agent.settle_s, again_s), LOOK_S, done)
        if not self._looking:
            self._next = self._shell.now() + RETRY_S

    def _job(self, task: TaskRecord) -> Job:
        config = self._shell.config
        agent = config.coding_agent
        crash = self._crashes.get(task.id)
        log = self._shell.files.tail(crash.kernel, 0.0, 16_000)[0] if crash and agent.backend else ""
        store = self._shell.store
        texts = os.path.join(self._shell.home.root, PAST)
        given = Given(texts, tables.good_versions(store, task.path), tables.disowned_texts(store, task.path), True)
        return Job(
            task.id, task.path, self.folder, agent.apply, agent.min_confidence, None,
            Verifier(agent.verify, config.folder) if agent.verify else None, agent.backend, config.folder, log,
            crash.at if crash else 0.0, agent.settle_s, crash is not None, config.timing.check_interval_s, given,
        )  # fmt: skip

    def _look_after(self, job: Job) -> None:
        """The worker gave no answer: what it did is found out by another."""

        def done(data: bytes) -> None:
            outcome = Outcome("failed", "the repair gave no result in time, or its process was killed", retry="later")
            self._finish(job, msgspec.msgpack.decode(data, type=Outcome) if data else outcome)

        if not self._shell.workers.run(Settle(job), MEND_S + VERIFY_S, done):
            self._shell.after(RETRY_S, lambda: self._look_after(job))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        if outcome.state == "waiting":
            tables.put_back(self._shell.store, job.task)
            self._patience.learn(Seen(job.task, outcome.wait_s, outcome.text, outcome.by_tool), self._shell.now())
            return
        if not outcome.applied:
            self._end(job.task, outcome.state, outcome.text, outcome)
            if outcome.state == "done":  # it compiles by somebody else's doing
                self.tell_mended([job.path])
            return
        if job.task not in self._told:
            data = {
                "task": job.task, "path": job.path,
                "sha256_before": outcome.sha256_before, "sha256_after": outcome.sha256_after,
            }  # fmt: skip
            self._shell.audit.append("fix.applied", data)
        self._outcomes[job.task] = outcome
        self._trials.begin(job.task, job.path, os.path.join(self.folder, f"{job.task}.trial.json"))

    def tell_mended(self, paths: list[str]) -> None:
        """These compile now, by whoever's doing: kernels that failed over them are started."""
        self._shell.send("self_healing", "kernel.mended", {"paths": [p for p in paths if is_valid(p)]}, 1.0)

    # --- trials

    def _waiting(self, kernel: Kernel) -> bool | None:
        """Is something in the kernel's sources still to be mended? None: something there could not be."""
        store = self._shell.store
        found: bool | None = False
        for task in tables.tasks(store):
            if not inside(task.path, kernel.sources):
                continue
            if task.state == "queued" or (task.state == "running" and task.id not in self._outcomes):
                return True
            if task.state in ("failed", "suggested", "undone"):
                found = None
        return found

    def _tried(self, task: str, reason: str) -> None:
        outcome = self._outcomes.pop(task, None)
        if outcome is None:
            return
        if not reason:
            self._end(task, "done", outcome.text, outcome)
            return
        record = tables.get_task(self._shell.store, task)
        path = record.path if record is not None else ""
        self.take_back(task, path, outcome, lambda ok, text: self._taken_back(task, outcome, reason, ok, text))

    def _taken_back(self, task: str, outcome: Outcome, reason: str, ok: bool, text: str) -> None:
        if not ok:
            self._shell.audit.append("escalated", {"incident": task, "subject": task, "text": f"{reason}; {text}"})
            self._end(task, "done", f"{outcome.text}; {reason}; {text}", outcome, good=False)
            return
        self._end(task, "undone", f"taken back: {reason}", outcome, good=False)

    # --- what a person decides

    def accept(self, task: TaskRecord, over: Callable[[str], None]) -> None:
        """Put a suggestion in place, in a worker; `over` is told why it could not be, "" when it was."""
        job, store = self._job(task), self._shell.store

        def done(data: bytes) -> None:
            outcome = msgspec.msgpack.decode(data, type=Outcome) if data else Outcome("failed", "the worker died")
            if outcome.applied:
                self._finish(job, outcome)
            else:
                tables.finish_task(store, task.id, "suggested", task.finished_at)
            over("" if outcome.applied else outcome.text)

        tables.take_up(store, task.id, self._agent)
        error = task.error.partition("; not applied")[0]
        work = Accept(job, task.sha256_before or "", task.sha256_after or "", error)
        if not self._shell.workers.run(work, MEND_S, done):
            tables.finish_task(store, task.id, "suggested", task.finished_at)
            over("no worker could be started")

    def take_back(self, task: str, path: str, fix: Any, over: Callable[[bool, str], None]) -> None:
        """Put the bytes from before the fix back, in a worker; `over` is told whether, and why not. Audited here."""

        def done(data: bytes) -> None:
            said = msgspec.msgpack.decode(data)[0] if data else "the worker died"
            if not said:
                told = {"task": task, "path": path, "sha256": fix.sha256_before}
                self._shell.audit.append("fix.undone", told)
            over(not said, said)

        work = TakeBack(path, fix.sha256_before, fix.sha256_after, fix.original)
        if not self._shell.workers.run(work, MEND_S, done):
            over(False, "no worker could be started")

    # --- the end of a task

    def _end(self, task: str, state: str, text: str, outcome: Outcome, good: bool = True) -> None:
        self._closing.append(Closing(task, state, text, outcome, good and state == "done"))

    def _close(self) -> None:
        """Only when the audit log has it: a task that is over in the store is not taken up again."""
        if not self._closing or self._shell.audit.pending:
            return
        for each in self._closing:
            outcome = each.outcome or Outcome("failed", each.text)
            tables.finish_task(
                self._shell.store, each.task, each.state, self._shell.wall_iso(), error=_error(outcome, each),
                sha256_before=outcome.sha256_before, sha256_after=outcome.sha256_after, original=outcome.original,
                retry=outcome.retry if each.state in ("failed", "suggested") else "",
            )  # fmt: skip
            self._shell.act(NoteStep(each.task, "fix_source", each.good, each.text))
            if each.state == "failed":
                self._tell_failed(each)
            span = max(0.0, self._shell.now() - self._began.pop(each.task, self._shell.now()))
            self._shell.act(CloseIncident(each.task, "recovered" if each.good else "escalated", span, 1))
            self._crashes.pop(each.task, None)
        self._closing.clear()
        self._quiet()

    def _tell_failed(self, each: Closing) -> None:
        task = tables.get_task(self._shell.store, each.task)
        if task is not None and is_valid(task.path):
            self._shell.take(Happened("task.failed", task.path, each.task, each.task, {"error": each.text}))


def _error(outcome: Outcome, closing: Closing) -> str | None:
    """What `tasks` shows: what was wrong; for those that are not done, what came of it too."""
    if closing.state == "done":
        return outcome.error or None
    return closing.text if outcome.error in closing.text else f"{outcome.error}; {closing.text}"
