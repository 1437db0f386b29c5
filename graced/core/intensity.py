"""Restart intensity and backoff, for kernels and for members' starts alike.

Words and idea from Erlang/OTP's supervisor (max_restarts within window); the backoff keys are those of
`restarts.backoff` in graced.yaml. Pure: the jitter's random number comes in as an argument.
"""

from typing import Final

from msgspec import Struct

LONG_RUN_S: Final = 10.0  # a run of this length is followed by a restart without any wait
TRY_LEAST_S: Final = 1.0  # between two tries of what the ladder did not help, whatever `backoff.max` says


class Policy(Struct, frozen=True):
    """`restarts:` of graced.yaml; seconds."""

    max_restarts: int = 5
    window: float = 60.0
    immediate: int = 2
    initial: float = 0.1
    factor: float = 2.0
    max: float = 30.0
    jitter: float = 0.2
    give_up: bool = False


class History(Struct, frozen=True):
    """Times of the restarts in the window, and which of them followed a short run."""

    restarts: tuple[float, ...] = ()
    short: tuple[float, ...] = ()


class Verdict(Struct, frozen=True):
    """May it be started again? `wait` in seconds; `spent`: the intensity is used up, the next rung is due."""

    wait: float
    spent: bool
    history: History


def recent(history: History, policy: Policy, now: float) -> History:
    """The history without what has left the window."""
    edge = now - policy.window
    return History(tuple(t for t in history.restarts if t > edge), tuple(t for t in history.short if t > edge))


def backoff(short: int, policy: Policy, noise: float = 0.0) -> float:
    """Seconds to wait before the restart that follows the `short`-th short run; `noise` in [-1, 1]."""
    beyond = short - policy.immediate
    if beyond <= 0 or policy.initial <= 0:
        return 0.0
    raw = min(policy.max, policy.initial * policy.factor ** min(beyond - 1, 64))
    return float(max(0.0, raw * (1.0 + policy.jitter * noise)))


def try_again(policy: Policy) -> float:
    """Seconds until a kernel that no rung of its ladder helped is tried again."""
    return max(policy.max, TRY_LEAST_S)


def weigh(history: History, policy: Policy, ran: float, now: float, noise: float = 0.0) -> Verdict:
    """Judge the restart after a run of `ran` seconds that ended `now`; the verdict's history counts it."""
    seen = recent(history, policy, now)
    short = seen.short if ran >= LONG_RUN_S else (*seen.short, now)
    wait = 0.0 if ran >= LONG_RUN_S else backoff(len(short), policy, noise)
    if len(seen.restarts) >= policy.max_restarts:
        return Verdict(wait, True, History(seen.restarts, short))
    return Verdict(wait, False, History((*seen.restarts, now), short))
