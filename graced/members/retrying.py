"""Tasks that are tried again with the very same bytes: what stood in the way may have passed.

A full disk, a file that somebody kept open, an interpreter that was not there: again after `check_interval`, then ever
later (graced.core.retries), for as long as it takes. What was only suggested because of `apply` is done once it says
`fix`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from graced.core.retries import Wait, waits
from graced.members.work import Work
from graced.spec.config import Config
from graced.store import tables
from graced.store.tasks import TaskRecord

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 10.0


class LookBarred(Work):
    """Which of the files has a person barred? -> [bool]"""

    paths: tuple[str, ...]
    config: Config

    def do(self) -> bytes:
        from graced.mending.excluded import is_barred

        sources = tuple(path for kernel in self.config.kernels.values() for path in kernel.sources)
        return msgspec.msgpack.encode([is_barred(path, self.config, sources) for path in self.paths])


class Retrying:
    """`again` queues a task in place of the one it is given."""

    def __init__(self, shell: "Shell", again: Callable[[TaskRecord], None]) -> None:
        self._shell, self._again = shell, again
        self._waits: dict[str, Wait] = {}
        self._next = 0.0

    def tend(self, now: float) -> None:
        if now < self._next:
            return
        config = self._shell.config
        interval = config.timing.check_interval_s
        self._next = now + interval
        apply = config.coding_agent.apply
        if apply == "off":
            return
        tasks = tables.to_retry(self._shell.store)
        self._waits, due = waits(self._waits, [t for t in tasks if t.retry == "later"], now, interval)
        due += [t for t in tasks if t.retry == "when_applied" and apply == "fix"]
        if due:
            self._look_at(due)

    def _look_at(self, due: list[TaskRecord]) -> None:
        """Those that a person has barred since are left alone for good."""
        shell = self._shell

        def done(data: bytes) -> None:
            for task, barred in zip(due, msgspec.msgpack.decode(data) if data else (), strict=False):
                if barred:
                    tables.finish_task(shell.store, task.id, task.state, task.finished_at)
                else:
                    self._again(task)

        shell.workers.run(LookBarred(tuple(task.path for task in due), shell.config), LOOK_S, done)

    def wake_at(self) -> float:
        return self._next
