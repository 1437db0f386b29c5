"""A member whose module cannot be imported: backoff, one call for a person, and back as soon as it can be imported."""

import itertools

import pytest

from graced.core import births
from graced.core.intensity import Policy
from graced.members.spawner import Spawner
from graced.sim.checks import all_checks
from graced.sim.home import config_of
from graced.sim.rest import unsettled
from graced.sim.run import playbooks
from graced.sim.world import World
from graced.spec.roles import HEALERS, MEMBERS

BROKEN_S = 60.0


def quiet_world(seed: int) -> World:
    """A home that has started and in which nothing goes wrong by chance."""
    world = World(seed, playbooks(), all_checks())
    world.policy = Policy(window=10.0, max=4.0)
    world.config = config_of(world.timing, world.policy, Policy(window=10.0, max=1.0))
    world.specs = world.config.kernels
    world.keep_rounds()
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    assert unsettled(world) == ""
    return world


def break_roles(world: World, *roles: str) -> None:
    world.broken.update(roles)
    for role in roles:
        process = world.role_process(role)
        assert process is not None
        world.fault(process, "is killed, and cannot be imported")


def births_of(world: World, role: str, since: float) -> list[float]:
    return [p.born for p in world.machine.everyone.values() if p.name == role and p.born >= since]


def escalations(world: World) -> list[str]:
    return [e.data["subject"] for e in world.disk.audit if e.kind == "escalated"]


@pytest.mark.parametrize("role", [m for m in MEMBERS if m != "spawner"])
def test_it_is_tried_with_backoff_and_comes_back_when_it_can_be_imported(role: str) -> None:
    world = quiet_world(1)
    began, policy = world.clock.now, world.policy
    break_roles(world, role)
    world.clock.run_until(began + BROKEN_S)
    tried = births_of(world, role, began)
    windows = BROKEN_S / policy.window
    assert len(tried) <= (policy.max_restarts + 2) * (windows + 1), "no storm"
    assert len([t for t in tried if t > began + BROKEN_S - 4 * policy.max]) >= 1, "it is tried for ever"
    assert max(b - a for a, b in itertools.pairwise(tried)) <= 2 * policy.max + 1.0
    assert escalations(world) == [role]
    spawner = world.wires.bound["spawner"].duty
    assert isinstance(spawner, Spawner)
    assert role in births.failing(spawner.starts) or tried[-1] > world.clock.now - 1.0
    world.broken.clear()
    _comes_to_rest(world)


def test_both_healers_broken_is_an_emergency_that_lasts_until_they_are_back() -> None:
    world = quiet_world(2)
    began = world.clock.now
    break_roles(world, *HEALERS)
    world.clock.run_until(began + BROKEN_S)
    kinds = [e.kind for e in world.disk.audit if e.at >= began]
    assert kinds.count("emergency.activated") == 1
    assert "emergency.ended" not in kinds
    assert kinds.count("recovery.failed") >= 2
    assert escalations(world) == ["healers"]
    assert "healers" not in {e.data["subject"] for e in world.disk.audit if e.kind == "escalated" and e.at < began}
    assert all(world.wires.bound[d].core.held for d in ("architect", "parliament", "trigger")), "powers stay lent"
    world.broken.clear()
    _comes_to_rest(world)
    kinds = [e.kind for e in world.disk.audit if e.at >= began]
    assert kinds.count("delegation.revoked") == 3
    assert kinds.count("emergency.ended") == 1


def test_trigger_starts_a_critical_kernel_while_both_healers_are_out() -> None:
    world = quiet_world(3)
    break_roles(world, *HEALERS)
    world.clock.run_until(world.clock.now + 5.0)
    runs = world.disk.slots["db"].run.run
    for back in range(1, 4):
        world.fault(world.kernels["db"], "is killed")
        world.fault(world.kernels.get("web") or world.kernels["db"], "is killed") if back == 3 else None
        world.clock.run_until(world.clock.now + 2.0)
        assert world.kernels["db"].alive
        assert world.disk.slots["db"].run.run == runs + back
    trigger = world.wires.bound["trigger"].core
    assert trigger.held
    world.broken.clear()
    _comes_to_rest(world)


def test_trigger_keeps_the_intensity_and_starts_nothing_that_a_person_stopped() -> None:
    world = quiet_world(4)
    assert world.person("self_healing", "kernels.stop", {"names": ["db"]})
    world.clock.run_until(world.clock.now + 2.0)
    break_roles(world, *HEALERS)
    world.clock.run_until(world.clock.now + 5.0)
    assert "db" not in world.kernels
    world.broken.clear()
    _comes_to_rest(world)
    assert world.person("self_healing", "kernels.start", {"names": ["db"]})
    world.clock.run_until(world.clock.now + 2.0)
    break_roles(world, *HEALERS)
    world.manners["db"].crashing = world.clock.now + 1000.0
    since = world.clock.now
    world.fault(world.kernels["db"], "is killed")
    world.clock.run_until(world.clock.now + 9.0)
    starts = [p for p in world.machine.everyone.values() if p.name == "db" and p.born >= since]
    assert 1 <= len(starts) <= 6
    world.manners["db"].crashing = 0.0


def _comes_to_rest(world: World) -> None:
    end = world.clock.now + 3 * world.policy.max + 10.0
    while unsettled(world) and world.clock.now < end:
        world.clock.run_until(world.clock.now + world.timing.interval)
    assert unsettled(world) == ""
    for check in world.checks:
        check.settled()
