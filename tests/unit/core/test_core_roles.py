"""The tables of graced.spec.roles are complete and agree with each other."""

import itertools

import pytest

from graced.core.steps import CORE_STEPS
from graced.playbooks.load import shipped
from graced.spec import roles


def test_every_member_has_a_line_of_succession_without_itself() -> None:
    assert set(roles.SUCCESSION) == set(roles.MEMBERS)
    for member, line in roles.SUCCESSION.items():
        assert member not in line
        assert len(set(line)) == len(line)
        assert set(line) <= set(roles.MEMBERS)


def test_everyone_watches_the_watchdog_and_the_watchdog_stands_in_every_line() -> None:
    assert set(roles.SUCCESSION["watchdog"]) == set(roles.MEMBERS) - {"watchdog"}
    assert all("watchdog" in line for member, line in roles.SUCCESSION.items() if member != "watchdog")


def test_the_spawner_is_the_last_resort_of_the_watchdog_alone() -> None:
    lines = [member for member, line in roles.SUCCESSION.items() if "spawner" in line]
    assert lines == ["watchdog"]
    assert roles.SUCCESSION["watchdog"][-1] == "spawner"
    assert {"spawner"} == roles.LAST_RESORT


def test_a_healer_is_brought_back_by_its_peer_first() -> None:
    for healer, peer in roles.PEER.items():
        assert roles.SUCCESSION[healer] == (peer, "watchdog")
    assert set(roles.PEER) == set(roles.HEALERS)


def test_the_start_order_names_everyone_but_the_spawner_once() -> None:
    named = list(itertools.chain.from_iterable(roles.START_ORDER))
    assert sorted((*named, "spawner")) == sorted(roles.MEMBERS)
    assert roles.START_ORDER[0] == ("trigger",)
    assert roles.START_ORDER[1] == ("watchdog",)


def test_delegates_hold_nine_powers_none_of_them_twice() -> None:
    assert set(roles.POWERS) == set(roles.DELEGATES)
    powers = list(itertools.chain.from_iterable(roles.POWERS.values()))
    assert len(powers) == len(set(powers)) == 9


@pytest.mark.parametrize("alive", [
    frozenset(c) for n in range(1, 7) for c in itertools.combinations(roles.MEMBERS, n)
])  # fmt: skip
def test_whoever_survives_somebody_brings_everyone_back(alive: frozenset[str]) -> None:
    """Any single survivor rebuilds the whole: brought back, a member may bring others back in turn."""
    up = set(alive)
    while True:
        back = {m for m in roles.MEMBERS if m not in up and _has_actor(m, up)}
        if not back:
            break
        up |= back
    assert up == set(roles.MEMBERS)


def _has_actor(member: str, up: set[str]) -> bool:
    line = roles.SUCCESSION[member]
    spawner_needed = member == "spawner" or "spawner" in up
    actors = [m for m in line if m in up and (m not in roles.LAST_RESORT or not set(line) & up - {m})]
    return bool(actors) and spawner_needed


def test_recoveries_use_only_what_the_core_performs() -> None:
    for name in (roles.MUTUAL_PLAYBOOK, roles.EMERGENCY_PLAYBOOK):
        assert all(step.uses in CORE_STEPS for step in shipped()[name].steps)


def test_the_watchdog_works_in_tier_two_and_everyone_else_in_tier_one() -> None:
    assert {roles.tier_of(m, "trigger") for m in roles.MEMBERS if m != "watchdog"} == {1}
    assert roles.tier_of("watchdog", "trigger") == 2
