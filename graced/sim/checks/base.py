"""What a checker may listen to."""

from typing import TYPE_CHECKING

from graced.bus.protocol import Ask, Reply
from graced.core.vocabulary import Perform
from graced.sim.disk import Entry

if TYPE_CHECKING:
    from graced.sim.machine import Process
    from graced.sim.member import Member
    from graced.sim.world import World


class Check:
    """Every method is called after the fact, but `killed` and `launched`, which come just before it."""

    world: "World"

    def begin(self, world: "World") -> None:
        self.world = world

    def forked(self, member: "Member") -> None: ...

    def claimed(self, member: "Member", incarnation: int) -> None: ...

    def became_ready(self, member: "Member") -> None: ...

    def killed(self, process: "Process", by: "Member", why: str) -> None: ...

    def died(self, process: "Process") -> None: ...

    def resigned(self, member: "Member", reason: str) -> None: ...

    def recorded(self, entry: Entry) -> None: ...

    def stored(self, member: "Member") -> None:
        """What it had queued for state.db is in it."""

    def taken(self, member: "Member", ask: Ask) -> None:
        """A command came in."""

    def replied(self, member: "Member", address: bytes, reply: Reply) -> None: ...

    def performed(self, key: tuple[str, int, int], action: Perform) -> None:
        """A worker performs an attempt (run, step, attempt)."""

    def leased(self, member: "Member") -> None: ...

    def launched(self, kernel: str, run: int) -> None: ...

    def asked(self, what: str, names: tuple[str, ...]) -> None: ...

    def struck(self, member: "Member | None", what: str) -> None:
        """A fault was injected."""

    def round(self) -> None: ...

    def settled(self) -> None:
        """Faults have ceased and all is healthy again."""
