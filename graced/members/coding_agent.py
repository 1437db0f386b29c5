"""coding_agent: finds source that does not compile in the watched trees, and mends what is safe to mend.

The queue is durable (state.db); the scan and each repair run in a worker process, which never opens state.db: it gets
what it needs by the fork and answers through a pipe. A worker dies with its member; the task is taken up again.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from typing import Any, Final

from graced.bus.protocol import Asked, Reply
from graced.bus.verbs import Crash, File, TaskId
from graced.core.vocabulary import OpenIncident, Perform
from graced.members import runs
from graced.members.duty import Duty, Handler
from graced.members.kernel_actions import KernelActions
from graced.members.mender import Mender
from graced.members.retrying import Retrying
from graced.members.scanning import Scanning
from graced.members.shell import Shell
from graced.members.suggestions import Suggestions
from graced.mending.scan import Findings
from graced.store import tables
from graced.store.tasks import TaskRecord
from graced.store.text import path_in, path_out, words

FALLEN_MAX: Final = 100
"""Files over which a kernel fell before the scan had found them."""


class CodingAgent(Duty):
    """What the scan finds and what others ask for becomes tasks; the Mender does them."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self._scanning = Scanning(shell, self._found)
        self._mender = Mender(shell, self._scanning.soon)
        self._suggestions = Suggestions(shell, self._mender)
        self._retrying = Retrying(shell, self._again)
        self._actions = KernelActions(shell)
        self._fallen: dict[str, tuple[str, Crash]] = {}  # path -> the SHA-256 of what it held, how the kernel fell

    def handlers(self) -> Mapping[str, Handler]:
        mine: dict[str, Handler] = {
            "task.add": self._add, "task.mend": self._mend, "task.crashed": self._crashed, "task.undo": self._undo,
            "task.accept": self._suggestions.accept, "task.decline": self._suggestions.decline,
        }  # fmt: skip
        return {**mine, **runs.handlers(self.shell)}

    def perform(self, action: Perform) -> None:
        if not self._actions.performs(action):
            super().perform(action)

    def detail(self) -> dict[str, Any]:
        return {"scanned_at": self._scanning.at} if self._scanning.at else {}

    def tend(self, now: float) -> None:
        if self.shell.state.ready:
            self._mender.tend(now)
            self._scanning.tend(now)
            self._retrying.tend(now)

    def wake_at(self) -> float:
        return min(self._scanning.wake_at(), self._mender.wake_at(), self._retrying.wake_at())

    # --- what becomes a task

    def _found(self, findings: Findings) -> None:
        for broken in findings.broken:
            task = tables.task_of(self.shell.store, broken.path)
            if task is not None and (task.state in ("queued", "running") or self._left_alone(task, broken.sha256)):
                continue
            self._queue(broken.path, broken.sha256, broken.error or (task.error if task is not None else ""))
        for path in findings.mended:
            task = tables.task_of(self.shell.store, path)
            if task is not None and task.state == "queued":
                self._mender.whole(task.id)
        if findings.mended:
            self._mender.tell_mended(findings.mended)

    def _left_alone(self, task: TaskRecord, sha256: str) -> bool:
        """These very bytes were tried before, or a person took the fix of them back."""
        if task.retry == "when_applied" and self.shell.config.coding_agent.apply == "fix":
            return False
        return task.state in ("failed", "undone", "suggested") and task.sha256_before == sha256

    def _again(self, task: TaskRecord) -> None:
        self._queue(task.path, task.sha256_before or "", task.error)

    def _queue(self, path: str, sha256: str, error: str) -> str:
        at = self.shell.wall_iso()
        id = "t" + hashlib.sha256(f"{path}\0{sha256}\0{at}".encode(errors="surrogateescape")).hexdigest()[:10]
        tables.add_task(self.shell.store, id, path, error or "does not compile", at, sha256)
        self.shell.act(OpenIncident(id, path, "code", error, 1))
        self._mender.soon(id)
        of, crash = self._fallen.pop(path, ("", None))
        if crash is not None and of == sha256:
            self._mender.crashed(id, crash.kernel, crash.at)
        return id

    def _add(self, args: File, asked: Asked) -> Reply:
        path = os.path.abspath(path_out(args.path))
        try:
            sha256 = self.shell.files.digest(path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            return Reply(asked.id, False, error=words(f"{path}: {getattr(error, 'strerror', None) or error}"))
        task = tables.task_of(self.shell.store, path)
        if task is not None and task.state in ("queued", "running"):
            return Reply(asked.id, True, {"id": task.id})
        return Reply(asked.id, True, {"id": self._queue(path, sha256, "added by a person")})

    def _crashed(self, args: Crash, asked: Asked) -> Reply:
        """A kernel fell over this file. Whether it is to be mended is for the scan to say, which may come after it."""
        path = os.path.abspath(args.path)
        task = tables.task_of(self.shell.store, path)
        if task is not None and task.state == "queued":
            self._mender.crashed(task.id, args.kernel, args.at)
        else:
            with contextlib.suppress(OSError, ValueError):
                self._fallen[path] = (self.shell.files.digest(path), args)
            while len(self._fallen) > FALLEN_MAX:
                self._fallen.pop(next(iter(self._fallen)))
        return Reply(asked.id, True, {})

    def _mend(self, args: Crash, asked: Asked) -> Reply:
        """A kernel crashes over this file: its task, made if need be, and how that stands."""
        path, error, kernel, at = os.path.abspath(args.path), args.error, args.kernel, args.at
        try:
            sha256 = self.shell.files.digest(path)
        except OSError as problem:
            return Reply(asked.id, True, {"id": "", "state": "failed", "text": f"{path}: {problem.strerror}"})
        task = tables.task_of(self.shell.store, path)
        if task is not None:
            # Done with no fix of ours: it compiled as it was found, and does so now.
            fine = task.sha256_before if task.original is None else task.sha256_after
            over = self._left_alone(task, sha256) or (task.state == "done" and sha256 == fine)
            if task.state in ("queued", "running"):
                self._mender.crashed(task.id, kernel, at)
                why = self._mender.held_by_tool(task.id)
                if why:
                    return Reply(asked.id, True, _told(task.id, "failed", f"{path}: task {task.id}: {why}"))
                over = True
            if over:
                return Reply(asked.id, True, _told(task.id, task.state, f"{path}: task {task.id}: {task.error}"))
        if self.shell.config.coding_agent.apply == "off":
            return Reply(asked.id, True, _told("", "failed", "coding_agent.apply is off"))
        id = self._queue(path, sha256, error)
        self._mender.crashed(id, kernel, at)
        return Reply(asked.id, True, _told(id, "queued", ""))

    # --- undo

    def _undo(self, args: TaskId, asked: Asked) -> Reply | None:
        task = tables.get_task(self.shell.store, args.id)
        if task is None:
            return Reply(asked.id, False, error=f"no task {args.id}")
        if task.state == "undone" and task.original is not None:  # asked twice
            return Reply(asked.id, True, {"path": path_in(task.path)})
        if task.state != "done" or task.original is None or task.sha256_after is None:
            return Reply(asked.id, False, {"reason": "nothing"}, f"task {task.id} changed nothing that could be undone")
        path, id = task.path, task.id

        def over(ok: bool, said: str) -> None:
            if ok:
                tables.finish_task(self.shell.store, id, "undone", self.shell.wall_iso())
                self._scanning.soon()
                self.shell.bus.reply(asked.address, Reply(asked.id, True, {"path": path_in(path)}))
                return
            text = "has changed since the fix: it is left as it is" if said == "changed" else f"not restored: {said}"
            self.shell.bus.reply(asked.address, Reply(asked.id, False, {"reason": said}, words(f"{path}: {text}")))

        self._mender.take_back(id, path, task, over)
        return None


def _told(id: str, state: str, text: str) -> dict[str, str]:
    return {"id": id, "state": state, "text": text}
