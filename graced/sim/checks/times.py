"""How long recoveries take, from the fault to seven healthy members. (Invariant 5's bound: graced.sim.run.)"""

from typing import TYPE_CHECKING

from graced.sim.checks.base import Check
from graced.spec.roles import MEMBERS

if TYPE_CHECKING:
    from graced.sim.member import Member
    from graced.sim.world import World


class Times(Check):
    """`recoveries`: seconds from each kill or stop for good until seven members that are ready hold all roles."""

    def begin(self, world: "World") -> None:
        super().begin(world)
        self.recoveries: list[float] = []
        self._open: list[float] = []

    def struck(self, member: "Member | None", what: str) -> None:
        if what in ("kill", "stop"):
            self._open.append(self.world.clock.now)

    def became_ready(self, member: "Member") -> None:
        self._close()

    def round(self) -> None:
        self._close()  # the last one may have been continued

    def _close(self) -> None:
        if self._open and self._all_ready():
            now = self.world.clock.now
            self.recoveries += [now - at for at in self._open]
            self._open.clear()

    def _all_ready(self) -> bool:
        members = [self.world.wires.bound.get(role) for role in MEMBERS]
        return all(m is not None and m.begun and m.core.ready and m.process.life == "running" for m in members)
