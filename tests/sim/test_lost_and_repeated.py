"""What passes between the spawner and self_healing may be lost, or come by two ways: neither harms a kernel."""

from collections.abc import Iterator

import pytest

from graced.members.nursery import Nursery
from graced.members.self_healing import SelfHealing
from graced.members.spawner import Spawner
from graced.sim.checks import all_checks
from graced.sim.run import playbooks
from graced.sim.wires import Disturbance
from graced.sim.world import World

LOST_S = 3.0


@pytest.fixture
def world() -> Iterator[World]:
    world = World(5, playbooks(), all_checks())
    world.keep_rounds()
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    yield world
    for check in world.checks:
        check.settled()


def healing(world: World) -> SelfHealing:
    duty = world.wires.bound["self_healing"].duty
    assert isinstance(duty, SelfHealing)
    return duty


def nursery(world: World) -> Nursery:
    duty = world.wires.bound["spawner"].duty
    assert isinstance(duty, Spawner)
    return duty.nursery


def test_a_standing_order_that_is_lost_is_given_again(world: World) -> None:
    until = world.clock.now + LOST_S
    world.wires.disturbances.append(Disturbance(until, "commands", "self_healing", "spawner", lose=True))
    world.fault(world.kernels["web"], "is killed")
    world.clock.run_until(until - 0.1)
    assert healing(world).kernels["web"].run.run == 2
    assert nursery(world).runs["web"].order is None
    world.clock.run_until(until + 2.0)
    assert nursery(world).runs["web"].order == healing(world).kernels["web"].order
    assert nursery(world).runs["web"].order is not None


def test_news_that_a_sync_repeats_are_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were under way when self_healing asked the spawner for everything."""
    duty, came = healing(world), []
    take = duty._news
    monkeypatch.setattr(duty, "_news", lambda items: (came.extend(items), take(items)))
    world.manners["web"].crashing = world.clock.now + 1.0
    world.fault(world.kernels["web"], "is killed")
    for _ in range(1000):
        world.clock.run_until(world.clock.now + 0.001)
        if duty.kernels["web"].run.run == 3 and not duty.kernels["web"].alive:
            break
    before = duty.kernels["web"]
    assert before.run.run == 3
    duty._seen = 0
    take(came)
    assert duty.kernels["web"] == before
    world.clock.run_until(world.clock.now + 5.0)  # the checkers look at what was told
