"""Many at once: kernels that die together, that crash without rest, that breed faster than they can be listed."""

import os
import signal
import time
from typing import Final

import pytest
from support import procs
from support.deadlines import holds_for, told, until
from support.fixtures import COUNTERS, Make
from support.home import Graced, finish, undisturbed
from support.kernels import PYTHON
from support.whole import assert_one
from support.witness import ROLES

pytestmark = pytest.mark.chaos

MANY: Final = 40
FREELY: Final = {"max_restarts": 100_000, "window": "60s", "backoff": {"immediate": 100_000, "initial": 0}}
STORM_S: Final = 3.0
COMET_LIVES_S: Final = 60.0
"""Then a comet ends by itself, whatever this test did to it."""

_COMET: Final = f"""
import os, sys, time
end = time.monotonic() + {COMET_LIVES_S}
with open(sys.argv[1], "w") as file:
    file.write("born")
if os.fork():
    time.sleep({COMET_LIVES_S})
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""
"""The root sleeps; below it each process has one child in a session of its own and ends."""


@pytest.mark.parametrize("roles", [(), ("self_healing",), ("spawner", "self_healing", "watchdog")], ids=str)
def test_forty_kernels_that_die_at_once_all_come_back(make: Make, roles: tuple[str, ...]) -> None:
    graced = make()
    kernels = {f"k{n:02}": {"command": "sleep 1000"} for n in range(MANY)}
    graced.write({"kernels": kernels, "restarts": FREELY})
    graced.start()
    old = {name: procs.Identity(slot["pid"], slot["start_ticks"]) for name in kernels if (slot := graced.slot(name))}
    before = graced.incarnations()
    members = [graced.member(role) for role in roles]
    began = time.monotonic()
    with graced.witness.still(), undisturbed():
        for identity in (*members, *old.values()):
            os.kill(identity.pid, signal.SIGKILL)
    until(lambda: all(reborn(graced, name) for name in kernels), 3.0, graced.story, 0.001)
    print(f"{MANY} kernels and {roles} killed to the last rebirth: {told([time.monotonic() - began])}")
    graced.await_healthy(newer={role: before[role] for role in roles})
    rows = graced.status()["kernels"]
    assert {row["run"] for row in rows.values()} == {2}
    assert {row["restarts"] for row in rows.values()} == {1}
    assert not any(procs.alive(identity) for identity in old.values())
    graced.stop_and_prove()


def reborn(graced: Graced, name: str) -> bool:
    slot = graced.slot(name)
    return slot["run"] == 2 and slot["pid"] > 0 and procs.alive(procs.Identity(slot["pid"], slot["start_ticks"]))


def test_kernels_that_crash_without_rest_cost_no_member_its_life(make: Make) -> None:
    graced = make()
    crash = {f"bad{n}": {"command": "false", "restarts": FREELY} for n in range(4)}
    graced.write({"kernels": {**crash, **{name: graced.counter(name) for name in COUNTERS}}})
    graced.witness.start()
    start = graced.spawn("start")
    until(lambda: graced.status()["mode"] == "normal", 10.0, graced.story)
    start.kill()  # it would wait for kernels that are never ready for long
    finish(start)
    members = {role: graced.member(role) for role in ROLES}
    holds_for(lambda: all(map(procs.alive, members.values())), STORM_S, graced.story)
    assert not graced.audited("member.down")
    graced.growing(*COUNTERS)
    before = graced.incarnations()
    graced.kill("self_healing", "spawner")
    graced.await_members({role: before[role] for role in ("self_healing", "spawner")})
    until(lambda: graced.status()["mode"] == "normal", 10.0, graced.story)
    for role in ROLES:
        assert_one(graced, role)
    graced.growing(*COUNTERS)
    graced.stop_and_prove()


def comet(graced: Graced) -> dict[str, object]:
    return {"command": [*PYTHON, _COMET, str(graced.folder / "comet")], "stop": {"timeout": "300ms"}}


def started_with_comet(make: Make) -> Graced:
    graced = make()
    graced.write({"kernels": {"comet": comet(graced), **{name: graced.counter(name) for name in COUNTERS}}})
    graced.witness.start()
    graced.run("start")
    until((graced.folder / "comet").exists, 3.0, "the comet is born")
    return graced


def test_a_tree_that_breeds_all_the_time_is_ended_by_a_stop_of_its_name(make: Make) -> None:
    graced = started_with_comet(make)
    graced.ok("stop", "comet")
    holds_for(lambda: not of_kernel(graced, "comet"), 0.5, lambda: f"alive: {of_kernel(graced, 'comet')}")
    graced.growing(*COUNTERS)
    graced.stop_and_prove()


def test_a_tree_that_breeds_all_the_time_is_ended_by_a_full_stop(make: Make) -> None:
    graced = started_with_comet(make)
    graced.stop_and_prove()
    holds_for(lambda: not of_kernel(graced, "comet"), 0.5, lambda: f"alive: {of_kernel(graced, 'comet')}")


def of_kernel(graced: Graced, name: str) -> list[procs.Identity]:
    return [identity for identity, mark in graced.witness.look().items() if mark.kind == f"kernel {name}"]
