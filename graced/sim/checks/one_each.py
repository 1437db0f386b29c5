"""Invariant 1: one process a role, one run a kernel; incarnations and runs only grow. (Kernels: World.launch.)"""

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

    def claimed(self, member: "Member") -> None:
        role, old = member.role, self.holders.get(member.role)
        if old is not None and old.alive:
            raise Breach("one of each", f"{member} takes the role that {old} holds")
        if member.core.incarnation <= self.incarnations.get(role, 0):
            raise Breach("one of each", f"{member} has incarnation {member.core.incarnation}, which was there before")
        self.holders[role] = member.process
        self.incarnations[role] = member.core.incarnation

    def launched(self, kernel: str, run: int) -> None:
        if run <= self.runs.get(kernel, 0):
            raise Breach("one of each", f"run {run} of {kernel} is started again")
        self.runs[kernel] = run
