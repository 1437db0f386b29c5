"""When a fix of a running kernel's code stands, and when it is taken back. Pure: from the kernel's row."""

from typing import Final, Literal

from msgspec import Struct

from graced.spec.run import Run

SETTLE_S: Final = 2.0
GOOD: Final = ("ready", "healthy")

Verdict = Literal["", "good", "worse"]


class Row(Struct, frozen=True):
    """A kernel as self_healing tells it."""

    run: Run
    state: str
    alive: bool
    reason: str


def well(row: Row, now: float) -> bool | None:
    """Did the run keep up, so that the next one must too? None: it is too young to tell."""
    if not row.alive or row.state not in GOOD:
        return False
    return True if now - row.run.started >= SETTLE_S else None


def verdict(run: int, row: Row | None, now: float, deadline: float) -> Verdict:
    """What the kernel's row says about the new code, which runs from the run after `run` on."""
    if row is None:  # a person stopped it, or it is gone: nobody can tell, and nobody needs it
        return "good"
    newest = row.run.run
    if newest > run + 1 or (newest == run + 1 and not row.alive and row.state != "exited"):
        return "worse"
    settled = now - row.run.started >= SETTLE_S or not row.alive
    if newest == run + 1 and row.state in (*GOOD, "exited") and settled:
        return "good"
    return "worse" if now >= deadline and newest > run else "good" if now >= deadline else ""
