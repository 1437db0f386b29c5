"""`graced start --foreground`, and what a polite signal to a member means."""

import os
import signal
from collections.abc import Iterator

import pytest
from support.deadlines import until
from support.fixtures import COUNTERS, Make
from support.home import Graced, finish
from support.whole import assert_whole, counters
from support.witness import ROLES


@pytest.fixture
def foreground(make: Make) -> Iterator[tuple[Graced, int]]:
    """A home whose spawner is the command itself, and its pid."""
    graced = make()
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.witness.start()
    process = graced.spawn("start", "--foreground")
    try:
        until(lambda: (graced.home / "run" / "watchdog.lock").exists(), 10.0, "members are born")
        graced.await_healthy(10.0)
        yield graced, process.pid
    finally:
        graced.run("stop")
        finish(process)


def test_the_command_stays_and_is_the_spawner(foreground: tuple[Graced, int]) -> None:
    graced, pid = foreground
    assert graced.member("spawner").pid == pid
    assert_whole(graced, counters(graced))
    again = graced.run("start", "--foreground")
    assert (again.code, again.out.splitlines()[0]) == (0, "already running")
    assert graced.member("spawner").pid == pid
    graced.stop_and_prove()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_polite_signal_stops_everything(foreground: tuple[Graced, int], sig: int) -> None:
    graced, pid = foreground
    os.kill(pid, sig)
    until(lambda: graced.run("status").code == 3, 5.0, graced.story, 0.1)
    until(lambda: not graced.witness.strays(), 5.0, lambda: f"nothing is left: {graced.witness.strays()}", 0.1)
    graced.prove_clean()


def test_the_survivors_bring_back_a_spawner_that_was_in_the_foreground(foreground: tuple[Graced, int]) -> None:
    graced, pid = foreground
    kernels, before = counters(graced), graced.incarnations()
    dead = graced.kill("spawner")
    assert dead["spawner"].pid == pid
    graced.await_healthy(newer={"spawner": before["spawner"]})
    assert_whole(graced, kernels)
    graced.stop_and_prove()


def test_a_polite_signal_to_a_member_has_it_replaced(graced: Graced) -> None:
    kernels = counters(graced)
    for role in ROLES:
        before = graced.incarnations()
        dead = graced.signal(signal.SIGTERM, role)
        graced.await_healthy(newer={role: before[role]})
        assert_whole(graced, kernels, dead.values())
