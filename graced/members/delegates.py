"""architect, parliament and trigger: members that hold powers only while the watchdog lends them some."""

from typing import Any, Final

from graced.bus.protocol import Ask, Reply
from graced.core import leases
from graced.core.vocabulary import LeaseGiven, LeaseTaken
from graced.members import leasing
from graced.members.duty import Duty
from graced.members.logtail import last_lines
from graced.posix.clock import monotonic, wall_iso
from graced.spec.roles import DELEGATES, POWERS
from graced.store import tables

LAST_LINES: Final = 5  # of a dead healer's log, for the incident


class Delegate(Duty):
    """Takes grants and revocations, and uses a power only while it holds it."""

    def ask(self, ask: Ask, address: bytes) -> Reply | None:
        match ask.verb:
            case "grant":
                return self._granted(ask)
            case "revoke":
                incident = str(ask.args["incident"])
                self.shell.take(LeaseTaken(incident))
                return Reply(ask.id, True, {"held": incident in self.shell.state.held})
        return super().ask(ask, address)

    def _granted(self, ask: Ask) -> Reply:
        lease = leasing.verify(self.shell.home, ask.args)
        if lease is None or lease.agent != self.shell.me or lease.incarnation != self.shell.incarnation:
            self.refuse("grant", "no valid signature, or for another incarnation")
            return Reply(ask.id, False, error="the lease is not valid here")
        self.shell.take(LeaseGiven(lease))
        self.lent(lease.incident)
        return Reply(ask.id, True, {"held": lease.incident in self.shell.state.held})

    def lent(self, incident: str) -> None:
        """Powers came in: what this delegate does with them."""

    def may(self, power: str, what: str) -> bool:
        """Is this very power held, unexpired and not revoked? A refused use goes into the audit log."""
        held = {i: h for i, h in self.shell.state.held.items() if not tables.is_revoked(self.shell.store, i)}
        if leases.may(held, power, monotonic()):
            return True
        self.refuse(power, what)
        return False

    def refuse(self, power: str, what: str) -> None:
        data: dict[str, Any] = {"agent": self.shell.me, "power": power, "what": what}
        self.shell.audit.append("power.refused", data)


class Architect(Delegate):
    """Reads failures: the last lines of what the dead healers said."""

    def lent(self, incident: str) -> None:
        if not self.may("analyze_failure", incident):
            return
        for name in ("self_healing", "coding_agent"):
            lines = last_lines(self.shell.home.log(name), LAST_LINES)
            text = f"{name} said last: " + (" | ".join(lines) if lines else "nothing")
            tables.add_step(self.shell.store, incident, wall_iso(), "analyze_failure", True, text[:1000])


class Parliament(Delegate):
    """Coordinates recovery with its one voice more in a vote, and calls a person when recovery fails."""


assert set(POWERS) == set(DELEGATES)
