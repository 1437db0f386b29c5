"""What is counted is what happened: recoveries, incidents, and nothing left open."""

from graced.sim.breach import Breach
from graced.sim.checks.base import Check

TIERS = {"recoveries.mutual": (1, 2), "recoveries.emergency": (3,)}


class Counters(Check):
    def settled(self) -> None:
        store, slack = self.world.store, self.world.crashes
        for counter, tiers in TIERS.items():
            told = {
                e.data["incident"] for e in store.audit if e.kind == "recovery.succeeded" and e.data["tier"] in tiers
            }
            # Whoever brought a member back may have died before it said so: then it is counted without a record.
            most = {
                id
                for id, i in store.incidents.items()
                if i.kind == "member" and (i.subject == "healers") == (tiers == (3,))
            }
            counted = store.counters.get(counter, 0)
            if not len(told) - slack <= counted <= len(told | most) + slack:
                raise Breach(
                    "counters", f"{counter} is {counted}, the audit log tells of {len(told)}, of {len(most)} incidents"
                )
        left = [id for id, i in store.incidents.items() if i.state == "open" and i.kind == "member"]
        if len(left) > slack:
            raise Breach("counters", f"incidents are left open: {', '.join(left)}")
