"""The kill matrix in virtual time: every subset of the members, stops of each, second kills during a recovery."""

import itertools
from collections.abc import Iterator
from statistics import median

import pytest

from graced.core.vocabulary import Timing
from graced.sim.checks import all_checks
from graced.sim.home import config_of
from graced.sim.rest import unsettled
from graced.sim.run import playbooks
from graced.sim.world import World
from graced.spec.roles import DELEGATES, HEALERS, MEMBERS
from graced.store import tables

TIMING = Timing(0.1, 1.0, 1.0, 0.5)
BOUND_S = 3.0
SECOND_KILLS_S = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)

SUBSETS = [c for n in range(1, len(MEMBERS)) for c in itertools.combinations(MEMBERS, n)]


@pytest.fixture
def world() -> Iterator[World]:
    """A home at rest; afterwards the checkers have the last word."""
    made = World(7, playbooks(), all_checks())
    made.timing = TIMING
    made.config = config_of(TIMING, made.policy, made.kernel_policy)
    made.keep_rounds()
    made.start()
    made.clock.run_until(made.clock.now + 3.0)
    assert unsettled(made) == ""
    yield made
    for check in made.checks:
        check.settled()


def kill(world: World, *roles: str) -> None:
    for role in roles:
        process = world.role_process(role)
        if process is not None:
            world.fault(process, "is killed")


def rest(world: World) -> float:
    """Seconds until everything is as it should be."""
    began = world.clock.now
    while unsettled(world) and world.clock.now < began + 2 * BOUND_S:
        world.clock.run_until(world.clock.now + 0.001)
    assert unsettled(world) == ""
    return world.clock.now - began


def pids(world: World) -> dict[str, int]:
    return {name: process.pid for name, process in world.kernels.items()}


def incarnations(world: World) -> dict[str, int]:
    return {role: world.wires.bound[role].core.incarnation for role in MEMBERS}


def test_every_subset_of_the_members_may_die_at_once(world: World) -> None:
    took: dict[tuple[str, ...], float] = {}
    kernels = pids(world)
    for subset in SUBSETS:
        before = incarnations(world)
        kill(world, *subset)
        took[subset] = rest(world)
        after = incarnations(world)
        assert all(after[m] == before[m] + (m in subset) for m in MEMBERS), subset
        assert pids(world) == kernels, "kernels keep their pids through the death of every member"
    assert len(took) == 126
    assert max(took.values()) <= BOUND_S
    assert median(s for c, s in took.items() if "spawner" not in c) <= 0.15
    assert median(s for c, s in took.items() if "spawner" in c) <= 0.5


@pytest.mark.parametrize("roles", [*((m,) for m in MEMBERS), HEALERS, *(("watchdog", h) for h in HEALERS)])
def test_who_is_stopped_is_replaced_and_dead_before(world: World, roles: tuple[str, ...]) -> None:
    stopped = [p for p in map(world.role_process, roles) if p is not None]
    for process in stopped:
        world.machine.freeze(process, stopped=True)
    assert rest(world) <= TIMING.timeout + 2.0
    assert not any(p.alive for p in stopped)
    downs = {e.data["target"]: e.data["evidence"] for e in world.disk.audit if e.kind == "member.down"}
    assert downs == dict.fromkeys(roles, "stopped")


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6])
def test_a_stopped_member_may_go_on_at_any_moment(world: World, after_s: float) -> None:
    for role in MEMBERS:
        process = world.role_process(role)
        assert process is not None
        world.machine.freeze(process, stopped=True)
        world.clock.run_until(world.clock.now + after_s)
        world.thaw(process)
        rest(world)


@pytest.mark.parametrize("delay", SECOND_KILLS_S)
def test_a_second_kill_during_the_recovery_from_the_first(world: World, delay: float) -> None:
    for first, second in itertools.product(MEMBERS, MEMBERS):
        kill(world, first)
        world.clock.run_until(world.clock.now + delay)
        kill(world, second)
        assert rest(world) <= BOUND_S, (first, second)


def test_both_healers_twenty_times_in_a_row(world: World) -> None:
    took = []
    for _ in range(20):
        told = len(world.disk.audit)
        kill(world, *HEALERS)
        took.append(rest(world))
        kinds = [e.kind for e in world.disk.audit[told:] if e.kind not in ("playbook.step", "member.started")]
        assert kinds == [
            "member.down", "member.down", "playbook.started", "emergency.activated",
            *["delegation.granted"] * len(DELEGATES), "recovery.started", "recovery.succeeded",
            *["delegation.revoked"] * len(DELEGATES), "emergency.ended", "playbook.finished",
        ]  # fmt: skip
    assert max(took) <= 0.5, "no backoff, no limit"
    assert tables.counters(world.reader)["recoveries.emergency"] == 20


def test_a_watchdog_that_is_stopped_and_goes_on_kills_nobody(world: World) -> None:
    """As under load: five seconds are far past the timeout, and its own lateness excuses everyone."""
    watchdog = world.role_process("watchdog")
    assert watchdog is not None
    before = incarnations(world)
    world.machine.freeze(watchdog, stopped=True)
    world.clock.run_until(world.clock.now + 5.0)
    world.thaw(watchdog)
    rest(world)
    assert {m: n for m, n in incarnations(world).items() if m != "watchdog"} == {
        m: n for m, n in before.items() if m != "watchdog"
    }


def test_all_seven_may_die_and_a_person_starts_them_again(world: World) -> None:
    kernels = pids(world)
    kill(world, *MEMBERS)
    world.start()
    assert rest(world) <= BOUND_S
    assert {name: pid for name, pid in pids(world).items() if name in kernels} == kernels  # a one-shot runs once more
