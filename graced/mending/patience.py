"""Which queued tasks may be done now, and which wait until their file is left alone: what the Mender remembers of
it."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

LEAST_S: Final = 0.05
"""Between two looks at one file."""


class Seen(Struct, frozen=True):
    """Of one task: it waits for so long (0: not at all), why, and whether another tool works on its file."""

    task: str
    wait_s: float = 0.0
    why: str = ""
    by_tool: bool = False


class Patience:
    """Pure: times are given. A task is unknown, ready, or waits until it is looked at again."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._why: dict[str, Seen] = {}
        self._ready: dict[str, None] = {}

    def learn(self, seen: Seen, now: float) -> None:
        self.forget(seen.task)
        if seen.wait_s <= 0:
            self._ready[seen.task] = None
        else:
            self._until[seen.task] = now + max(LEAST_S, seen.wait_s)
            self._why[seen.task] = seen

    def ready(self, queued: Iterable[str]) -> str | None:
        """The first of the queue that may be done."""
        return next((task for task in queued if task in self._ready), None)

    def due(self, queued: Iterable[str], now: float) -> list[str]:
        """Those that must be looked at."""
        return [task for task in queued if task not in self._ready and self._until.get(task, 0.0) <= now]

    def next_look(self, queued: Iterable[str]) -> float:
        """When the next of the queue that waits must be looked at; infinity when none waits."""
        return min((self._until[task] for task in queued if task in self._until), default=float("inf"))

    def held_by_tool(self, task: str) -> str:
        """Why the task waits for another tool's end; "" when it does not."""
        seen = self._why.get(task)
        return seen.why if seen is not None and seen.by_tool else ""

    def forget(self, task: str) -> None:
        self._until.pop(task, None)
        self._why.pop(task, None)
        self._ready.pop(task, None)

    def keep_only(self, queued: Iterable[str]) -> None:
        """Tasks that are over or superseded are forgotten."""
        there = frozenset(queued)
        for task in [*self._until, *self._ready]:
            if task not in there:
                self.forget(task)
