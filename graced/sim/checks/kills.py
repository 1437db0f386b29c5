"""Invariant 2: a healthy process is killed by nothing but a person; never because a watcher was slow.

What graced may kill: what did nothing for two intervals by SIGSTOP, what a majority did not hear for long, and a
newborn that had its time. All are judged by what really happened, not by what the killer believes.
"""

from typing import TYPE_CHECKING, Final

from graced.core.births import NEWBORN_FLOOR_S, NEWBORN_INTERVALS
from graced.core.liveness import STOPPED_INTERVALS
from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.spec.roles import MEMBERS

if TYPE_CHECKING:
    from graced.sim.machine import Process
    from graced.sim.member import Member

RECENT_INTERVALS: Final = 6.0  # a reason that ended so long ago still counts: a kill takes its locks and messages
SLACK_S: Final = 0.002


class Kills(Check):
    def killed(self, process: "Process", by: "Member", why: str) -> None:
        if self._stood_still(process) or self._too_long_newborn(process) or self._unheard(process):
            return
        raise Breach("healthy process killed", f"{by} killed {process}, {process.life}: {why}")

    def resigned(self, member: "Member", reason: str) -> None:
        """Only a process that really does not hear another, which may have died since, may end itself as deaf."""
        world, now = self.world, self.world.clock.now
        recent = now - RECENT_INTERVALS * world.timing.interval
        others = [p for p in world.machine.everyone.values() if p.name in MEMBERS and p is not member.process]
        seen = [(p, now if p.alive else p.ended) for p in others]
        limit = world.timing.timeout - SLACK_S
        if any(until > recent and self._gap(member, p, until) >= limit for p, until in seen):
            return
        raise Breach("healthy process killed", f"{member} ended itself though it hears everyone: {reason}")

    def _stood_still(self, process: "Process") -> bool:
        timing, now = self.world.timing, self.world.clock.now
        for freeze in process.freezes:
            limit = STOPPED_INTERVALS * timing.interval if freeze.stopped else timing.timeout / 2
            span = min(freeze.until, now) - freeze.since
            if span >= limit - SLACK_S and freeze.until > now - RECENT_INTERVALS * timing.interval:
                return True
        return False

    def _too_long_newborn(self, process: "Process") -> bool:
        member = self.world.members[process.pid]
        limit = max(NEWBORN_FLOOR_S, NEWBORN_INTERVALS * self.world.timing.interval)
        return not member.claimed and self.world.clock.now - process.born >= limit - SLACK_S

    def _unheard(self, process: "Process") -> bool:
        """Did a majority of those that run not hear it for half the timeout, now or a moment ago?"""
        world, now = self.world, self.world.clock.now
        listeners = [m for m in world.wires.bound.values() if m.process is not process and m.process.life == "running"]
        deaf = sum(self._gap(m, process, now) >= world.timing.timeout / 2 - SLACK_S for m in listeners)
        return 2 * deaf >= len(listeners)

    def _gap(self, listener: "Member", speaker: "Process", now: float) -> float:
        """The longest silence between the two that is not long over; seconds."""
        last = listener.heard_at.get(speaker.pid, max(listener.process.born, speaker.born))
        gap, until = listener.gaps.get(speaker.pid, (0.0, 0.0))
        recent = gap if until > now - RECENT_INTERVALS * self.world.timing.interval else 0.0
        return max(recent, now - last)
