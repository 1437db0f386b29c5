"""What self_healing does about a kernel for which restarts do not help: the actions of graced.core.ladder.

Reading the end of a log is done at once; whatever reads or writes sources is done in a worker.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.bus.protocol import Reply
from graced.core import ladder
from graced.core.kernel import Evidence, Examine, FixSource, Keep, Kernel, Kernels, RestoreSource, Step
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
    """`do` takes a step of the kernels; `kernels` gives them as they are now."""

    def __init__(self, shell: "Shell", kernels: Callable[[], Kernels], do: Callable[[Step], None]) -> None:
        self._shell, self._kernels, self._do = shell, kernels, do
        self._busy: set[tuple[str, str]] = set()
        self._snapshots = Snapshots(os.path.join(shell.home.root, "snapshots"))
        self._barred = (shell.home.root,)
        self._written: dict[str, float] = {}  # kernel -> when its log ended, seconds of 1970
        self._next_look = 0.0

    def acted(self, action: Action) -> bool:
        match action:
            case Examine():
                self._shell.after(0.0, lambda: self._examine(action))  # not in the middle of a step's other actions
            case FixSource():
                self._fix(action)
            case RestoreSource():
                self._restore(action)
            case Keep():
                self._keep(action)
            case _:
                return False
        return True

    # --- what was it?

    def _examine(self, action: Examine) -> None:
        kernel = self._kernels().get(action.kernel)
        if kernel is None or kernel.run != action.run:
            return
        began = time.time() - (monotonic() - kernel.started) if kernel.started else 0.0
        text, written = tail_of(self._shell.home.log(kernel.name), began - CLOCK_SLACK_S)
        self._written[kernel.name] = written
        failure = failure_of(text, kernel.spec.cwd)
        sources, config = kernel.spec.sources, self._shell.config
        mendable = failure.syntax and self._mendable(kernel, failure.path)
        if not (mendable if failure.syntax else sources):
            self._examined(kernel, failure, mendable, False)
            return

        def work(fd: int) -> None:
            if failure.syntax:
                workers.answer(fd, not is_barred(failure.path, config, sources))
            else:
                workers.answer(fd, self._snapshots.changed(kernel.name, sources, self._barred))

        def done(data: Any) -> None:
            self._examined(kernel, failure, failure.syntax and data is True, not failure.syntax and data is True)

        self._work(("examine", kernel.name), work, done)

    def _examined(self, kernel: Kernel, failure: Failure, mendable: bool, changed: bool) -> None:
        both = (p for path in failure.named for p in (path, os.path.realpath(path)))
        named = dict.fromkeys(p for p in both if is_valid(p))
        evidence = Evidence(failure.error, failure.syntax, failure.path, tuple(named), mendable, changed)
        self._do(ladder.examined(self._kernels(), kernel.name, kernel.run, evidence, monotonic()))

    def _mendable(self, kernel: Kernel, path: str) -> bool:
        config = self._shell.config
        within = is_within(path, config, kernel.spec.sources)
        return config.coding_agent.apply == "fix" and within and is_python(path)

    # --- the rungs

    def _fix(self, action: FixSource) -> None:
        """Asked again until it is over: neither agent nor message need live long."""

        def answered(reply: Reply | None) -> None:
            if reply is None:
                return
            state = str(reply.data["state"]) if reply.ok else "failed"
            if state in ("queued", "running"):
                return
            text = str(reply.data["text"]) if reply.ok else reply.error
            self._told(action.kernel, action.run, "fix_source", state == "done", text)

        # What changed since that run began, it may not have read: a busy machine takes its time to print a traceback.
        kernel = self._kernels().get(action.kernel)
        began = time.time() - (monotonic() - kernel.started) if kernel is not None and kernel.started else 0.0
        args = {"path": action.path, "error": action.error, "kernel": action.kernel, "at": began}
        self._shell.send("coding_agent", "task.mend", args, SEND_TIMEOUT_S, answered)

    def _restore(self, action: RestoreSource) -> None:
        keep_in = os.path.join(self._shell.home.root, "kept", action.incident)

        def work(fd: int) -> None:
            workers.answer(fd, self._snapshots.restore(action.kernel, keep_in))

        def done(data: Any) -> None:
            if data is None:
                return
            restored = msgspec.convert(data, Restored)
            if restored.problem:
                self._told(action.kernel, action.run, "restore_source", False, restored.problem)
                return
            told = {"kernel": action.kernel, "files": restored.files[:50], "kept_in": restored.kept_in}
            self._shell.audit.append("source.restored", told)
            names = ", ".join(restored.files[:5]) + (", …" if len(restored.files) > 5 else "")
            text = f"{names}: as when it was healthy; the newer versions are in {restored.kept_in}"
            self._told(action.kernel, action.run, "restore_source", True, text)

        self._work(("restore", action.kernel), work, done)

    def _told(self, name: str, run: int, rung: str, ok: bool, text: str) -> None:
        self._do(ladder.told(self._kernels(), name, run, rung, ok, text, monotonic()))

    def _keep(self, action: Keep) -> None:
        kernel = self._kernels()[action.kernel]
        snapshots, sources, barred = self._snapshots, kernel.spec.sources, self._barred

        def work(fd: int) -> None:
            workers.answer(fd, snapshots.keep(action.kernel, sources, barred, action.proven))

        self._work(("keep", action.kernel), work, lambda data: None)

    # --- what was mended meanwhile

    def mended(self, paths: tuple[str, ...]) -> None:
        both = tuple(dict.fromkeys(p for path in paths for p in (path, os.path.realpath(path))))
        self._do(ladder.mended(self._kernels(), both, monotonic()))

    def tend(self, now: float) -> None:
        """The coding agent's word may be lost with either of us: its tasks tell as well."""
        if now < self._next_look:
            return
        self._next_look = now + self._shell.config.timing.check_interval_s
        for kernel in self._kernels().values():
            if kernel.state != "failed" or kernel.alive or not kernel.wanted or kernel.evidence is None:
                continue
            since = wall_iso(self._written.get(kernel.name, 0.0))
            for path in kernel.evidence.named:
                task = tables.task_of(self._shell.store, path)
                if task is not None and task.state == "done" and task.finished_at and task.finished_at > since:
                    self.mended((path,))
                    break

    def wake_at(self) -> float:
        down = (k.evidence for k in self._kernels().values() if k.state == "failed")
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
