"""Commands of the bus, at the members that ship: every verb has its takers; bad, late, repeated ones."""

from typing import Any

import pytest

from graced.bus.protocol import Ask, Reply
from graced.bus.verbs import VERBS
from graced.members.self_healing import SelfHealing
from graced.sim.breach import Breach
from graced.sim.checks import all_checks
from graced.sim.member import Member
from graced.sim.run import playbooks
from graced.sim.world import World
from graced.spec.roles import MEMBERS


@pytest.fixture
def world() -> World:
    world = World(5, playbooks(), all_checks())
    world.keep_rounds()
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    return world


@pytest.fixture
def replies(world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Reply]]:
    found: list[tuple[str, Reply]] = []

    def replied(member: Member, address: bytes, reply: Reply) -> None:
        if address == b"0":
            found.append((member.role, reply))

    monkeypatch.setattr(world, "replied", replied)
    return found


def say(world: World, to: str, verb: str, args: Any, **ask: Any) -> None:
    world.wires.send(None, "person", to, Ask(ask.pop("id", f"{verb}-1"), verb, args, "cli", **ask))
    world.clock.run_until(world.clock.now + 0.05)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_taken_by_those_that_the_table_names(world: World, verb: str) -> None:
    takers = {role for role in MEMBERS if verb in world.wires.bound[role].shell._handlers}
    assert takers == VERBS[verb].takers


def test_no_member_takes_what_the_table_does_not_have(world: World) -> None:
    assert {verb for role in MEMBERS for verb in world.wires.bound[role].shell._handlers} == set(VERBS)


@pytest.mark.parametrize(
    ("to", "verb", "args"),
    [
        ("self_healing", "kernels.start", {}),
        ("self_healing", "kernels.start", {"names": 5}),
        ("self_healing", "kernels.stop", {"names": ["web\0"]}),
        ("self_healing", "run", {"request": "r", "playbook": "tidy", "tier": 10**12, "by": "me"}),
        ("spawner", "birth", {"target": "trigger", "request": "r", "floor": -1, "force": False}),
        ("spawner", "kernel.start", {"kernel": "web", "run": 2**63}),
        ("spawner", "kernel.order", {"kernel": "web", "run": 1, "then": "dance"}),
        ("coding_agent", "task.add", {"path": ["a"]}),
        ("coding_agent", "task.mend", {"path": "", "error": "", "kernel": ""}),
        ("trigger", "grant", {"lease": {}, "expires": "soon", "boot_id": "", "mac": ""}),
    ],
)
def test_what_a_message_did_wrong_is_answered(
    world: World, replies: list[tuple[str, Reply]], to: str, verb: str, args: dict[str, Any]
) -> None:
    before = {role: world.wires.bound[role].process.pid for role in MEMBERS}
    say(world, to, verb, args)
    assert [(role, reply.ok) for role, reply in replies] == [(to, False)]
    assert replies[0][1].error.startswith(f"{verb}: ")
    assert {role: world.wires.bound[role].process.pid for role in MEMBERS} == before


@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError])
def test_an_error_of_our_own_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(*args: Any) -> None:
        raise error("a broken invariant")

    monkeypatch.setattr(SelfHealing, "_rows", broken)
    with pytest.raises(Breach, match="a broken invariant"):
        say(world, "self_healing", "kernel.look", {"names": ["web"]})


def test_a_repeated_command_is_taken_once(world: World, replies: list[tuple[str, Reply]]) -> None:
    run = world.disk.slots["web"].run.run
    for _ in range(3):
        say(world, "self_healing", "kernels.restart", {"names": ["web"]}, id="same")
        world.clock.run_until(world.clock.now + 3.0)
    assert len(replies) == 1
    assert world.disk.slots["web"].run.run == run + 1


def test_late_ones_and_those_for_another_incarnation_are_refused(
    world: World, replies: list[tuple[str, Reply]]
) -> None:
    say(world, "self_healing", "kernels.stop", {"names": ["web"]}, deadline=world.clock.now - 1.0)
    say(world, "self_healing", "kernels.stop", {"names": ["web"]}, incarnation=99)
    assert replies == []
    assert world.kernels["web"].alive


def test_what_nobody_takes_is_said_so(world: World, replies: list[tuple[str, Reply]]) -> None:
    say(world, "trigger", "kernels.stop", {"names": ["web"]})
    assert replies[0][1].error == "trigger takes no command kernels.stop"
