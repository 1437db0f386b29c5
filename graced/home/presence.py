"""Who holds the roles, by the lock files and /proc. To look is to read: nothing here locks, asks or writes.

A record alone is no presence: it counts while the process that it names lives and has that very lock file open, and in
the home alone whose members wrote it (see `graced.home.identity`).
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from graced.home.locks import LockRecord, is_held_by, read_record
from graced.home.paths import Home
from graced.posix import proc
from graced.posix.proc import Status
from graced.spec.roles import MEMBERS

DEAD: Final = frozenset({"gone", "zombie"})


class Presence(Struct, frozen=True):
    """One role. `record`: its last known holder, None before the first; `status`: of that very process."""

    member: str
    record: LockRecord | None
    status: Status

    @property
    def alive(self) -> bool:
        return self.status not in DEAD

    @property
    def awake(self) -> bool:
        """Alive, and not stopped by a signal."""
        return self.alive and self.status != "stopped"

    @property
    def pid(self) -> int:
        """The pid of the living holder; 0 when there is none."""
        return self.record.pid if self.record is not None and self.alive else 0

    @property
    def incarnation(self) -> int:
        return self.record.incarnation if self.record is not None else 0


def presence(home: Home, member: str) -> Presence:
    path = home.lock(member)
    record = read_record(path)
    status: Status = "gone" if record is None else proc.status(record.identity)
    if record is not None and status not in DEAD and not (is_held_by(path, record) and home.is_ours()):
        status = "gone"
    return Presence(member, record, status)


def presences(home: Home, members: Iterable[str] = MEMBERS) -> dict[str, Presence]:
    """The presence of each member, in the order of MEMBERS."""
    return {member: presence(home, member) for member in members}


def anyone(home: Home) -> bool:
    """Is any member alive? A stopped one counts."""
    return any(presence(home, member).alive for member in MEMBERS)
