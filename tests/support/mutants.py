"""Bugs put in on purpose: into the core, and (`PLUGS`) into how what ships is plugged together."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from graced.core import duty, leases, liveness, member, restart, steps, votes
from graced.core.liveness import GONE, Peer
from graced.core.restart import Restart, Step
from graced.core.vocabulary import Birth, Bump, DropLock, Kill, LockTaken, SaveRun, Timing
from graced.members import mender, news, nursery, playbooks, process, self_healing, shell, spawner
from graced.members.effects import Effects

Patch = pytest.MonkeyPatch
Mutate = Callable[[Patch], None]

CORE: dict[str, Mutate] = {}
PLUGS: dict[str, Mutate] = {}
PROFILE: dict[str, tuple[str, int]] = {}
"""Of those that need faults of their own: the profile and the number of faults of a seed."""


def core(mutate: Mutate) -> Mutate:
    CORE[mutate.__name__] = mutate
    return mutate


def plug(mutate: Mutate) -> Mutate:
    PLUGS[mutate.__name__] = mutate
    return mutate


def under(profile: str, faults: int) -> Callable[[Mutate], Mutate]:
    def mark(mutate: Mutate) -> Mutate:
        PROFILE[mutate.__name__] = (profile, faults)
        return mutate

    return mark


def nothing(*args: Any, **named: Any) -> None:
    return None


def without(patch: Patch, owner: type, method: str, *left_out: type) -> None:
    """Actions of these types go nowhere."""
    real = getattr(owner, method)

    def do(self: Any, action: Any) -> None:
        if not isinstance(action, left_out):
            real(self, action)

    patch.setattr(owner, method, do)


# --- the core


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


@core
def no_look_kills(patch: Patch) -> None:
    patch.setattr(restart, "_locked", no_look_again_kills)


@core
def no_look_starts(patch: Patch) -> None:
    patch.setattr(restart, "_locked", no_look_again_starts)


@core
def stopped_is_not_down(patch: Patch) -> None:
    patch.setattr(liveness, "STOPPED_INTERVALS", float("inf"))


@core
def grant_not_revoked(patch: Patch) -> None:
    patch.setitem(steps.CORE_STEPS, "revoke_powers", (steps._nothing, steps._yes))


@core
def revocation_not_sent(patch: Patch) -> None:
    """It is on record, but no delegate is told."""

    def silent(state: steps.State, run: steps.Run, step: steps.Step, now: float) -> steps.Stepped:
        state, actions = begin(state, run, step, now)
        return state, tuple(a for a in actions if not isinstance(a, steps.SendRevoke))

    begin, poll = steps.CORE_STEPS["revoke_powers"]
    patch.setitem(steps.CORE_STEPS, "revoke_powers", (silent, poll))
    patch.setattr(member, "revoke_strays", lambda state, beat: ())


@core
def one_vote_is_enough(patch: Patch) -> None:
    patch.setattr(votes, "decided", lambda vote, now: True)


@core
def late_watcher_judges(patch: Patch) -> None:
    """A watcher that was held up takes its own lateness for the others' silence, and a vote is its own."""
    patch.setattr(liveness, "excuse", lambda peer, late: peer)
    patch.setattr(votes, "decided", lambda vote, now: True)


@core
def late_grant_counts(patch: Patch) -> None:
    """A grant that comes after the revocation is taken up."""

    def given(state: member.State, lease: member.Lease, now: float) -> member.State:
        return replace(state, held={**state.held, lease.incident: leases.Held(lease, now + lease.ttl)})

    patch.setattr(member, "_lease_given", given)


@core
def nobody_takes_over(patch: Patch) -> None:
    patch.setattr(duty, "resume_notes", lambda state, notes, now: (state, ()))


@core
@under("newborns", 3)
def newborn_is_not_watched(patch: Patch) -> None:
    """Its end or stop before its first heartbeat goes unseen."""
    patch.setattr(liveness, "bear", lambda peer, pid, start_ticks, now: peer)
    patch.setattr(restart, "_in_vain", lambda attempt, text, timing, now: (attempt, ()))


@core
def backoff_of_kernels(patch: Patch) -> None:
    from graced.core.intensity import Verdict
    from graced.core.kernels import exits, orders

    for module in (exits, orders):
        patch.setattr(module, "weigh", lambda history, policy, ran, now, noise=0.0: Verdict(0.0, False, history))


@core
@under("kernels", 10)
def missed_runs_are_not_counted(patch: Patch) -> None:
    """What the standing orders did while self_healing was away is neither told nor counted."""
    from graced.core.kernels import exits

    patch.setattr(exits, "missed", lambda kernel, run, *, ending: (kernel, ()))


# --- plugs: a parameter that is not passed, an action that is not wired, a row that is not written in its time


