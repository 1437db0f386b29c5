"""A second death during the recovery from the first: the same member again, or another."""

import itertools
import os
import random
import signal
import time
from typing import Final

import pytest
from support import procs
from support.deadlines import told, until
from support.home import Graced
from support.procs import Identity
from support.whole import assert_whole, counters
from support.witness import ROLES

pytestmark = pytest.mark.chaos

DELAYS_MS: Final = (0, 1, 2, 5, 10, 20, 50, 100)
SEED: Final = 3
PAIRS: Final = [
    ("self_healing", "coding_agent"),
    ("coding_agent", "watchdog"),
    ("watchdog", "self_healing"),
    ("spawner", "watchdog"),
    ("watchdog", "spawner"),
    ("spawner", "self_healing"),
    ("self_healing", "spawner"),
    ("trigger", "architect"),
]
"""One for each delay in the quick test; those that have to do with each other."""


def wait_until(moment: float) -> None:
    """To the tenth of a millisecond."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(left / 2 if left > 0.0005 else 0)


def successor(graced: Graced, role: str, old: Identity) -> Identity | None:
    """The next process of the role, even before it has the role lock: a child of the spawner with its first title."""
    record = graced.lock(role)
    identity = Identity(record["pid"], record["start_ticks"])
    if identity != old and procs.alive(identity):
        return identity
    if role == "spawner":
        return None
    parent = graced.lock("spawner")["pid"]
    for pid in procs.slurp(f"/proc/{parent}/task/{parent}/children").split():
        if procs.title(int(pid)) == f"graced {role} (starting)":
            return procs.identify(int(pid))
    return None


def kill_twice(graced: Graced, first: str, second: str, delay_ms: float) -> float:
    """Seconds from the second kill until healthy. `second` may be `first`: then its successor is killed."""
    kernels, before = counters(graced), graced.incarnations()
    other = graced.member(second)
    began = time.monotonic()
    dead = [graced.kill(first)[first]]
    wait_until(began + delay_ms / 1000)
    if first == second:
        other = until(lambda: successor(graced, first, dead[0]), 3.0, f"a successor of {first}", 0.0002)
    procs.send(other, signal.SIGKILL)
    dead.append(other)
    again = time.monotonic()
    took_s = graced.await_healthy(newer={role: before[role] for role in (first, second)}, began=again)
    assert_whole(graced, kernels, dead)
    return took_s


def test_a_second_kill_at_each_delay_ends_in_the_same_state(graced: Graced) -> None:
    took = []
    for delay_ms, (first, second) in zip(DELAYS_MS, PAIRS, strict=True):
        took.append(kill_twice(graced, first, second, delay_ms))
        took.append(kill_twice(graced, first, first, delay_ms))
    print(f"second kill to healthy: {told(took)}")


@pytest.mark.slow
def test_every_pair_at_every_delay(graced: Graced) -> None:
    cases = list(itertools.product(ROLES, ROLES, DELAYS_MS))
    random.Random(SEED).shuffle(cases)
    took = [kill_twice(graced, *case) for case in cases[: int(os.environ.get("GRACED_TEST_CASES", len(cases)))]]
    print(f"second kill to healthy: {told(took)}")
