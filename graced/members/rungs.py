"""The rungs of a kernel's ladder in the real world: BeginRung in, a run of the playbook of that name, RungEnded out.

Also what the rungs that ship use: `mend_source`, for a SyntaxError and its kin in a file that may be mended, and
`restore_source`, for every other failure of a kernel whose sources changed since it was healthy. Reading the end of a
log is done at once; whatever reads or writes sources is done in a worker.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from graced.bus.protocol import Reply
from graced.core.kernels.ladder import NOTIFY, inside
from graced.core.kernels.machine import Kernels, Taken
from graced.core.kernels.state import Evidence, Kernel
from graced.core.kernels.vocabulary import (
    BeginRung,
    Examine,
    Examined,
    Keep,
    RungEnded,
    RungOutcome,
    SourcesMended,
)
from graced.core.vocabulary import EndRun, Perform, RunAsked
from graced.members.kernel_actions import LADDER
from graced.members.step_workers import StepOutcome
from graced.members.told import finished_lately
from graced.members.work import Work
from graced.mending.excluded import is_barred, is_within
from graced.mending.failure import Failure, failure_of
from graced.mending.snapshot import Restored, Snapshots
from graced.mending.walk import is_python
from graced.spec.config import Config
from graced.spec.run import Run
from graced.store import tables
from graced.store.text import is_valid

if TYPE_CHECKING:
    from graced.members.shell import Shell

SEND_TIMEOUT_S: Final = 5.0
WORK_TIMEOUT_S: Final = 50.0
ASK_AGAIN_S: Final = 0.5
"""The coding agent is asked how its task stands."""
TRIAL_SHARE: Final = 0.5
"""Of the time of a step that puts sources back: the most that it waits for the trial of a mend."""
CLOCK_SLACK_S: Final = 1.0
"""A file's times are coarser than a clock's, and wall time may have been set."""


class LookBarred(Work):
    """Has a person barred the file? -> bool"""

    path: str
    config: Config
    sources: tuple[str, ...]

    def do(self) -> bytes:
        return msgspec.msgpack.encode(is_barred(self.path, self.config, self.sources))


class Restore(Work):
    """-> Restored, or False when nothing changed since the snapshot"""

    folder: str
    kernel: str
    sources: tuple[str, ...]
    barred: tuple[str, ...]
    keep_in: str

    def do(self) -> bytes:
        snapshots = Snapshots(self.folder)
        changed = snapshots.changed(self.kernel, self.sources, self.barred)
        return msgspec.msgpack.encode(snapshots.restore(self.kernel, self.keep_in) if changed else False)


class TakeSnapshot(Work):
    """-> whether there is a new one"""

    folder: str
    kernel: str
    sources: tuple[str, ...]
    barred: tuple[str, ...]
    proven: bool

    def do(self) -> bytes:
        snapshots = Snapshots(self.folder)
        return msgspec.msgpack.encode(snapshots.keep(self.kernel, self.sources, self.barred, self.proven))


class Rungs:
    """`take` gives an event to the kernels; `kernels` gives them as they are now."""

    def __init__(self, shell: "Shell", kernels: Callable[[], Kernels], take: Callable[[Taken, float], None]) -> None:
        self._shell, self._kernels, self._take = shell, kernels, take
        self._busy: set[tuple[str, str]] = set()
        self._snapshots = os.path.join(shell.home.root, "snapshots")
        self._barred = (shell.home.root,)
        self._written: dict[str, float] = {}  # kernel -> when its log ended, seconds of 1970
        self._next_look = 0.0
        self._begun: dict[str, BeginRung] = {}  # run of a playbook -> the rung that it is

    def do(self, action: Examine | BeginRung | Keep) -> None:
        match action:
            case Examine():
                self._shell.after(0.0, lambda: self._examine(action))  # not in the middle of a step's other actions
            case BeginRung():
                self._shell.after(0.0, lambda: self._begin(action))
            case Keep():
                self._keep(action)
            case _:
                assert_never(action)

    # --- what was it?

    def _examine(self, action: Examine) -> None:
        kernel = self._kernels().get(action.kernel)
        if kernel is None or kernel.run.run != action.run:
            return
        failure = self._failure(kernel)
        both = (p for path in failure.named for p in (path, self._shell.files.real(path)))
        named = dict.fromkeys(p for p in both if is_valid(p))
        evidence = Evidence(failure.error, tuple(named))
        self._take(Examined(kernel.name, kernel.run.run, evidence), self._shell.now())

    def _failure(self, kernel: Kernel) -> Failure:
        began = self._run_began(kernel)
        text, written = self._shell.files.tail(kernel.name, began - CLOCK_SLACK_S if began else 0.0)
        self._written[kernel.name] = written
        return failure_of(text, kernel.spec.cwd)

    def _run_began(self, kernel: Kernel) -> float:
        """When its newest run began, in seconds of 1970; 0 if not known."""
        started = kernel.run.started
        return self._shell.wall() - (self._shell.now() - started) if started else 0.0

    def crashed(self, run: Run) -> None:
        """Before any rung: a file over which a kernel fell is not left alone for `settle` any more."""
        kernel = self._kernels().get(run.kernel)
        if kernel is None or kernel.run.run != run.run or self._shell.config.coding_agent.apply != "fix":
            return
        failure = self._failure(kernel)
        if failure.syntax and self._mendable(kernel, failure.path):
            self._shell.send("coding_agent", "task.crashed", self._fell(kernel, failure), SEND_TIMEOUT_S)

    def _fell(self, kernel: Kernel, failure: Failure) -> dict[str, Any]:
        # What changed since that run began, it may not have read: a busy machine takes its time to print a traceback.
        return {"path": failure.path, "error": failure.error, "kernel": kernel.name, "at": self._run_began(kernel)}

    # --- a rung is a run of a playbook

    def _begin(self, action: BeginRung) -> None:
        """Begin its run, once: a repeat, and a successor's, finds it by its name, at work or over."""
        kernel = self._kernels().get(action.kernel)
        if kernel is None or kernel.run.run != action.run:
            return
        run = f"{action.incident}.{action.rung}.{action.run}"
        self._begun[run] = action
        if run in self._shell.state.runs:
            return
        end = self._shell.playbooks.results.get(run)
        if end is not None:
            self.run_ended(end)
            return
        told = finished_lately(self._shell.audit.lately, run)
        if told is not None:
            ok, did = bool(told.get("ok")), bool(told.get("did"))
            outcome: RungOutcome = "failed" if not ok else "held_on" if did else "not_applicable"
            self._ended(action, outcome, str(told.get("text", "")))
            return
        playbook = self._shell.state.playbooks.get(action.rung)
        if playbook is None:
            self._ended(action, "failed", f"there is no playbook {action.rung}")
            return
        facts = {"kernel": action.kernel, "run": action.run, "rung": action.rung, "reason": kernel.reason}
        given = {"target": action.kernel} if "target" in playbook.vars else {}
        asked = RunAsked(run, action.rung, action.kernel, 1, LADDER, given, action.incident, facts)
        self._shell.take(asked)

    def run_ended(self, end: EndRun) -> None:
        """A run is over: if it is a rung, that is how the rung ended."""
        action = self._begun.pop(end.run, None)
        if action is None:
            return
        did = any(state in ("ok", "failed") for _, state, _ in end.steps)
        text = end.text if not end.ok else _said(end.outcomes)
        self._ended(action, "failed" if not end.ok else "held_on" if did else "not_applicable", text)

    def restart(self, action: Perform) -> int | None:
        """A step of a rung restarts its kernel: with that the rung has done its work. Gives the run that had failed.

        None: which rung that is was not told yet, to this successor of who began it.
        """
        begun = self._begun.get(action.run)
        if begun is None:
            return None
        run = self._shell.state.runs.get(action.run)
        self._ended(begun, "held_on", _said(run.vars.get("steps", {})) if run is not None else "")
        return begun.run

    def _ended(self, action: BeginRung, outcome: RungOutcome, text: str = "") -> None:
        if action.rung == NOTIFY and outcome == "not_applicable":
            outcome, text = "held_on", "it is in the audit log alone: `notify` in graced.yaml is empty"
        restart = outcome == "held_on" and action.rung != NOTIFY
        event = RungEnded(action.kernel, action.run, action.incident, action.rung, outcome, text, restart)
        self._take(event, self._shell.now())

    # --- the actions of the rungs that ship

    def mend(self, action: Perform) -> None:
        """Have the coding agent mend the file over which the kernel fell."""
        kernel = self._kernel_of(action)
        if kernel is None:
            return
        failure = self._failure(kernel)
        if not (failure.syntax and self._mendable(kernel, failure.path)):
            self._passed_over(action, f"{kernel.name} did not fail over source that may be mended")
            return
        config, sources = self._shell.config, kernel.spec.sources

        def done(barred: Any) -> None:
            if barred is False:
                self._fix(action, kernel, failure)
            elif barred is True:
                self._passed_over(action, f"{failure.path} is excluded")
            else:
                self._done(action, StepOutcome(False, "the look at what is excluded gave no result"))

        self._work(("examine", kernel.name), LookBarred(failure.path, config, sources), done)

    def _mendable(self, kernel: Kernel, path: str) -> bool:
        config = self._shell.config
        within = is_within(path, config, kernel.spec.sources)
        return config.coding_agent.apply == "fix" and within and is_python(path)

    def _fix(self, action: Perform, kernel: Kernel, failure: Failure) -> None:
        """Asked again until it is over: neither agent nor message need live long."""
        args = self._fell(kernel, failure)
        until = self._shell.now() + action.timeout

        def ask() -> None:
            if self._shell.now() < until and action.run in self._shell.state.runs:
                self._shell.send("coding_agent", "task.mend", args, SEND_TIMEOUT_S, answered)

        def answered(reply: Reply | None) -> None:
            state = "queued" if reply is None else str(reply.data["state"]) if reply.ok else "failed"
            if reply is None or state in ("queued", "running"):
                self._shell.after(ASK_AGAIN_S, ask)
                return
            text = str(reply.data["text"]) if reply.ok else reply.error
            self._done(action, StepOutcome(state == "done", text))

        ask()

    def restore(self, action: Perform) -> None:
        """Put the sources back as they were when the kernel was healthy, if they have changed since."""
        kernel = self._kernel_of(action)
        if kernel is None:
            return
        if self._failure(kernel).syntax or not kernel.spec.sources:
            self._passed_over(action, f"{kernel.name} has no sources, or fell over a mistake that can be mended")
            return
        self._restore_after_trials(action, kernel, self._shell.now() + action.timeout * TRIAL_SHARE, frozenset())

    def _restore_after_trials(self, action: Perform, kernel: Kernel, until: float, tried: frozenset[str]) -> None:
        """A mend that is on trial is the coding agent's to take back; the snapshot's turn comes after that.

        `tried`: the tasks of mends that were on trial so far.
        """
        if action.run not in self._shell.state.runs:
            return
        mends = [task for task in tables.tasks(self._shell.store) if self._is_of(task.path, kernel)]
        running = frozenset(task.id for task in mends if task.state == "running")
        if running and self._shell.now() < until:
            later = partial(self._restore_after_trials, action, kernel, until, tried | running)
            self._shell.after(ASK_AGAIN_S, later)
        elif any(task.state == "undone" and task.id in tried for task in mends):
            self._done(action, StepOutcome(True, "the mend with which it went down was taken back"))
        else:
            self._restore(action, kernel)

    def _is_of(self, path: str, kernel: Kernel) -> bool:
        return any(inside(p, kernel.spec.sources) for p in (path, self._shell.files.real(path)))

    def _restore(self, action: Perform, kernel: Kernel) -> None:
        keep_in = os.path.join(self._shell.home.root, "kept", action.context.incident)
        work = Restore(self._snapshots, kernel.name, kernel.spec.sources, self._barred, keep_in)

        def done(data: Any) -> None:
            if data is None:
                self._done(action, StepOutcome(False, "the worker that restores gave no result"))
            elif data is False:
                self._passed_over(action, "nothing changed since it was healthy")
            else:
                self._restored(action, kernel.name, msgspec.convert(data, Restored))

        self._work(("restore", kernel.name), work, done)

    def _restored(self, action: Perform, kernel: str, restored: Restored) -> None:
        if restored.problem:
            self._done(action, StepOutcome(False, restored.problem))
            return
        told = {"kernel": kernel, "files": restored.files[:50], "kept_in": restored.kept_in}
        self._shell.audit.append("source.restored", told)
        names = ", ".join(restored.files[:5]) + (", …" if len(restored.files) > 5 else "")
        text = f"{names}: as when it was healthy; the newer versions are in {restored.kept_in}"
        self._done(action, StepOutcome(True, text))

    def snapshot(self, action: Perform) -> None:
        """Keep the sources of a kernel as they are now: what `restore_source` puts back."""
        kernel = self._kernel_of(action)
        if kernel is None:
            return
        if not kernel.spec.sources:
            self._passed_over(action, f"{kernel.name} has no sources")
            return

        def done(data: Any) -> None:
            there = data is not None  # False: they are kept already as they are
            text = f"the sources of {kernel.name} are kept" if there else "the worker that keeps them gave no result"
            self._done(action, StepOutcome(there, text))

        work = TakeSnapshot(self._snapshots, kernel.name, kernel.spec.sources, self._barred, True)
        self._work(("keep", kernel.name), work, done)

    def _kernel_of(self, action: Perform) -> Kernel | None:
        """The kernel that the action names; None after telling that there is none."""
        name = str(action.args.get("kernel"))
        kernel = self._kernels().get(name)
        if kernel is None:
            self._done(action, StepOutcome(False, f"no kernel {name}"))
        return kernel

    def _passed_over(self, action: Perform, why: str) -> None:
        self._done(action, StepOutcome(True, why, applies=False))

    def _done(self, action: Perform, outcome: StepOutcome) -> None:
        self._shell.playbooks.done(action, outcome)

    # --- snapshots

    def _keep(self, action: Keep) -> None:
        kernel = self._kernels()[action.kernel]
        work = TakeSnapshot(self._snapshots, action.kernel, kernel.spec.sources, self._barred, action.proven)
        self._work(("keep", action.kernel), work, lambda data: None)

    # --- what was mended meanwhile

    def mended(self, paths: tuple[str, ...]) -> None:
        both = tuple(dict.fromkeys(p for path in paths for p in (path, self._shell.files.real(path))))
        self._take(SourcesMended(both), self._shell.now())

    def tend(self, now: float) -> None:
        """The coding agent's word may be lost with either of us: its tasks tell as well."""
        if now < self._next_look:
            return
        self._next_look = now + self._shell.config.timing.check_interval_s
        for kernel in self._kernels().failed():
            evidence = kernel.tally.evidence
            if not kernel.wanted or evidence is None:
                continue
            since = self._shell.wall_iso(self._written.get(kernel.name, 0.0))
            for path in evidence.named:
                task = tables.task_of(self._shell.store, path)
                if task is not None and task.state == "done" and task.finished_at and task.finished_at > since:
                    self.mended((path,))
                    break

    def wake_at(self) -> float:
        down = (kernel.tally.evidence for kernel in self._kernels().failed())
        return self._next_look if any(e is not None and e.named for e in down) else float("inf")

    def _work(self, key: tuple[str, str], work: Work, done: Callable[[Any], None]) -> None:
        """One worker at a time for each thing to be done; `done` gets its answer, None when it gave none."""
        if key in self._busy:
            return

        def over(data: bytes) -> None:
            self._busy.discard(key)
            done(msgspec.msgpack.decode(data) if data else None)

        if self._shell.workers.run(work, WORK_TIMEOUT_S, over):
            self._busy.add(key)


def _said(outcomes: dict[str, dict[str, Any]]) -> str:
    """What the steps that did something have told."""
    return "; ".join(outcome["text"] for outcome in outcomes.values() if outcome["ok"] and outcome["text"])
