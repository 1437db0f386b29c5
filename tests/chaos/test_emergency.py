"""Both healers dead at once: the emergency protocol, again and again, with every power lent and taken back."""

import time
from typing import Final

import pytest
from support.deadlines import told
from support.home import HEALERS, Graced
from support.procs import Identity
from support.whole import assert_emergency_order, assert_no_grant_left, assert_whole, counters, last_seq, since

pytestmark = pytest.mark.chaos

TIMES: Final = 20


def test_both_healers_killed_twenty_times_each_time_by_the_book(graced: Graced) -> None:
    kernels, took = counters(graced), []
    for _ in range(TIMES):
        before, seq, began = graced.incarnations(), last_seq(graced), time.monotonic()
        dead = graced.kill(*HEALERS)
        took.append(graced.await_healthy(newer={role: before[role] for role in HEALERS}, began=began))
        assert_emergency_order(since(graced, seq))
        assert_whole(graced, kernels, dead.values())
    print(f"both healers killed to healthy: {told(took)}")
    assert_no_grant_left(graced)
    assert graced.status()["recoveries"]["emergency"] == TIMES
    assert not graced.audited("recovery.failed")
    assert not graced.audited("power.refused"), "nobody tries what was not lent to him"


def test_both_healers_killed_again_before_the_recovery_is_over(graced: Graced) -> None:
    kernels = counters(graced)
    dead: list[Identity] = []
    for _ in range(TIMES):
        before = graced.incarnations()
        dead += graced.kill(*HEALERS).values()
        # As soon as both live again, which is long before the protocol has ended.
        graced.await_members({role: before[role] for role in HEALERS})
    graced.await_healthy(newer=before and {role: before[role] for role in HEALERS})
    assert_whole(graced, kernels, dead)
    assert_no_grant_left(graced)
