"""Virtual time: a queue of calls, each at its moment. Seconds, as CLOCK_MONOTONIC would give them."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

from graced.sim.breach import Breach

CALLS_LIMIT: Final = 2_000  # in one virtual millisecond; more is a loop that time does not end


class Clock:
    """Calls at the same moment run in the order in which they were asked for."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._moment = now
        self._in_moment = 0

    def at(self, when: float, call: Callable[..., None], *args: Any) -> None:
        self._count += 1
        heappush(self._queue, (when if when > self.now else self.now, self._count, call, args))

    def after(self, delay: float, call: Callable[..., None], *args: Any) -> None:
        self._count += 1
        heappush(self._queue, (self.now + delay, self._count, call, args))

    def run_until(self, end: float) -> None:
        """Run everything that is due up to `end`. Raises Breach when time stands still."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            when, _, call, args = heappop(queue)
            if when - self._moment > 0.001:
                self._moment, self._in_moment = when, 0
            self._in_moment += 1
            if self._in_moment > CALLS_LIMIT:
                raise Breach("livelock", f"more than {CALLS_LIMIT} calls within a millisecond, now {call!r}")
            self.now = when
            call(*args)
        self.now = end
