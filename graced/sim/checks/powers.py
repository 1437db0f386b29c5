"""Invariant 3: no power without a grant, and no grant that outlives its emergency.

A delegate that was reachable gives its powers back before the emergency ends; one that was not loses them when the
lease runs out; and nobody takes back up what was revoked.
"""

from typing import TYPE_CHECKING, Final

from graced.core.leases import may, ttl
from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.spec.roles import DELEGATES, POWERS

if TYPE_CHECKING:
    from graced.sim.disk import Entry
    from graced.sim.member import Member
    from graced.sim.world import World

SLACK_S: Final = 0.001
TROUBLE_S: Final = 3.0  # a loss, a delay or a freeze so short before the end may have held a revocation up


class Powers(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.active: set[str] = set()
        self.ended: dict[str, float] = {}
        self.granted: set[tuple[str, str]] = set()
        self.held: set[tuple[str, str]] = set()
        self.returned: dict[tuple[int, str], float] = {}

    def recorded(self, entry: "Entry") -> None:
        match entry.kind:
            case "emergency.activated":
                self.active.add(entry.data["incident"])
            case "emergency.ended":
                incident = entry.data["incident"]
                self.active.discard(incident)
                self.ended[incident] = entry.at
            case "delegation.granted":
                self.granted.add((entry.data["agent"], entry.data["incident"]))

    def leased(self, member: "Member") -> None:
        term = ttl(self.world.timing)
        for incident, held in member.core.held.items():
            self.held.add((member.role, incident))
            if held.until - term <= self.returned.get((member.process.pid, incident), 0.0):
                raise Breach("powers", f"{member} holds by an older grant what it gave back under {incident}")
        for incident, at in member.revoked.items():
            self.returned[member.process.pid, incident] = at

    def round(self) -> None:
        now = self.world.clock.now
        for role in DELEGATES:
            member = self.world.wires.bound.get(role)
            if member is None or not member.begun:
                continue
            for incident, held in member.core.held.items():
                self._check(member, incident, held.until, now)

    def _check(self, member: "Member", incident: str, until: float, now: float) -> None:
        world, term = self.world, ttl(self.world.timing)
        if until > world.granted_at.get((member.role, incident), 0.0) + term + SLACK_S:
            raise Breach("powers", f"{member} holds a lease for longer than it was given under {incident}")
        acts = member.process.life == "running" and may(member.core.held, POWERS[member.role][0], now)
        ended = self.ended.get(incident)
        if ended is None or incident in self.active or not acts:
            return
        if now > ended + term:
            raise Breach("powers", f"{member} may still act {now - ended:g} s after the end of {incident}")
        calm = world.wires.troubled_at < ended - TROUBLE_S and member.process.born < ended - TROUBLE_S
        frozen = any(f.until > ended - TROUBLE_S for f in member.process.freezes)
        if calm and not frozen and now > ended + SLACK_S:
            raise Breach("powers", f"{member} was reachable and may act after the end of {incident}")

    def settled(self) -> None:
        without = self.held - self.granted
        if len(without) > self.world.crashes:  # (sent, and dead before it was written)
            raise Breach("powers", f"powers were held that no record grants: {sorted(without)}")
