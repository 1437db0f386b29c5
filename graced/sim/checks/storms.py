"""Invariant 8: no more starts of a kernel, or of a member that fails to come up, than the intensity allows."""

from typing import TYPE_CHECKING, Final

from graced.core.intensity import try_again
from graced.core.kernels.exits import WANT_LEAST_S
from graced.sim.breach import Breach
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.member import Member
    from graced.sim.world import World

FORCED: Final = 9  # births of one role in one attempt of an emergency: three forced ones, and what the intensity allows

ATTEMPT_S: Final = 1.5  # from the start of an attempt to its last birth


class Storms(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.starts: dict[str, list[float]] = {}
        self.wanted: dict[str, float] = {}  # kernel -> when its birth last failed for want of something
        self.last: dict[str, float] = {}
        self.births: dict[str, list[Member]] = {}

    def launched(self, kernel: str, run: int) -> None:
        """A start that comes `backoff.max` after the one before is a try of what the ladder did not help: no storm.

        A birth that fails for want of something has its own backoff, and is not counted.
        """
        policy, now = self.world.kernel_policy, self.world.clock.now
        if self.world.manners[kernel].wants(now):
            before, self.wanted[kernel] = self.wanted.get(kernel, 0.0), now
            if now - before < WANT_LEAST_S:
                raise Breach("storm", f"{kernel}, which wants for something, was tried after {now - before:.3f} s")
            return
        last, self.last[kernel] = self.last.get(kernel, 0.0), now
        if now - last >= try_again(policy):
            return
        times = [t for t in self.starts.get(kernel, ()) if t > now - policy.window]
        times.append(now)
        self.starts[kernel] = times
        if len(times) > policy.max_restarts + 1:
            raise Breach("storm", f"{kernel} was started {len(times)} times within {policy.window:g} s")

    def asked(self, what: str, names: tuple[str, ...]) -> None:
        """A person's starts do not count, and clear the count, of what the kernel depends on too; a mend its own.

        What a full disk did not take, and died with its member, is forgotten.
        """
        for name in names if what in ("stop", "mended", "anew") else self.world.specs:
            self.starts[name] = []
            self.wanted.pop(name, None)

    def forked(self, member: "Member") -> None:
        """Births that no fault cut short: at most the intensity, and what new spawners and emergencies allow again."""
        world, role = self.world, member.role
        edge = world.clock.now - world.policy.window
        born = [m for m in self.births.get(role, ()) if m.process.born > edge - ATTEMPT_S]
        failed = [m for m in born if m.process.born > edge and not m.came_up and not m.struck]
        self.births[role] = [*born, member]
        early = edge - ATTEMPT_S
        again = sum(m.process.born > early for r in ("spawner", "watchdog") for m in self.births.get(r, ())) + sum(
            e.at > early and e.kind == "recovery.started" and e.data["tier"] == 3 for e in world.disk.audit[-400:]
        )
        if len(failed) > world.policy.max_restarts + 2 + FORCED * again and role != "spawner":
            raise Breach("storm", f"{role} was born {len(failed)} times without becoming healthy")
