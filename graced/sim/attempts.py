"""Attempts of playbooks' steps in the simulator: workers that outlive their member, and what they leave on disk."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from graced.core.vocabulary import Perform
from graced.members.playbooks import Step
from graced.members.step_workers import BEGUN, StepOutcome, StepWork
from graced.sim.machine import Process
from graced.spec.actions import BUILT_IN

if TYPE_CHECKING:
    from graced.sim.member import Member

STEP_S: Final = (0.005, 0.5)
HELPS: Final = 0.8
"""How often a step does what it is for."""

Key = tuple[str, int, int]


class Kept(Struct):
    """What is on disk of one attempt. `worker`: who holds its file locked."""

    data: bytes = b""
    worker: Process | None = None
    times: int = 0

    @property
    def locked(self) -> bool:
        return self.worker is not None and self.worker.alive


class Attempt:
    def __init__(self, member: "Member", key: Key, kept: Kept) -> None:
        self._member, self._key, self._kept = member, key, kept
        self.data = kept.data

    def close(self) -> None: ...

    def start(self, work: StepWork, again: bool, limit_s: float, ended: Callable[[bytes], None]) -> bool:
        assert isinstance(work, Step)
        self._member.touch()
        world, kept = self._member.world, self._kept
        worker = world.machine.fork("step", self._member.process)  # (not `worker`: it outlives its member)
        kept.worker, kept.data = worker, BEGUN
        worker.watchers.append((self._member.process, lambda: ended(kept.data)))
        if again and not repeatable(work.action):
            kept.data = msgspec.msgpack.encode(StepOutcome(False, "nobody knows whether it was done"))
            world.clock.after(world.random.uniform(*STEP_S), world.machine.kill, worker)
            return True
        world.performed(self._key, work.action)
        world.clock.after(world.random.uniform(*STEP_S), self._over, worker, work.action)
        world.clock.after(limit_s, world.machine.kill, worker)
        return True

    def _over(self, worker: Process, action: Perform) -> None:
        if worker.alive:
            helps = self._member.world.random.random() < HELPS
            self._kept.data = msgspec.msgpack.encode(StepOutcome(helps, f"{action.uses} was done"))
            self._member.world.machine.kill(worker)


def repeatable(action: Perform) -> bool:
    """May it be done again where nobody knows whether it was done?"""
    return BUILT_IN[action.uses].repeatable or bool(action.args.get("repeatable"))


class Attempts:
    def __init__(self, member: "Member") -> None:
        self._member, self._kept = member, member.world.attempts
        self._notes = member.world.attempt_notes

    def take(self, run: str, step: int, attempt: int) -> Attempt | None:
        kept = self._kept.setdefault((run, step, attempt), Kept())
        return None if kept.locked else Attempt(self._member, (run, step, attempt), kept)

    def write_note(self, run: str, step: int, attempt: int, data: bytes) -> None:
        self._member.touch()
        self._notes[run, step, attempt] = data

    def read_note(self, run: str, step: int, attempt: int) -> bytes:
        try:
            return self._notes[run, step, attempt]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory") from None

    def forget(self, run: str) -> None:
        for table in (self._kept, self._notes):
            for key in [key for key in table if key[0] == run]:
                del table[key]

    def forget_all(self) -> None:
        self._kept.clear()
        self._notes.clear()
