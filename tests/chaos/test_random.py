"""Members and kernels killed, stopped and woken at random for a while, one survivor always left: the end is healthy.

Every run of a kernel ends by a kill of ours or not at all, and no role or kernel ever lives twice (the witness sees).
"""

import os
import random
import signal
import time
from typing import Any, Final

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import COUNTERS, Make, running_counters
from support.home import Graced
from support.procs import Identity
from support.whole import assert_no_grant_left, assert_one, course_of
from support.witness import ROLES

from graced.core.kernels.adoption import UNBORN

pytestmark = pytest.mark.chaos

PAUSE_MAX_S: Final = 0.25
QUICK_S: Final = 10.0
SLOW_S: Final = 90.0
SEEDS: Final = range(1, 5)
RESTARTS: Final = {"max_restarts": 10_000, "window": "60s", "backoff": {"immediate": 10_000}}


class Hooligan:
    """What it did is kept, for the account at the end."""

    def __init__(self, graced: Graced, seed: int) -> None:
        self._graced = graced
        self._dice = random.Random(seed)
        self._stopped: dict[str, Identity] = {}
        self.kernels_killed: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self.deeds: list[str] = []

    def rage(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._dice.choices((self._kill, self._stop, self._wake, self._kill_kernel), (5, 2, 3, 2))[0]()
            time.sleep(self._dice.uniform(0, PAUSE_MAX_S))
        while self._stopped:
            self._wake()

    def _awake(self) -> dict[str, Identity]:
        """Members that live and are not stopped: only of these enough must be left."""
        found: dict[str, Identity] = {}
        for role in ROLES:
            record = self._graced.lock(role)
            identity = Identity(record["pid"], record["start_ticks"])
            if procs.alive(identity) and not procs.stopped(identity):
                found[role] = identity
        return found

    def _some(self) -> dict[str, Identity]:
        """A random choice that leaves somebody awake. The spawner alone could bring back but the watchdog."""
        awake = self._awake()
        spare = [role for role in awake if role != "spawner"]
        if len(spare) < 2:
            return {}
        survivor = self._dice.choice(spare)
        roles = [role for role in awake if role != survivor]
        chosen = self._dice.sample(roles, self._dice.randint(1, max(1, len(roles) // 2)))
        return {role: awake[role] for role in chosen}

    def _send(self, sig: int, targets: dict[str, Identity]) -> None:
        self.deeds.append(f"{signal.Signals(sig).name} {'+'.join(targets)}")
        for identity in targets.values():
            procs.send(identity, sig)

    def _kill(self) -> None:
        self._send(signal.SIGKILL, self._some())

    def _stop(self) -> None:
        targets = self._some()
        self._stopped |= targets
        self._send(signal.SIGSTOP, targets)

    def _wake(self) -> None:
        if self._stopped:
            role = self._dice.choice(sorted(self._stopped))
            self._send(signal.SIGCONT, {role: self._stopped.pop(role)})

    def _kill_kernel(self) -> None:
        name = self._dice.choice(COUNTERS)
        slot = self._graced.slot(name)
        identity = Identity(slot["pid"], slot["start_ticks"])
        if procs.send(identity, signal.SIGKILL):
            self.deeds.append(f"SIGKILL kernel {name} {identity.pid}")
            self.kernels_killed[name] += 1
            until(lambda: not procs.alive(identity), 3.0, f"kernel {identity.pid} is dead")


def rampage(make: Make, seed: int, seconds: float) -> None:
    graced = running_counters(make, restarts=RESTARTS)
    hooligan = Hooligan(graced, seed)
    try:
        hooligan.rage(seconds)
        account(graced, hooligan)
    except AssertionError:
        print(f"seed {seed}: " + "; ".join(hooligan.deeds))
        raise


def account(graced: Graced, hooligan: Hooligan) -> None:
    graced.await_healthy(10.0)
    for role in ROLES:
        assert_one(graced, role)
    rows: dict[str, Any] = graced.status()["kernels"]
    unborn = {
        name: [r["data"]["run"] for r in graced.audited("kernel.exited", kernel=name) if r["data"]["text"] == UNBORN]
        for name in rows
    }  # runs that a spawner announced, and was killed before their birth
    failed = {name: kills + len(unborn[name]) for name, kills in hooligan.kernels_killed.items()}
    expected = {name: 1 + failures for name, failures in failed.items()}
    runs_now = {name: row["run"] for name, row in rows.items()}
    other = {name for name in expected if runs_now[name] != expected[name]}
    assert not other, f"each run ended by our hand: {runs_now}, {expected}\n{course_of(graced, other)}"
    graced.growing(*COUNTERS)
    for name in hooligan.kernels_killed:
        told = {
            kind: [record["data"]["run"] for record in graced.audited(kind, kernel=name)]
            for kind in ("kernel.started", "kernel.exited")
        }
        started = [run for run in range(1, 2 + failed[name]) if run not in unborn[name]]
        runs = {"kernel.started": started, "kernel.exited": [*range(1, 1 + failed[name])]}
        sorted_told = {kind: sorted(numbers) for kind, numbers in told.items()}
        assert sorted_told == runs, f"{name}: each start and exit is told once: {told}\n{course_of(graced, {name})}"
        assert rows[name]["restarts"] == failed[name], f"{name}: {rows[name]}"
    assert graced.status()["recoveries"]["kernel"] == sum(hooligan.kernels_killed.values())
    assert_no_grant_left(graced)
    print(f"{len(hooligan.deeds)} deeds, kernels killed {hooligan.kernels_killed}, {graced.status()['recoveries']}")
    graced.stop_and_prove()


def test_a_short_rampage_ends_healthy(make: Make) -> None:
    rampage(make, int(os.environ.get("GRACED_TEST_SEED", "0")), QUICK_S)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_rampage_ends_healthy(make: Make, seed: int) -> None:
    rampage(make, seed, SLOW_S)
