"""The watchdog: watches everyone, has healers brought back, runs the emergency protocol. All of it is the core's."""

from typing import Any

from graced.members.duty import Duty


class Watchdog(Duty):
    """Nothing beside watching, which every member does; its place in the tables makes the difference."""

    def detail(self) -> dict[str, Any]:
        emergency = self.shell.state.emergency
        return {"emergency": emergency.incident} if emergency else {}
