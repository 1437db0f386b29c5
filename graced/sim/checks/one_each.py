"""Invariant 1: one process a role, one run a kernel; incarnations and runs only grow.

A run begins only when nothing of the one before is left, when its slot says that it is about to, and during no stop.
"""

from typing import TYPE_CHECKING

from graced.sim.breach import Breach
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.machine import Process
    from graced.sim.member import Member
    from graced.sim.world import World


class OneOfEach(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.holders: dict[str, Process] = {}
        self.incarnations: dict[str, int] = {}
        self.runs: dict[str, int] = {}

    def claimed(self, member: "Member", incarnation: int) -> None:
        role, old = member.role, self.holders.get(member.role)
        if old is not None and old.alive:
            raise Breach("one of each", f"{member} takes the role that {old} holds")
        if incarnation <= self.incarnations.get(role, 0):
            raise Breach("one of each", f"{member} has incarnation {incarnation}, which was there before")
        self.holders[role] = member.process
        self.incarnations[role] = incarnation

    def launched(self, kernel: str, run: int) -> None:
        if self.world.stopping:
            raise Breach("stop", f"run {run} of {kernel} is born during a stop")
        if run <= self.runs.get(kernel, 0):
            raise Breach("one of each", f"run {run} of {kernel} is started again")
        left = [p for p in self.world.machine.processes.values() if p.marks is not None and p.marks[0] == kernel]
        if left:
            raise Breach("one of each", f"run {run} of {kernel} is started while {left} is alive")
        slot = self.world.disk.slots.get(kernel)
        if slot is None or (slot.run.run, slot.run.pid) != (run, 0):
            raise Breach("one of each", f"run {run} of {kernel} is born before its slot says so: {slot}")
        self.runs[kernel] = run
