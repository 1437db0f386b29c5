"""Facts, not guesses: what `member.down` gives as evidence is true, and a plain fact is not left to a vote."""

from typing import TYPE_CHECKING, Final

from graced.core.liveness import STOPPED_INTERVALS
from graced.sim.breach import Breach
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.disk import Entry
    from graced.sim.machine import Process

PLAIN_INTERVALS: Final = 6.0  # stopped for that long, any watcher that was awake meanwhile knows it for a fact
RECENT_INTERVALS: Final = 3.0


class Evidence(Check):
    def recorded(self, entry: "Entry") -> None:
        process = self.world.machine.everyone.get(entry.data.get("pid", 0))
        if entry.kind != "member.down" or process is None:
            return
        evidence = entry.data["evidence"]
        if evidence in ("exit", "zombie") and process.alive:
            raise Breach("evidence", f"{entry.member} says that {process} has ended, and it is {process.life}")
        if evidence == "stopped" and self._stopped_s(process, RECENT_INTERVALS) < self._span(STOPPED_INTERVALS):
            raise Breach("evidence", f"{entry.member} says that {process} is stopped, and it is {process.life}")
        plainly = process.life == "stopped" and self._stopped_s(process, 0.0) > self._span(PLAIN_INTERVALS)
        if evidence == "heartbeat" and plainly and self._awake(entry):
            raise Breach("evidence", f"{entry.member} calls {process} silent, which is plainly stopped")

    def _span(self, intervals: float) -> float:
        return intervals * self.world.timing.interval

    def _stopped_s(self, process: "Process", recent: float) -> float:
        """The longest stop that lasts, or ended not longer than `recent` intervals ago; seconds."""
        now = self.world.clock.now
        spans = [
            min(f.until, now) - f.since for f in process.freezes if f.stopped and f.until >= now - self._span(recent)
        ]
        return max(spans, default=0.0)

    def _awake(self, entry: "Entry") -> bool:
        """Was the writer up and running for long enough to see it? (A short timeout may fairly come first.)"""
        edge = entry.at - self._span(PLAIN_INTERVALS)
        watcher = self.world.machine.everyone[entry.pid]
        frozen = any(f.until > edge for f in watcher.freezes)
        return watcher.born < edge and not frozen and self.world.timing.timeout > self._span(PLAIN_INTERVALS)
