"""Tasks that are tried again with the very same bytes: what stood in the way may have passed.

A full disk, a file that somebody kept open, an interpreter that was not there: again after `check_interval`, then ever
later up to LATEST_S, for as long as it takes. What was only suggested because of `apply` is done when it says `fix`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from graced.members import workers
from graced.mending.excluded import is_barred
from graced.store import tables
from graced.store.tasks import TaskRecord

if TYPE_CHECKING:
    from graced.members.shell import Shell

LATEST_S: Final = 600.0
"""Between two tries of one file, unless check_interval is longer."""
LOOK_S: Final = 10.0
FACTOR: Final = 2.0
FORGET_S: Final = 2 * LATEST_S
"""After the last try: by then it is known how that ended."""


class Wait(NamedTuple):
    """Of a file: for the task that failed last, until when, and how long that was."""

    task: str
    until: float
    span_s: float


def waits(
    old: dict[str, Wait], tasks: list[TaskRecord], now: float, interval_s: float
) -> tuple[dict[str, Wait], list[TaskRecord]]:
    """(the waits by path, the tasks that are due now) of all that failed for what may pass."""
    new = {path: wait for path, wait in old.items() if now < wait.until + FORGET_S}
    due: list[TaskRecord] = []
    for task in tasks:
        known = new.get(task.path)
        if known is None:
            known = Wait(task.id, now + interval_s, interval_s)
        elif known.task != task.id:  # the next try failed too
            span = min(known.span_s * FACTOR, max(LATEST_S, interval_s))
            known = Wait(task.id, now + span, span)
        elif now >= known.until:
            due.append(task)
        new[task.path] = known
    return new, due


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
        shell, config = self._shell, self._shell.config
        sources = tuple(path for kernel in config.kernels.values() for path in kernel.sources)

        def work(fd: int) -> None:
            workers.answer(fd, [is_barred(task.path, config, sources) for task in due])

        def done(data: bytes) -> None:
            for task, barred in zip(due, msgspec.msgpack.decode(data) if data else (), strict=False):
                if barred:
                    tables.finish_task(shell.store, task.id, task.state, task.finished_at)
                else:
                    self._again(task)

        workers.run(shell, work, LOOK_S, done)

    def wake_at(self) -> float:
        return self._next
