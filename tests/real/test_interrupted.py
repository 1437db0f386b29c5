"""Commands that are killed or stopped half way: the next one finds a sane state and finishes the work."""

import random
import signal
import time
from typing import Final

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import until
from support.fixtures import COUNTERS, Make
from support.home import Graced, finish
from support.whole import assert_whole, counters
from support.witness import ROLES

QUICK: Final = 3
SLOW: Final = 25
SEED: Final = 8
START_TAKES_S: Final = 1.0
STOP_TAKES_S: Final = 0.8


def killed_after(graced: Graced, command: str, seconds: float) -> None:
    process = graced.spawn(command)
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    finish(process)


def interrupt_starts(make: Make, rounds: int) -> None:
    graced = make()
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.witness.start()
    dice = random.Random(SEED)
    for _ in range(rounds):
        killed_after(graced, "start", dice.uniform(0, START_TAKES_S))
        graced.ok("start")
        graced.await_healthy()
        assert_whole(graced, counters(graced))
        assert graced.run("stop").code == 0
        graced.prove_nothing_left()
    graced.prove_clean()


def interrupt_stops(graced: Graced, rounds: int) -> None:
    """Each stop is killed, and healing goes on; or it had ended, and a start brings all back."""
    dice = random.Random(SEED)
    for _ in range(rounds):
        killed_after(graced, "stop", dice.uniform(0, STOP_TAKES_S))
        graced.ok("start")
        graced.await_healthy(10.0)
        assert_whole(graced, counters(graced))


def test_a_start_that_is_killed_half_way_is_no_obstacle_for_the_next(make: Make) -> None:
    interrupt_starts(make, QUICK)


@pytest.mark.slow
def test_many_starts_that_are_killed_half_way(make: Make) -> None:
    interrupt_starts(make, SLOW)


def test_a_stop_that_is_killed_half_way_leaves_a_home_that_heals_or_starts(graced: Graced) -> None:
    interrupt_stops(graced, QUICK)


@pytest.mark.slow
def test_many_stops_that_are_killed_half_way(graced: Graced) -> None:
    interrupt_stops(graced, SLOW)


def test_a_stop_that_is_stopped_itself_is_taken_over_by_the_next(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"deaf": scripts.stubborn(graced.counter_file("deaf"), stop={"timeout": "2s"})}})
    graced.start()
    first = graced.spawn("stop")
    until((graced.home / "run" / "stopping").exists, 3.0, "the stop has announced itself")
    first.send_signal(signal.SIGSTOP)
    try:
        graced.write({"kernels": {}})
        assert graced.run("stop").code == 0
        graced.prove_nothing_left()
    finally:
        first.send_signal(signal.SIGCONT)
        finish(first)
    graced.prove_nothing_left()
    graced.prove_clean()


def test_a_start_that_was_killed_leaves_nobody_who_is_not_told(make: Make) -> None:
    """Whatever of it lives is seen by status and ended by stop."""
    graced = make()
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.witness.start()
    process = graced.spawn("start")
    until(lambda: graced.witness.alive_of("spawner"), 5.0, "a spawner is born")
    process.kill()
    finish(process)
    graced.await_healthy(10.0)
    assert {role: graced.lock(role)["incarnation"] for role in ROLES} == dict.fromkeys(ROLES, 1)
    assert all(procs.alive(graced.member(role)) for role in ROLES)
    graced.stop_and_prove()
