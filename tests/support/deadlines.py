"""Waiting for conditions, and what was measured on the way.

A limit of the contract is what an idle machine keeps. A shared CI machine is given PATIENCE times as long, and more
while it is overloaded, so that a test fails for what the product does and not for what else runs.
GRACED_TEST_PATIENCE=1 is the strict reading, whatever the load.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

PATIENCE: Final = float(os.environ.get("GRACED_TEST_PATIENCE", "5"))
STRICT: Final = PATIENCE <= 1.0
LOAD_OF_A_CPU: Final = 2.0
"""Runnable processes for each CPU that PATIENCE allows for; with twice as many everything takes twice as long."""

POLL_S: Final = 0.005

T = TypeVar("T")


class Late(AssertionError):
    """A condition did not come true in time."""


def patience() -> float:
    """What a limit is multiplied with at this moment."""
    if STRICT:
        return PATIENCE
    return PATIENCE * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) / LOAD_OF_A_CPU)


def until(
    condition: Callable[[], T | None], limit_s: float, what: str | Callable[[], object], poll_s: float = POLL_S
) -> T:
    """The first true answer of `condition`, asked every `poll_s` for `limit_s` times `patience()` seconds. Raises Late.

    what: says what was waited for; a callable is asked when it is too late, to tell what there was instead.
    """
    times = patience()
    give_up = time.monotonic() + limit_s * times
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= give_up:
            raise Late(f"not within {limit_s:g} s (x {times:.1f}): {what() if callable(what) else what}")
        time.sleep(poll_s)


def holds_for(condition: Callable[[], object], seconds: float, what: str | Callable[[], object]) -> None:
    """The condition is true all the time. For what must not happen: only time can tell that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what() if callable(what) else what
        time.sleep(POLL_S * 4)


def percentile(values: Sequence[float], share: float) -> float:
    """0.5 is the median; 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def told(values: Sequence[float]) -> str:
    """Seconds as one line of milliseconds."""
    p50, p95, most = (percentile(values, share) * 1000 for share in (0.5, 0.95, 1.0))
    return f"n {len(values)}  p50 {p50:.0f} ms  p95 {p95:.0f} ms  max {most:.0f} ms"
