"""coding_agent: finds source that does not compile in the watched trees, and mends what is safe to mend."""

from graced.bus.protocol import Ask, Reply
from graced.members import runs
from graced.members.shell import Duty


class CodingAgent(Duty):
    """The queue and the scan run in a worker process (graced.members.mending)."""

    def ask(self, ask: Ask, address: bytes) -> Reply | None:
        return runs.asked(self.shell, ask) or super().ask(ask, address)
