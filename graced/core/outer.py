"""What an outer supervisor (systemd) is told, and what its stop means. Pure."""

from typing import Final, Literal

from graced.core.duty import RANK_INTERVALS, in_hand
from graced.core.state import State
from graced.spec.roles import SUCCESSION

REPLACED_INTERVALS: Final = RANK_INTERVALS * (len(SUCCESSION["watchdog"]) + 1)
"""By then even the last in line has begun to bring a dead watchdog back."""

HEAD_START_S: Final = 0.5
"""What survivors leave an outer supervisor for a new spawner before they start one; the slowest seen took 115 ms."""

FEEDS_A_PERIOD: Final = 4

Wish = Literal["end", "leave", "again"]

WISHES: Final[dict[str, Wish]] = {
    "stop": "end",
    "restart": "leave",
    "try-restart": "leave",
    "reload-or-start": "leave",
    "start": "leave",
}
"""By the type of the unit's job: end everything, or leave all running for the next spawner."""


def wish_of(job: str) -> Wish:
    """What a SIGTERM means, by the type of the unit's job; "" without one: a person's kill, and we are brought back.

    What is not known is taken for a restart: the sweep ends what a stop has left, nobody gives back a killed kernel.
    """
    return WISHES.get(job, "leave") if job else "again"


def feeds(state: State, now: float) -> bool:
    """May the spawner say that all is well? Only while the watchdog is, or is being brought back."""
    watchdog = state.peers["watchdog"]
    if state.stopping or not watchdog.down:
        return True
    return in_hand(state, "watchdog", now) or now - watchdog.down_at < REPLACED_INTERVALS * state.timing.interval
