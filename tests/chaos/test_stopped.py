"""SIGSTOP: a stopped member is a hang that can be proved. It is dead before it is replaced, also when it wakes up."""

import contextlib
import random
import signal
import time
from typing import Final

import pytest
from support import procs
from support.deadlines import told, until
from support.home import HEALERS, Graced, undisturbed
from support.procs import Identity
from support.whole import assert_whole, counters
from support.witness import ROLES

pytestmark = pytest.mark.chaos

LIMIT_S: Final = 1.0 + 2.0
"""heartbeat_timeout + 2 s."""

SELECTED: Final = [
    *((role,) for role in ROLES),
    HEALERS,
    ("watchdog", "self_healing"),
    ("watchdog", "coding_agent"),
]
SEED: Final = 19
WAKES_QUICK: Final = 6
WAKES_SLOW: Final = 60
WAKE_MAX_S: Final = 0.5
DEATH_STEP_S: Final = 0.001
GRAIN_S: Final = 0.02
"""Start times have a grain of 10 ms."""


class Successions:
    """Watches the lock files of some roles: was the old holder dead whenever a new one stood in the file?

    And was it dead before the new one was born: by when it was last seen alive, and the other's start time.
    """

    def __init__(self, graced: Graced, old: dict[str, Identity]) -> None:
        self._graced = graced
        self._old = old
        self._alive_s: dict[str, float] = {}  # when each was last seen alive, by CLOCK_BOOTTIME
        self.unproven = set(old)

    def look(self) -> bool:
        """True once each role has a new holder."""
        for role, old in self._old.items():
            now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            if procs.alive(old):
                self._alive_s[role] = now_s
        for role in tuple(self.unproven):
            with contextlib.suppress(ValueError, OSError):
                record = self._graced.lock(role)
                if (record["pid"], record["start_ticks"]) != self._old[role]:
                    old = self._old[role]
                    assert not procs.alive(old), f"{role} {old.pid} lives while {record['pid']} holds its role"
                    early_s = self._alive_s.get(role, 0.0) - record["start_ticks"] / procs.TICKS_PER_S
                    assert early_s < GRAIN_S, f"{role} was born {early_s:.3f} s before the other was last seen alive"
                    self.unproven.discard(role)
        return not self.unproven


def stop_and_recover(graced: Graced, roles: tuple[str, ...], wake_after_s: float | None = None) -> float:
    """Seconds from SIGSTOP until healthy. `wake_after_s`: SIGCONT that late, which may be before anyone acted."""
    kernels, before = counters(graced), graced.incarnations()
    began = time.monotonic()
    old = graced.signal(signal.SIGSTOP, *roles)
    successions = Successions(graced, old)
    if wake_after_s is None:
        with graced.witness.still(), undisturbed():
            until(successions.look, LIMIT_S, lambda: f"successors of {roles}: {graced.story()}", DEATH_STEP_S)
        took_s = graced.await_healthy(LIMIT_S, newer={role: before[role] for role in roles}, began=began)
    else:
        end = began + wake_after_s
        while time.monotonic() < end:
            successions.look()
            time.sleep(DEATH_STEP_S)
        for identity in old.values():
            procs.send(identity, signal.SIGCONT)
        took_s = graced.await_healthy(LIMIT_S, began=began)
        successions.look()
    assert_whole(graced, kernels)
    return took_s


def test_each_stopped_member_and_pair_is_dead_before_its_successor_and_all_is_healthy(graced: Graced) -> None:
    took = [stop_and_recover(graced, roles) for roles in SELECTED]
    print(f"SIGSTOP to healthy: {told(took)}")
    downs = [(r["data"]["target"], r["data"]["evidence"]) for r in graced.audited("member.down")]
    for roles in SELECTED:
        assert all((role, "stopped") in downs for role in roles), f"{roles} not audited as stopped: {downs}"


def wake_at_random(graced: Graced, rounds: int) -> None:
    moments = random.Random(SEED)
    for _ in range(rounds):
        roles = moments.choice([*SELECTED, ("spawner", "watchdog"), ("spawner", *HEALERS), ROLES[1:]])
        stop_and_recover(graced, roles, moments.uniform(0, WAKE_MAX_S))
    # Whoever was not replaced is healthy again; the witness has seen no role held twice.


def test_a_member_that_wakes_at_a_random_moment_never_makes_two(graced: Graced) -> None:
    wake_at_random(graced, WAKES_QUICK)


@pytest.mark.slow
def test_many_members_that_wake_at_random_moments_never_make_two(graced: Graced) -> None:
    wake_at_random(graced, WAKES_SLOW)
