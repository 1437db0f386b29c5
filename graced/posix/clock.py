"""The three clocks: one to decide by, one for leases that outlive a suspend, one for people."""

import time


def monotonic() -> float:
    """Seconds of CLOCK_MONOTONIC: the clock of every deadline within one process."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds of CLOCK_BOOTTIME: counts suspend too, and is comparable between processes of one boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_iso(t: float | None = None) -> str:
    """Wall time `t` (seconds since 1970, default now) as ISO 8601 UTC in ms: `2026-01-01T00:00:00.000Z`."""
    millis = round((time.time() if t is None else t) * 1000)
    seconds, millis = divmod(millis, 1000)
    g = time.gmtime(seconds)
    return f"{g.tm_year:04}-{g.tm_mon:02}-{g.tm_mday:02}T{g.tm_hour:02}:{g.tm_min:02}:{g.tm_sec:02}.{millis:03}Z"
