"""A run of a playbook that was accepted comes to its end, whoever dies meanwhile."""

from typing import TYPE_CHECKING

from graced.bus.protocol import Ask, Reply
from graced.sim.breach import Breach
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.disk import Entry
    from graced.sim.member import Member
    from graced.sim.world import World


class Accepted(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.asked_for: dict[str, str] = {}  # id of the command -> request
        self.accepted: set[str] = set()
        self.finished: set[str] = set()

    def taken(self, member: "Member", ask: Ask) -> None:
        if ask.verb == "run" and ask.sender == "cli":
            self.asked_for[ask.id] = ask.args["request"]

    def replied(self, member: "Member", address: bytes, reply: Reply) -> None:
        stored = self.world.disk.trouble(self.world.clock.now) is None  # else it may die with its member
        if reply.ok and stored and reply.id in self.asked_for:
            self.accepted.add(self.asked_for[reply.id])

    def recorded(self, entry: "Entry") -> None:
        if entry.kind == "playbook.finished":
            self.finished.add(entry.data["run"])

    def settled(self) -> None:
        lost = self.accepted - self.finished
        if lost:
            raise Breach("accepted", f"runs were accepted, and never ended: {sorted(lost)}")
