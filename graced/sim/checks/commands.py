"""A command is taken once, however often it comes, and answered once; an attempt of a step is performed once."""

from typing import TYPE_CHECKING

from graced.bus.protocol import Reply
from graced.core.vocabulary import Perform
from graced.sim.attempts import repeatable
from graced.sim.breach import Breach
from graced.sim.checks.base import Check

if TYPE_CHECKING:
    from graced.sim.member import Member
    from graced.sim.world import World


class Commands(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.answered: set[tuple[int, bytes, str]] = set()
        self.begun: set[tuple[str, int, int]] = set()

    def replied(self, member: "Member", address: bytes, reply: Reply) -> None:
        key = (member.process.pid, address, reply.id)
        if key in self.answered:
            raise Breach("commands", f"{member} answers {reply.id} of {address.decode()} once more")
        self.answered.add(key)

    def performed(self, key: tuple[str, int, int], action: Perform) -> None:
        if key in self.begun and not repeatable(action):
            raise Breach("commands", f"attempt {key} of {action.uses} is performed once more")
        self.begun.add(key)
