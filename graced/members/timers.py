"""Timers of one loop."""

import heapq
from collections.abc import Callable

from graced.core.state import INFINITY

Call = Callable[[], None]


class Timers:
    """`now` is the loop's clock. A timer cannot be taken back: its call looks whether it still matters."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._timers: list[tuple[float, int, Call]] = []
        self._count = 0

    def after(self, seconds: float, call: Call) -> None:
        """Call once, `seconds` from now."""
        self._count += 1
        heapq.heappush(self._timers, (self._now() + seconds, self._count, call))

    def next(self) -> float:
        return self._timers[0][0] if self._timers else INFINITY

    def expire(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