@plug
@under("deaf", 3)
def spawner_does_not_ask_who_is_heard(patch: Patch) -> None:
    """`births.overdue` without `heard`: a deaf spawner kills healthy newborns."""
    patch.setattr(spawner, "heard_elsewhere", lambda state, role: False)


@plug
def slot_is_not_stored_before_the_birth(patch: Patch) -> None:
    from graced.sim.disk import Slots

    store = Slots.store
    patch.setattr(Slots, "store", lambda self, slot: store(self, slot) if slot.run.pid else None)


@plug
def rows_before_records(patch: Patch) -> None:
    flush = shell.Shell._flush

    def rows_first(self: shell.Shell, now: float) -> None:
        self.store.flush()
        flush(self, now)

    patch.setattr(shell.Shell, "_flush", rows_first)


@plug
def repeated_commands_are_taken(patch: Patch) -> None:
    patch.setattr(shell, "ASKS_KEPT", 0)


@plug
def orders_are_not_given(patch: Patch) -> None:
    without(patch, self_healing.SelfHealing, "_act", self_healing.GiveOrder)


@plug
def kernels_are_not_saved(patch: Patch) -> None:
    without(patch, self_healing.SelfHealing, "_act", self_healing.Save)


@plug
def ends_of_kernels_are_not_asked_for(patch: Patch) -> None:
    without(patch, self_healing.SelfHealing, "_act", self_healing.End)


@plug
def recoveries_are_not_counted(patch: Patch) -> None:
    without(patch, Effects, "do", Bump)


@plug
def restart_locks_are_not_dropped(patch: Patch) -> None:
    without(patch, Effects, "do", DropLock)


@plug
@under("runs", 60)
def progress_of_runs_is_not_stored(patch: Patch) -> None:
    without(patch, Effects, "do", SaveRun)


@plug
def ends_of_runs_are_not_stored(patch: Patch) -> None:
    from graced.store import tables

    patch.setattr(tables, "finish_run", nothing)


@plug
def what_is_stored_is_not_resumed(patch: Patch) -> None:
    patch.setattr(process, "_unfinished", lambda shell: ())


@plug
def the_dead_are_not_reaped(patch: Patch) -> None:
    patch.setattr(shell.Shell, "reap", nothing)


@plug
def news_are_not_sent(patch: Patch) -> None:
    patch.setattr(news.News, "tend", nothing)


@plug
def a_new_spawner_is_not_synced_with(patch: Patch) -> None:
    patch.setattr(self_healing.SelfHealing, "heard", nothing)


@plug
def births_do_not_look_for_a_stop(patch: Patch) -> None:
    patch.setattr(shell.Shell, "stopping", False)
    patch.setattr(shell.Shell, "_look_for_stop", nothing)


@plug
def trees_do_not_know_the_members(patch: Patch) -> None:
    """The nursery is not told which children are no kernel's: it kills members as leftovers."""
    patch.setattr(spawner.Spawner, "_known", lambda self: set())


@plug
def leftovers_are_not_looked_for(patch: Patch) -> None:
    patch.setattr(nursery.Nursery, "_strays", lambda self: False)


@plug
def locks_of_targets_are_not_dropped(patch: Patch) -> None:
    def ended(self: playbooks.Playbooks, end: Any) -> None:
        self.over.append(end.run)
        self.results[end.run] = end

    patch.setattr(playbooks.Playbooks, "ended", ended)


@plug
@under("runs", 60)
def attempts_are_forgotten_at_once(patch: Patch) -> None:
    """Before the end of the run is stored, so that a successor does its steps once more."""
    ended = playbooks.Playbooks.ended

    def at_once(self: playbooks.Playbooks, end: Any) -> None:
        ended(self, end)
        self.stored()

    patch.setattr(playbooks.Playbooks, "ended", at_once)


@plug
@under("mends", 30)
def tasks_of_the_dead_are_not_resumed(patch: Patch) -> None:
    patch.setattr(mender.Mender, "_resume", lambda self: setattr(self, "_resumed", True))


@plug
@under("mends", 30)
def fixes_are_not_looked_up(patch: Patch) -> None:
    """A successor does not ask the audit log what its predecessor told."""
    patch.setattr(mender, "fixes_told", lambda lately: set())


@plug
@under("mends", 30)
def tasks_end_before_their_records(patch: Patch) -> None:
    class Silent:
        pending = 0

        def append(self, kind: str, data: Any) -> bool:
            return True

        def flush(self) -> bool:
            return True

        lately = staticmethod(lambda kinds, left: iter(()))

    real = mender.Mender.__init__

    def deaf(self: mender.Mender, owner: Any, quiet: Any) -> None:
        real(self, owner, quiet)
        self._shell = _Other(owner, Silent())  # type: ignore[assignment]

    patch.setattr(mender.Mender, "__init__", deaf)


class _Other:
    """A shell with another audit log."""

    def __init__(self, real: Any, audit: Any) -> None:
        self._real, self.audit = real, audit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


MUTANTS = {**CORE, **PLUGS}
