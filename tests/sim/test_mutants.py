"""Bugs put into the core on purpose: the simulator must catch each, and says with which seed."""

import itertools
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from graced.core import duty, leases, liveness, member, restart, steps, votes
from graced.core.liveness import GONE, Peer
from graced.core.restart import Restart, Step
from graced.core.vocabulary import Birth, Kill, LockTaken, Timing
from graced.sim.run import FAULTS_A_SEED, simulate

SEEDS = 200  # at most, until the bug shows


def no_look_again_kills(held: Restart, event: LockTaken, peer: Peer, timing: Timing, now: float) -> Step:
    """Whoever holds the role now is killed, even if another restarter has brought it back meanwhile."""
    held = replace(held, locked=True)
    if event.status not in GONE:
        return replace(held, phase="killing", pid=event.pid), (Kill(held.target, event.pid, event.start_ticks),)
    return replace(held, phase="birthing"), (Birth(held.target, held.request, held.dead, held.force),)


def no_look_again_starts(held: Restart, event: LockTaken, peer: Peer, timing: Timing, now: float) -> Step:
    """The dead one is believed dead: a successor is started at once."""
    held = replace(held, locked=True, phase="birthing")
    return held, (Birth(held.target, held.request, max(held.dead, event.incarnation), held.force),)


def mutate_no_look_kills(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restart, "_locked", no_look_again_kills)


def mutate_no_look_starts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restart, "_locked", no_look_again_starts)


def mutate_stopped_is_not_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(liveness, "STOPPED_INTERVALS", float("inf"))


def mutate_grant_not_revoked(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(steps.CORE_STEPS, "revoke_powers", (steps._nothing, steps._yes))


def mutate_revocation_not_sent(patch: pytest.MonkeyPatch) -> None:
    """It is on record, but no delegate is told."""

    def silent(state: steps.State, run: steps.Run, step: steps.Step, now: float) -> steps.Stepped:
        state, actions = begin(state, run, step, now)
        return state, tuple(a for a in actions if not isinstance(a, steps.SendRevoke))

    begin, poll = steps.CORE_STEPS["revoke_powers"]
    patch.setitem(steps.CORE_STEPS, "revoke_powers", (silent, poll))
    patch.setattr(member, "revoke_strays", lambda state, beat: ())


def mutate_one_vote_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(votes, "decided", lambda vote, now: True)


def mutate_late_watcher_judges(patch: pytest.MonkeyPatch) -> None:
    """A watcher that was held up takes its own lateness for the others' silence, and a vote is its own."""
    patch.setattr(liveness, "excuse", lambda peer, late: peer)
    patch.setattr(votes, "decided", lambda vote, now: True)


def mutate_late_grant_counts(patch: pytest.MonkeyPatch) -> None:
    """A grant that comes after the revocation is taken up."""

    def given(state: member.State, lease: member.Lease, now: float) -> member.State:
        return replace(state, held={**state.held, lease.incident: leases.Held(lease, now + lease.ttl)})

    patch.setattr(member, "_lease_given", given)


def mutate_nobody_takes_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(duty, "resume_notes", lambda state, notes, now: (state, ()))


def mutate_newborn_is_not_watched(patch: pytest.MonkeyPatch) -> None:
    """Its end or stop before its first heartbeat goes unseen."""
    patch.setattr(liveness, "bear", lambda peer, pid, start_ticks, now: peer)
    patch.setattr(restart, "_in_vain", lambda attempt, text, timing, now: (attempt, ()))


def mutate_backoff_of_kernels(patch: pytest.MonkeyPatch) -> None:
    from graced.core.intensity import Verdict
    from graced.core.kernels import exits

    patch.setattr(exits, "weigh", lambda history, policy, ran, now, noise=0.0: Verdict(0.0, False, history))


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    name.removeprefix("mutate_"): function for name, function in globals().items() if name.startswith("mutate_")
}
QUICK = ("no_look_kills", "no_look_starts", "stopped_is_not_down", "grant_not_revoked", "revocation_not_sent")

PROFILES = (("all", FAULTS_A_SEED), ("stops", 8))  # each seed is run with both


def catch(name: str, patch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](patch)
    for seed, (profile, faults) in itertools.product(range(1, SEEDS + 1), PROFILES):
        outcome = simulate(seed, faults, profile)
        if outcome.breach:
            print(f"{name}: seed {seed}, profile {profile}: {outcome.breach}")
            return
    pytest.fail(f"{name} was not caught in {SEEDS} seeds")


@pytest.mark.parametrize("name", QUICK)
def test_a_bug_put_in_on_purpose_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(name, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in QUICK])
def test_so_are_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catch(name, monkeypatch)
