"""The audit log of each emergency tells it in the order that CONTRACT.md promises, and every grant is revoked in it."""

from typing import TYPE_CHECKING, Final

from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.spec.roles import EMERGENCY_PLAYBOOK

if TYPE_CHECKING:
    from graced.sim.disk import Entry
    from graced.sim.world import World

ORDER: Final = (
    "playbook.started", "emergency.activated", "delegation.granted", "recovery.started", "recovery.succeeded",
    "delegation.revoked", "emergency.ended", "playbook.finished",
)  # fmt: skip
ATTEMPT: Final = ("recovery.started", "recovery.failed")  # may be told again and again before `recovery.succeeded`


class Protocol(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.tales: dict[str, list[Entry]] = {}

    def recorded(self, entry: "Entry") -> None:
        if entry.kind not in ORDER and entry.kind not in ATTEMPT:
            return
        data = entry.data
        if entry.kind.startswith("playbook."):
            if data["playbook"] == EMERGENCY_PLAYBOOK:
                self.tales.setdefault(data["run"], []).append(entry)
        elif data.get("tier", 3) == 3:
            self.tales.setdefault(data["incident"], []).append(entry)

    def settled(self) -> None:
        for incident, tale in self.tales.items():
            self._balanced(incident, tale)
            if len({e.pid for e in tale}) == 1:
                self._in_order(incident, tale)

    def _balanced(self, incident: str, tale: "list[Entry]") -> None:
        """True whoever wrote: activated first, each grant revoked before the end, ended at last."""
        kinds = [e.kind for e in tale]
        if "emergency.activated" not in kinds:
            if "delegation.granted" in kinds or "emergency.ended" in kinds:
                raise Breach("protocol", f"{incident} was never activated: {kinds}")
            return
        if "emergency.ended" not in kinds:
            raise Breach("protocol", f"{incident} was activated and never ended: {kinds}")
        if "delegation.granted" in kinds and kinds.index("delegation.granted") < kinds.index("emergency.activated"):
            raise Breach("protocol", f"powers were granted before {incident} was activated: {kinds}")
        lent: dict[str, int] = {}
        for at, entry in enumerate(tale):
            if entry.kind == "delegation.granted":
                lent[entry.data["agent"]] = at
            elif entry.kind == "delegation.revoked":
                lent.pop(entry.data["agent"], None)
        if lent:
            raise Breach("protocol", f"granted and never revoked under {incident}: {', '.join(lent)}")
        last = len(kinds) - 1 - kinds[::-1].index("emergency.ended")
        if any(kind in ("delegation.granted", "delegation.revoked") for kind in kinds[last:]):
            raise Breach("protocol", f"powers were handled after the end of {incident}: {kinds}")

    def _in_order(self, incident: str, tale: "list[Entry]") -> None:
        """One writer: exactly the promised order, but for attempts that failed and delegates that came back late."""
        kinds = [e.kind for e in tale]
        while "recovery.failed" in kinds:
            at = kinds.index("recovery.failed")
            kinds = [k for k in kinds[:at] if k != "recovery.started"] + kinds[at + 1 :]
        late = {"delegation.granted", "recovery.started"}
        told = [k for i, k in enumerate(kinds) if k != "delegation.granted" or not late & set(kinds[:i])]
        told = [k for i, k in enumerate(told) if k != "delegation.revoked" or k not in told[:i]]
        if told != [k for k in ORDER if k in told or k not in ("delegation.granted", "delegation.revoked")]:
            raise Breach("protocol", f"{incident} is told out of order: {kinds}")
