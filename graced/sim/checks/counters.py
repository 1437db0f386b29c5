"""What is counted is what happened: recoveries, incidents, and nothing left open."""

from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.store import tables

INCIDENTS_MAX = 10_000

TIERS = {"recoveries.mutual": (1, 2), "recoveries.emergency": (3,)}


class Counters(Check):
    def settled(self) -> None:
        slack = self.world.crashes
        audit, counters = self.world.disk.audit, tables.counters(self.world.reader)
        incidents = tables.incidents(self.world.reader, limit=INCIDENTS_MAX)
        for counter, tiers in TIERS.items():
            told = {e.data["incident"] for e in audit if e.kind == "recovery.succeeded" and e.data["tier"] in tiers}
            # Whoever brought a member back may have died before it said so: then it is counted without a record.
            most = {i.id for i in incidents if i.kind == "member" and (i.subject == "healers") == (tiers == (3,))}
            counted = counters.get(counter, 0)
            if not len(told) - slack <= counted <= len(told | most) + slack:
                raise Breach(
                    "counters", f"{counter} is {counted}, the audit log tells of {len(told)}, of {len(most)} incidents"
                )
        left = [i.id for i in incidents if i.state == "open" and i.kind == "member"]
        if len(left) > slack:
            raise Breach("counters", f"incidents are left open: {', '.join(left)}")
