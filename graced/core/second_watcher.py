"""When trigger starts a critical kernel itself: the pure rule of the second, independent watcher.

It acts only where nobody else can: self_healing is not healthy, the standing order had its time and brought nothing
back, nobody stopped the kernel, and the watchdog has lent the power (which the shell checks last, as a refused use is
on record). Its starts keep the kernel's own restart intensity.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.core.intensity import History, Policy, weigh

MEANT_TO_RUN: Final = ("starting", "ready", "healthy", "unhealthy", "backoff")
GRACE_INTERVALS: Final = 2.0  # for the standing order, and for self_healing's return


class Watched(Struct, frozen=True):
    """One critical kernel: the newest run that was seen alive, and since when it is dead (0: it is not)."""

    run: int = 0
    alive: bool = False
    dead_at: float = 0.0
    history: History = History()


class Row(Struct, frozen=True):
    """What self_healing stored of the kernel. `history`: of the restarts that it counted."""

    state: str
    stopped_by_person: bool
    history: History = History()


def seen_alive(watched: Watched, run: int) -> Watched:
    return replace(watched, run=run, alive=True, dead_at=0.0)


def died(watched: Watched, now: float) -> Watched:
    return replace(watched, alive=False, dead_at=now)


def waits(watched: Watched, interval: float, now: float) -> bool:
    """Is it too early, or nothing to do?"""
    return watched.alive or not watched.dead_at or now - watched.dead_at <= GRACE_INTERVALS * interval


def out_of_hands(row: Row, *, healer_healthy: bool) -> bool:
    """Is nobody else there who would start it, and is it meant to run?"""
    return not healer_healthy and not row.stopped_by_person and row.state in MEANT_TO_RUN


def counts(watched: Watched, row: Row, policy: Policy, now: float) -> Watched | None:
    """The kernel with a start counted that its intensity allows now, whoever started it before; else None."""
    verdict = weigh(_both(watched.history, row.history), policy, 0.0, now)
    if verdict.spent or now < watched.dead_at + verdict.wait:
        return None
    return replace(watched, history=verdict.history)


def _both(ours: History, theirs: History) -> History:
    restarts = sorted({*ours.restarts, *theirs.restarts})
    return History(tuple(restarts), tuple(sorted({*ours.short, *theirs.short})))
