"""What is on disk and outlives everyone: audit log, state.db, slots of kernels, notes, logs.

state.db is a real one, in memory, read and written by graced.store: its SQL is what ships. A crowded or full disk is
simulated by errors as SQLite gives them.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from graced.audit.lately import Line
from graced.audit.record import encode_data
from graced.home.slots import Slot
from graced.posix.clock import wall_iso
from graced.store.db import Store
from graced.store.file import File
from graced.store.schema import migrate

if TYPE_CHECKING:
    from graced.sim.member import Member

HOME_ID: Final = "simulated"
RECORD_BYTES: Final = 300  # of the log, on average
BUSY: Final = ("database is locked", sqlite3.SQLITE_BUSY)
FULL: Final = ("database or disk is full", sqlite3.SQLITE_FULL)


class Entry(Struct, frozen=True):
    """One audit record."""

    at: float
    member: str
    pid: int
    incarnation: int
    kind: str
    data: dict[str, Any]


class Disk:
    """Of one home. `busy_until`, `full_until`: till then nothing can be written."""

    def __init__(self) -> None:
        self.audit: list[Entry] = []
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.db)
        self.slots: dict[str, Slot] = {}
        self.notes: dict[str, bytes] = {}
        self.logs: dict[str, tuple[str, float]] = {}  # kernel -> (the end of its log, when that was written)
        self.busy_until = self.full_until = 0.0

    def trouble(self, now: float) -> tuple[str, int] | None:
        return FULL if now < self.full_until else BUSY if now < self.busy_until else None


class Memory(File):
    """state.db of a home, as one process has it open."""

    def __init__(self, disk: Disk, member: "Member | None") -> None:
        super().__init__("/simulated/state.db", readonly=member is None)
        self._disk, self._member = disk, member
        self.generation = 1

    @property
    def absent(self) -> bool:
        return False

    def connection(self) -> sqlite3.Connection:
        if self._member is not None:
            trouble = self._disk.trouble(self._member.world.clock.now)
            if trouble is not None and trouble[1] == sqlite3.SQLITE_FULL and self._member.outside.store.pending:
                error = sqlite3.OperationalError(trouble[0])
                error.sqlite_errorcode = trouble[1]
                raise error
        return self._disk.db

    def look(self) -> None: ...

    def drop(self) -> None: ...


class Books(Store):
    """state.db as a simulated member has it; without a member it is the checkers' own look."""

    def __init__(self, member: "Member | None", disk: Disk | None = None) -> None:
        super().__init__("/simulated/state.db", deferred=True)
        self._member = member
        found = disk if disk is not None else member.world.disk if member is not None else Disk()
        self._file = Memory(found, member)
        self._disk = found

    def flush(self) -> bool:
        if self.pending and self._member is not None:
            self._member.touch()
            if self._disk.trouble(self._member.world.clock.now) == BUSY:
                return False
        before = self.pending
        done = super().flush()
        if before and done and self._member is not None:
            self._member.world.stored(self._member)
        return done


class Audit:
    """One member's end of the log."""

    def __init__(self, member: "Member") -> None:
        self._member, self._disk = member, member.world.disk
        self.findings: list[str] = []
        self.degraded = False
        self._queue: deque[tuple[str, Mapping[str, Any]]] = deque()

    @property
    def pending(self) -> int:
        return len(self._queue)

    def append(self, kind: str, data: Mapping[str, Any]) -> bool:
        encode_data(kind, data)
        self._queue.append((kind, dict(data)))
        return False

    def flush(self) -> bool:
        if not self._queue:
            return True
        self._member.touch()
        trouble = self._disk.trouble(self._member.world.clock.now)
        self.degraded = trouble == FULL
        if trouble is not None:
            return False
        while self._queue:
            kind, data = self._queue.popleft()
            self._member.world.recorded(self._member, kind, dict(data))
        return True

    def lately(self, kinds: tuple[str, ...], left: int) -> Iterator[Line]:
        wall = self._member.world.wall
        for entry in self._disk.audit[: -left // RECORD_BYTES : -1]:
            if entry.kind in kinds:
                yield Line(wall_iso(wall(entry.at)), entry.kind, entry.data)


class Slots:
    def __init__(self, member: "Member") -> None:
        self._member, self._slots = member, member.world.disk.slots

    def stored(self) -> list[Slot]:
        return [self._slots[name] for name in sorted(self._slots)]

    def store(self, slot: Slot) -> None:
        self._member.touch()
        self._slots[slot.run.kernel] = slot

    def read(self, kernel: str) -> Slot | None:
        return self._slots.get(kernel)


class Files:
    def __init__(self, member: "Member") -> None:
        self._member, self._world, self._disk = member, member.world, member.world.disk

    def look(self) -> list[str]:
        return []

    def key(self) -> bytes:
        return b"k" * 32

    def home_id(self) -> str:
        return HOME_ID

    def digest(self, path: str) -> str:
        return self._world.sources.digest(path)

    def last_lines(self, name: str, count: int) -> list[str]:
        return self._disk.logs.get(name, ("", 0.0))[0].splitlines()[-count:]

    def tail(self, name: str, newer_than: float, most: int | None = None) -> tuple[str, float]:
        text, written = self._disk.logs.get(name, ("", 0.0))
        return (text if written >= newer_than else ""), written

    def real(self, path: str) -> str:
        return path

    def read_note(self, path: str) -> bytes:
        return self._disk.notes.get(path, b"")

    def write_note(self, path: str, data: bytes) -> None:
        self._member.touch()
        self._disk.notes[path] = data
