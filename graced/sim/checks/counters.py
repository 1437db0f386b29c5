"""What is counted is what happened: recoveries, incidents, and nothing left open."""

from graced.sim.breach import Breach
from graced.sim.checks.base import Check

TIERS = {"recoveries.mutual": (1, 2), "recoveries.emergency": (3,)}


class Counters(Check):
    def settled(self) -> None:
        store, slack = self.world.store, self.world.crashes
        for counter, tiers in TIERS.items():
            told = sum(e.kind == "recovery.succeeded" and e.data["tier"] in tiers for e in store.audit)
            if abs(store.counters.get(counter, 0) - told) > slack:
                counted = store.counters.get(counter, 0)
                raise Breach("counters", f"{counter} is {counted}, the audit log tells of {told}")
        left = [id for id, i in store.incidents.items() if i.state == "open" and i.kind == "member"]
        if len(left) > slack:
            raise Breach("counters", f"incidents are left open: {', '.join(left)}")
