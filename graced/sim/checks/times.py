"""Invariant 5: what is down comes back within its bound. Measures each recovery from the fault to seven healthy members."""

from typing import TYPE_CHECKING

from graced.core.roles import MEMBERS
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.machine import Process
    from graced.sim.member import Member
    from graced.sim.world import World


class Times(Check):
    """`kills`: seconds from each kill to the moment when all seven roles are held by members that are ready."""

    def begin(self, world: "World") -> None:
        super().begin(world)
        self.kills: list[float] = []
        self._open: list[float] = []

    def struck(self, member: "Member | None", what: str) -> None:
        if what == "kill":
            self._open.append(self.world.clock.now)

    def became_ready(self, member: "Member") -> None:
        if self._open and self._all_ready():
            now = self.world.clock.now
            self.kills += [now - at for at in self._open]
            self._open.clear()

    def died(self, process: "Process") -> None: ...

    def _all_ready(self) -> bool:
        bound = self.world.wires.bound
        return all(role in bound and bound[role].core.ready and bound[role].process.life == "running" for role in MEMBERS)
