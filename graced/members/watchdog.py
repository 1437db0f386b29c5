"""The watchdog: watches everyone, has healers brought back, runs the emergency protocol. All of it is the core's."""

from typing import Any

from graced.members.duty import Duty


class Watchdog(Duty):
    """Beside watching, which every member does, it keeps copies of the descriptors that outlive a spawner."""

    def setup(self) -> None:
        self._shelf = self.shell.outside.shelf()

    def tend(self, now: float) -> None:
        self._shelf.tend(now)

    def detail(self) -> dict[str, Any]:
        emergency = self.shell.state.emergency
        return {"emergency": emergency.incident} if emergency else {}
