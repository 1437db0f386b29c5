"""The stopped holder of a restart lock: it keeps the lock for ever, so whoever waits ends it, but not at once."""

from typing import Final

from msgspec import Struct

STOPPED_INTERVALS: Final = 2.0  # a holder that is stopped for that long is killed: a fact, as of any member


class Stopped(Struct, frozen=True):
    """Who was seen stopped with the lock, and since when."""

    pid: int
    since: float


def judge(seen: Stopped | None, pid: int, status: str, interval: float, now: float) -> tuple[Stopped | None, bool]:
    """(what is known of the holder now, whether it is to be killed). `pid` 0: nobody is named by the lock."""
    if not pid or status != "stopped":
        return None, False
    if seen is None or seen.pid != pid:
        return Stopped(pid, now), False
    return seen, now - seen.since >= STOPPED_INTERVALS * interval
