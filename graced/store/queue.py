"""Writes that wait for the database: bounded, in order, at most one for each key."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final

import msgspec

QUEUE_MAX: Final = 4096
"""Entries that wait in memory; the oldest are dropped (and counted) past it."""

Effect = Callable[[dict[Any, Any]], None]
"""What an entry does to the rows of its table, by primary key: for readers in the process that queued it."""

Statement = tuple[str, tuple[Any, ...] | list[tuple[Any, ...]]]
"""SQL and its parameters; a list of them is executed for each."""


class Entry(msgspec.Struct, frozen=True):
    """Statements that are committed together or not at all. `note` is for whoever looks at what waits under a key."""

    statements: tuple[Statement, ...]
    table: str = ""
    effect: Effect | None = None
    note: Any = None


class WriteQueue:
    """Insertion-ordered. A later entry with the key of a waiting one takes its place *in line*, so that it cannot
    overtake what was queued in between (a lease renewed must not pass its own revocation)."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, Entry] = {}
        self._unkeyed = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry, key: Hashable | None = None) -> None:
        if key is None:
            self._unkeyed += 1
            key = self._unkeyed
        self._entries[key] = entry
        if len(self._entries) > QUEUE_MAX:
            del self._entries[next(iter(self._entries))]
            self.dropped += 1

    def get(self, key: Hashable) -> Entry | None:
        return self._entries.get(key)

    def items(self) -> list[tuple[Hashable, Entry]]:
        return list(self._entries.items())

    def remove(self, key: Hashable) -> None:
        del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()

    def effects(self, table: str) -> Iterator[Effect]:
        """The effects of all entries that wait for this table, oldest first."""
        return (e.effect for e in self._entries.values() if e.table == table and e.effect is not None)
