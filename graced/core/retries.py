"""When a task that failed for what may pass is tried again with the very same bytes. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

LATEST_S: Final = 600.0
"""Between two tries of one file, unless check_interval is longer."""
FACTOR: Final = 2.0
FORGET_S: Final = 2 * LATEST_S
"""After the last try: by then it is known how that ended."""


class Task(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=Task)


class Wait(NamedTuple):
    """Of a file: for the task that failed last, until when, and how long that was."""

    task: str
    until: float
    span_s: float


def waits(old: dict[str, Wait], tasks: Sequence[T], now: float, interval_s: float) -> tuple[dict[str, Wait], list[T]]:
    """(the waits by path, the tasks that are due now) of all that failed for what may pass."""
    new = {path: wait for path, wait in old.items() if now < wait.until + FORGET_S}
    due: list[T] = []
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
