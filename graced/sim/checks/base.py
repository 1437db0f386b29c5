"""What a checker may listen to."""

from typing import TYPE_CHECKING

from graced.sim.store import Entry

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

    def claimed(self, member: "Member") -> None: ...

    def became_ready(self, member: "Member") -> None: ...

    def killed(self, process: "Process", by: "Member", why: str) -> None: ...

    def died(self, process: "Process") -> None: ...

    def resigned(self, member: "Member", reason: str) -> None: ...

    def recorded(self, entry: Entry) -> None: ...

    def leased(self, member: "Member") -> None: ...

    def launched(self, kernel: str, run: int) -> None: ...

    def asked(self, what: str, names: tuple[str, ...]) -> None: ...

    def struck(self, member: "Member | None", what: str) -> None:
        """A fault was injected."""

    def round(self) -> None: ...

    def settled(self) -> None:
        """Faults have ceased and all is healthy again."""
