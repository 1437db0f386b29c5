"""Bugs put in on purpose (tests/support/mutants.py): the simulator must catch each, and says with which seed."""

import itertools

import pytest
from support.mutants import CORE, MUTANTS, PLUGS, PROFILE

from graced.sim.run import FAULTS_A_SEED, simulate

SEEDS = 200  # at most, until the bug shows
PROFILES = (("all", FAULTS_A_SEED), ("stops", 8))  # each seed is run with both, where a mutant has no own
QUICK = (
    "no_look_kills", "no_look_starts", "stopped_is_not_down", "grant_not_revoked", "revocation_not_sent",
    "spawner_does_not_ask_who_is_heard", "slot_is_not_stored_before_the_birth", "rows_before_records",
    "restart_locks_are_not_dropped", "news_are_not_sent", "trees_do_not_know_the_members",
)  # fmt: skip


def catch(name: str, patch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](patch)
    profiles = (PROFILE[name],) if name in PROFILE else PROFILES
    for seed, (profile, faults) in itertools.product(range(1, SEEDS + 1), profiles):
        outcome = simulate(seed, faults, profile)
        if outcome.breach:
            print(f"{name}: seed {seed}, profile {profile}: {outcome.breach.splitlines()[0]}")
            return
    pytest.fail(f"{name} was not caught in {SEEDS} seeds")


def test_half_of_them_are_of_plugs() -> None:
    assert len(MUTANTS) >= 25
    assert len(PLUGS) >= len(CORE)


@pytest.mark.parametrize("profile", sorted({profile for profile, _ in PROFILE.values()}))
def test_without_a_bug_nothing_is_caught(profile: str) -> None:
    faults = next(n for p, n in PROFILE.values() if p == profile)
    assert [o.breach for seed in range(1, 4) if (o := simulate(seed, faults, profile)).breach] == []


@pytest.mark.parametrize("name", QUICK)
def test_a_bug_put_in_on_purpose_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(name, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in QUICK])
def test_so_are_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(name, monkeypatch)
