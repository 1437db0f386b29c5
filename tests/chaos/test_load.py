"""A busy machine and a member that sleeps: nobody who is healthy is killed for being slow."""

import signal
import time
from typing import Final

import pytest
from support import procs
from support.deadlines import holds_for
from support.fixtures import COUNTERS, Make, running_counters
from support.home import FAST
from support.load import busy
from support.whole import assert_whole, counters
from support.witness import ROLES

pytestmark = pytest.mark.chaos

LOOPS: Final = 4
ASLEEP_S: Final = 5.0
AFTER_S: Final = 3.0
SLOW: Final = {"heartbeat_interval": "1s", "heartbeat_timeout": "30s"}


@pytest.mark.parametrize("timing", [SLOW, FAST], ids=["1s-30s", "100ms-1s"])
def test_under_load_a_stopped_watchdog_costs_nobody_else_his_life(make: Make, timing: dict[str, str]) -> None:
    graced = running_counters(make, timing=timing)
    kernels = counters(graced)
    members = {role: graced.member(role) for role in ROLES}
    with busy(LOOPS):
        watchdog = members.pop("watchdog")
        graced.signal(signal.SIGSTOP, "watchdog")
        asleep = time.monotonic()
        holds_for(lambda: all(map(procs.alive, members.values())), ASLEEP_S, graced.story)
        procs.send(watchdog, signal.SIGCONT)  # it may have been replaced meanwhile
        assert time.monotonic() - asleep >= ASLEEP_S
        holds_for(lambda: all(map(procs.alive, members.values())), AFTER_S, graced.story)
        graced.await_healthy(10.0)
    assert {role: graced.member(role) for role in members} == members
    assert {r["data"]["target"] for r in graced.audited("member.down")} <= {"watchdog"}
    assert_whole(graced, kernels)
    assert {row["restarts"] for row in graced.status()["kernels"].values()} == {0}
    assert set(kernels) == set(COUNTERS)
    graced.stop_and_prove()


@pytest.mark.slow
def test_minutes_of_load_cost_nobody_his_life(make: Make) -> None:
    graced = running_counters(make)
    kernels, members = counters(graced), {role: graced.member(role) for role in ROLES}
    with busy(3 * LOOPS):
        holds_for(lambda: all(map(procs.alive, members.values())), 60.0, graced.story)
    graced.await_healthy(10.0)
    assert not graced.audited("member.down")
    assert_whole(graced, kernels)
    graced.stop_and_prove()
