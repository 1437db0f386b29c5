"""coding_agent: finds source that does not compile in the watched trees, and mends what is safe to mend.

The queue is durable (state.db); the scan and each repair run in a worker process, which never opens state.db: it gets
what it needs by the fork and answers through a pipe. A worker dies with its member; the task is taken up again.
"""

import hashlib
import os
from typing import Any, Final

import msgspec

from graced.audit.read import tail
from graced.bus.protocol import Ask, Reply
from graced.core.vocabulary import CloseIncident, NoteStep, OpenIncident
from graced.members import runs, workers
from graced.members.duty import Duty
from graced.members.shell import Shell
from graced.mending.apply import Outcome, undo
from graced.mending.scan import Findings
from graced.posix.clock import monotonic, wall_iso
from graced.posix.files import make_dir
from graced.store import tables

SCAN_TIMEOUT_S: Final = 600.0
MEND_TIMEOUT_S: Final = 60.0
RETRY_S: Final = 0.1
AUDIT_LOOK: Final = 200  # records looked at to see whether a task that is resumed was told of already


class CodingAgent(Duty):
    """A scan every `check_interval`, one task at a time."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        watch = shell.config.coding_agent.watch
        self._roots = tuple(w.path for w in watch)
        self._next_scan = 0.0 if watch else float("inf")
        self._next_task = 0.0 if watch else float("inf")
        self._scanning = self._mending = False
        self._resumed: set[str] | None = None
        self._scanned_at = ""
        self._agent = f"{shell.identity.pid}-{shell.identity.start_ticks}"
        self._originals = os.path.join(shell.home.root, "originals")

    def ask(self, ask: Ask, address: bytes) -> Reply | None:
        match ask.verb:
            case "task.add":
                return self._add(ask)
            case "task.undo":
                return self._undo(ask)
        return runs.asked(self.shell, ask) or super().ask(ask, address)

    def detail(self) -> dict[str, Any]:
        return {"scanned_at": self._scanned_at} if self._scanned_at else {}

    def tend(self, now: float) -> None:
        if not self.shell.state.ready or self._next_task == float("inf"):
            return
        if self._resumed is None:
            self._resume()
        elif now >= self._next_scan and not self._scanning:
            self._scan(now)
        if now >= self._next_task and not self._mending and self._resumed is not None:
            self._mend(now)

    def wake_at(self) -> float:
        if self._resumed is None:
            return self._next_task
        scan = float("inf") if self._scanning else self._next_scan
        return min(scan, float("inf") if self._mending else self._next_task)

    def _resume(self) -> None:
        """Tasks that a dead predecessor was at go back into the queue."""
        running = {t.id for t in tables.tasks(self.shell.store) if t.state == "running"}
        if tables.resume(self.shell.store, self._agent) is None:
            self._next_task = monotonic() + RETRY_S
            return
        self._resumed = running

    # --- the scan

    def _scan(self, now: float) -> None:
        self._next_scan = now + self.shell.config.timing.check_interval_s
        known = tables.scanned(self.shell.store)
        exclude = self.shell.config.coding_agent.exclude

        def work(fd: int) -> None:
            from graced.mending.scan import scan

            workers.answer(fd, scan(self._roots, exclude, known))

        def done(data: bytes) -> None:
            self._scanning = False
            if data:
                self._found(msgspec.msgpack.decode(data, type=Findings))

        self._scanning = workers.run(self.shell, work, SCAN_TIMEOUT_S, done)

    def _found(self, findings: Findings) -> None:
        store = self.shell.store
        self._scanned_at = wall_iso()
        if findings.changed:
            tables.save_scanned(store, findings.changed)
        if findings.gone:
            tables.forget_scanned(store, findings.gone)
        for broken in findings.broken:
            task = tables.task_of(store, broken.path)
            if task is not None and (task.state in ("queued", "running") or self._left_alone(task, broken.sha256)):
                continue
            self._queue(broken.path, broken.sha256, broken.error)

    def _left_alone(self, task: Any, sha256: str) -> bool:
        """These very bytes were tried before, or a person took the fix of them back."""
        return task.state in ("failed", "undone", "suggested") and task.sha256_before == sha256

    def _queue(self, path: str, sha256: str, error: str) -> str:
        at = wall_iso()
        id = "t" + hashlib.sha256(f"{path}\0{sha256}\0{at}".encode(errors="surrogateescape")).hexdigest()[:10]
        tables.add_task(self.shell.store, id, path, error, at, sha256)
        self.shell.act(OpenIncident(id, path, "code", error, 0))
        self._next_task = 0.0
        return id

    # --- one task

    def _mend(self, now: float) -> None:
        apply = self.shell.config.coding_agent.apply
        task = tables.claim_next(self.shell.store, self._agent) if apply != "off" else None
        if task is None:
            waiting = apply != "off" and self.shell.store.pending
            self._next_task = now + (RETRY_S if waiting else self.shell.config.timing.check_interval_s)
            return
        path, folder = task.path, self._originals

        def work(fd: int) -> None:
            from graced.mending.apply import mend

            make_dir(folder, 0o700)
            workers.answer(fd, mend(task.id, path, folder, apply))

        def done(data: bytes) -> None:
            self._mending = False
            outcome = Outcome("failed", f"no result within {MEND_TIMEOUT_S:g} s")
            if data:
                outcome = msgspec.msgpack.decode(data, type=Outcome)
            self._finish(task.id, path, outcome)

        self._mending = workers.run(self.shell, work, MEND_TIMEOUT_S, done)

    def _finish(self, id: str, path: str, outcome: Outcome) -> None:
        self._next_task = 0.0
        if outcome.applied and not self._told(id):
            data = {
                "task": id,
                "path": path,
                "sha256_before": outcome.sha256_before,
                "sha256_after": outcome.sha256_after,
            }
            self.shell.audit.append("fix.applied", data)
        tables.finish_task(
            self.shell.store, id, outcome.state, wall_iso(), sha256_before=outcome.sha256_before,
            sha256_after=outcome.sha256_after, original=outcome.original,
        )  # fmt: skip
        self.shell.act(NoteStep(id, "fix_source", outcome.state == "done", outcome.text))
        self.shell.act(CloseIncident(id, "recovered" if outcome.state == "done" else "escalated", 0.0, 0))

    def _told(self, id: str) -> bool:
        """A task that was resumed may have been told of by the dead agent, just before its end."""
        if id not in (self._resumed or ()):
            return False
        return any(
            r["kind"] == "fix.applied" and r["data"].get("task") == id for r in tail(self.shell.home.audit, AUDIT_LOOK)
        )

    # --- what people ask

    def _add(self, ask: Ask) -> Reply:
        path = os.path.abspath(str(ask.args["path"]))
        try:
            with open(path, "rb") as file:
                sha256 = hashlib.sha256(file.read()).hexdigest()
        except OSError as error:
            return Reply(ask.id, False, error=f"{path}: {error.strerror}")
        return Reply(ask.id, True, {"id": self._queue(path, sha256, "added by a person")})

    def _undo(self, ask: Ask) -> Reply:
        task = tables.get_task(self.shell.store, str(ask.args["id"]))
        if task is None:
            return Reply(ask.id, False, error=f"no task {ask.args['id']}")
        if task.state != "done" or task.original is None or task.sha256_after is None:
            return Reply(ask.id, False, {"reason": "nothing"}, f"task {task.id} changed nothing that could be undone")
        try:
            restored = undo(task.path, task.sha256_after, task.original)
        except OSError as error:
            return Reply(ask.id, False, {"reason": "error"}, f"{task.path}: {error.strerror or error}")
        if not restored:
            return Reply(
                ask.id, False, {"reason": "changed"}, f"{task.path} has changed since the fix: it is left as it is"
            )
        tables.finish_task(self.shell.store, task.id, "undone", wall_iso())
        self.shell.audit.append("fix.undone", {"task": task.id, "path": task.path, "sha256": task.sha256_before})
        return Reply(ask.id, True, {"path": task.path})
