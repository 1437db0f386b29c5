"""The rungs of a kernel's ladder in the real world: BeginRung in, RungEnded out.

Reading the end of a log is done at once; whatever reads or writes sources is done in a worker.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.bus.protocol import Reply
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
from graced.core.vocabulary import Action
from graced.members import workers
from graced.mending.excluded import is_barred, is_within
from graced.mending.failure import Failure, failure_of, tail_of
from graced.mending.snapshot import Restored, Snapshots
from graced.mending.walk import is_python
from graced.posix.clock import monotonic, wall_iso
from graced.store import tables
from graced.store.text import is_valid

if TYPE_CHECKING:
    from graced.members.shell import Shell

SEND_TIMEOUT_S: Final = 5.0
WORK_TIMEOUT_S: Final = 50.0
CLOCK_SLACK_S: Final = 1.0
"""A file's times are coarser than a clock's, and wall time may have been set."""


class Rungs:
    """`take` gives an event to the kernels; `kernels` gives them as they are now."""

    def __init__(self, shell: "Shell", kernels: Callable[[], Kernels], take: Callable[[Taken, float], None]) -> None:
        self._shell, self._kernels, self._take = shell, kernels, take
        self._busy: set[tuple[str, str]] = set()
        self._snapshots = Snapshots(os.path.join(shell.home.root, "snapshots"))
        self._barred = (shell.home.root,)
        self._written: dict[str, float] = {}  # kernel -> when its log ended, seconds of 1970
        self._next_look = 0.0

    def acted(self, action: Action) -> bool:
        match action:
            case Examine():
                self._shell.after(0.0, lambda: self._examine(action))  # not in the middle of a step's other actions
            case BeginRung("notify"):
                self._shell.after(0.0, lambda: self._ended(action, "held_on", self._reason(action)))
            case BeginRung():
                self._shell.after(0.0, lambda: self._begin(action))
            case Keep():
                self._keep(action)
            case _:
                return False
        return True

    # --- what was it?

    def _examine(self, action: Examine) -> None:
        kernel = self._kernels().get(action.kernel)
        if kernel is None or kernel.run.run != action.run:
            return
        failure = self._failure(kernel)
        both = (p for path in failure.named for p in (path, os.path.realpath(path)))
        named = dict.fromkeys(p for p in both if is_valid(p))
        evidence = Evidence(failure.error, tuple(named))
        self._take(Examined(kernel.name, kernel.run.run, evidence), monotonic())

    def _failure(self, kernel: Kernel) -> Failure:
        began = _began(kernel)
        text, written = tail_of(self._shell.home.log(kernel.name), began - CLOCK_SLACK_S if began else 0.0)
        self._written[kernel.name] = written
        return failure_of(text, kernel.spec.cwd)

    # --- the rungs

    def _begin(self, action: BeginRung) -> None:
        """Whether a rung applies is found out here: fix_source is for a SyntaxError and its kin in a file that may be
        mended, restore_source for every other failure of a kernel whose sources changed since it was healthy."""
        kernel = self._kernels().get(action.kernel)
        if kernel is None or kernel.run.run != action.run:
            return
        failure = self._failure(kernel)
        match action.rung:
            case "fix_source" if failure.syntax and self._mendable(kernel, failure.path):
                self._unless_barred(action, kernel, failure)
            case "restore_source" if not failure.syntax and kernel.spec.sources:
                self._restore(action, kernel)
            case _:
                self._ended(action, "not_applicable")

    def _unless_barred(self, action: BeginRung, kernel: Kernel, failure: Failure) -> None:
        config, sources = self._shell.config, kernel.spec.sources
        if not config.coding_agent.exclude:
            self._fix(action, kernel, failure)
            return

        def work(fd: int) -> None:
            workers.answer(fd, is_barred(failure.path, config, sources))

        def done(barred: Any) -> None:
            if barred is False:
                self._fix(action, kernel, failure)
            elif barred is True:
                self._ended(action, "not_applicable")

        self._work(("examine", kernel.name), work, done)

    def _mendable(self, kernel: Kernel, path: str) -> bool:
        config = self._shell.config
        within = is_within(path, config, kernel.spec.sources)
        return config.coding_agent.apply == "fix" and within and is_python(path)

    def _fix(self, action: BeginRung, kernel: Kernel, failure: Failure) -> None:
        """Asked again until it is over: neither agent nor message need live long."""

        def answered(reply: Reply | None) -> None:
            if reply is None:
                return
            state = str(reply.data["state"]) if reply.ok else "failed"
            if state in ("queued", "running"):
                return
            text = str(reply.data["text"]) if reply.ok else reply.error
            self._ended(action, "held_on" if state == "done" else "failed", text)

        # What changed since that run began, it may not have read: a busy machine takes its time to print a traceback.
        args = {"path": failure.path, "error": failure.error, "kernel": kernel.name, "at": _began(kernel)}
        self._shell.send("coding_agent", "task.mend", args, SEND_TIMEOUT_S, answered)

    def _restore(self, action: BeginRung, kernel: Kernel) -> None:
        keep_in = os.path.join(self._shell.home.root, "kept", action.incident)
        snapshots, sources, barred = self._snapshots, kernel.spec.sources, self._barred

        def work(fd: int) -> None:
            changed = snapshots.changed(kernel.name, sources, barred)
            workers.answer(fd, snapshots.restore(kernel.name, keep_in) if changed else False)

        def done(data: Any) -> None:
            if data is None:  # the worker died: asked for again
                return
            if data is False:
                self._ended(action, "not_applicable")
                return
            restored = msgspec.convert(data, Restored)
            if restored.problem:
                self._ended(action, "failed", restored.problem)
                return
            told = {"kernel": action.kernel, "files": restored.files[:50], "kept_in": restored.kept_in}
            self._shell.audit.append("source.restored", told)
            names = ", ".join(restored.files[:5]) + (", …" if len(restored.files) > 5 else "")
            text = f"{names}: as when it was healthy; the newer versions are in {restored.kept_in}"
            self._ended(action, "held_on", text)

        self._work(("restore", kernel.name), work, done)

    def _ended(self, action: BeginRung, outcome: RungOutcome, text: str = "") -> None:
        restart = outcome == "held_on" and action.rung != "notify"
        event = RungEnded(action.kernel, action.run, action.incident, action.rung, outcome, text, restart)
        self._take(event, monotonic())

    def _reason(self, action: BeginRung) -> str:
        kernel = self._kernels().get(action.kernel)
        return kernel.reason if kernel is not None else ""

    def _keep(self, action: Keep) -> None:
        kernel = self._kernels()[action.kernel]
        snapshots, sources, barred = self._snapshots, kernel.spec.sources, self._barred

        def work(fd: int) -> None:
            workers.answer(fd, snapshots.keep(action.kernel, sources, barred, action.proven))

        self._work(("keep", action.kernel), work, lambda data: None)

    # --- what was mended meanwhile

    def mended(self, paths: tuple[str, ...]) -> None:
        both = tuple(dict.fromkeys(p for path in paths for p in (path, os.path.realpath(path))))
        self._take(SourcesMended(both), monotonic())

    def tend(self, now: float) -> None:
        """The coding agent's word may be lost with either of us: its tasks tell as well."""
        if now < self._next_look:
            return
        self._next_look = now + self._shell.config.timing.check_interval_s
        for kernel in self._kernels().failed():
            evidence = kernel.tally.evidence
            if not kernel.wanted or evidence is None:
                continue
            since = wall_iso(self._written.get(kernel.name, 0.0))
            for path in evidence.named:
                task = tables.task_of(self._shell.store, path)
                if task is not None and task.state == "done" and task.finished_at and task.finished_at > since:
                    self.mended((path,))
                    break

    def wake_at(self) -> float:
        down = (kernel.tally.evidence for kernel in self._kernels().failed())
        return self._next_look if any(e is not None and e.named for e in down) else float("inf")

    def _work(self, key: tuple[str, str], work: Callable[[int], None], done: Callable[[Any], None]) -> None:
        """One worker at a time for each thing to be done; `done` gets its answer, None when it gave none."""
        if key in self._busy:
            return

        def over(data: bytes) -> None:
            self._busy.discard(key)
            done(msgspec.msgpack.decode(data) if data else None)

        if workers.run(self._shell, work, WORK_TIMEOUT_S, over):
            self._busy.add(key)


def _began(kernel: Kernel) -> float:
    """When its newest run began, in seconds of 1970; 0 if not known."""
    return time.time() - (monotonic() - kernel.run.started) if kernel.run.started else 0.0
