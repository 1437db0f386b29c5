"""Who acts: succession by the table, tiers 1 to 3, takeovers, and what an emergency absorbs."""

import pytest
from core_kit import NOW, PLAYBOOKS, TIMING, beat, member, newborn, of, only, pid_of, records, run
from msgspec.structs import replace

from graced.core import duty
from graced.core.engine import note_of
from graced.core.state import State
from graced.core.vocabulary import (
    Birth,
    Born,
    CloseIncident,
    Died,
    DropLock,
    EndRun,
    Heard,
    Kill,
    LeaseAcked,
    LockTaken,
    Ready,
    Resumed,
    RunAsked,
    RunNote,
    Seen,
    SendGrant,
    SendRevoke,
    Stopping,
    TakeLock,
    TellRun,
    Tick,
)
from graced.spec.roles import DELEGATES, HEALERS, MEMBERS, SUCCESSION, others

I = TIMING.interval  # noqa: E741


def died(name: str) -> Died:
    return Died(name, pid_of(name))


def gone(name: str, incarnation: int = 1) -> LockTaken:
    return LockTaken(name, pid_of(name), pid_of(name) * 10, incarnation, "gone")


def back(name: str, incarnation: int = 2) -> Heard:
    return Heard(beat(name, incarnation))


# --- succession


@pytest.mark.parametrize(("target", "place"), [(t, i) for t in MEMBERS for i in range(len(SUCCESSION[t]))])
def test_who_stands_where_in_the_line_acts_when_those_before_are_down(target: str, place: int) -> None:
    """Rank 0 acts at once; with k of those before it alive it waits k x 2 intervals."""
    line = SUCCESSION[target]
    me = line[place]
    if target in HEALERS and me == "watchdog":
        pytest.skip("tiers 2 and 3 have tests of their own")
    before = [m for m in line[:place] if m != me]
    state, _ = run(member(me), *(died(m) for m in before))
    state, actions = run(state, died(target))
    assert of(actions, TakeLock, target=target), "everyone before it is down: at once"
    if before and me != "spawner":
        state, actions = run(member(me), died(target))
        assert not of(actions, TakeLock)
        turn = NOW + len(before) * duty.RANK_INTERVALS * I
        assert not of(run(state, Tick(), now=turn - 0.01)[1], TakeLock, target=target)
        assert of(run(state, Tick(), now=turn)[1], TakeLock, target=target)


def test_the_spawner_starts_the_watchdog_only_when_everyone_is_known_dead() -> None:
    state = member("spawner")
    last = SUCCESSION["watchdog"][-2]
    for name in others("spawner"):
        if name != last:
            state, actions = run(state, died(name))
            assert not of(actions, TakeLock)
    assert not of(run(state, Tick(), now=NOW + 0.15)[1], TakeLock)
    state, actions = run(state, died(last))
    assert only(actions, TakeLock).target == "watchdog"


def test_nobody_acts_on_what_another_live_member_has_in_hand() -> None:
    note = RunNote("watchdog-1", "healer_mutual_restart", ("watchdog",), 1, 1, "watchdog-1", NOW, {"watchdog": 1})
    state, _ = run(member("coding_agent"), died("watchdog"), Heard(beat("self_healing", runs=(note,))))
    assert not of(run(state, Tick(), now=NOW + 0.25)[1], TakeLock)


def test_whoever_is_next_goes_on_where_a_dead_executor_was() -> None:
    done = ("verify_recovery_agent", "recovery.started")
    note = RunNote("watchdog-1", "healer_mutual_restart", ("watchdog",), 1, 1, "watchdog-1", NOW, {"watchdog": 1}, done)
    state, _ = run(member("coding_agent"), died("watchdog"), Heard(beat("self_healing", runs=(note,))))
    state, actions = run(state, died("self_healing"))
    assert state.runs["watchdog-1"].steps[0].state == "ok"
    assert "recovery.started" not in records(actions), "it is on record already"
    assert of(actions, TakeLock, target="watchdog")


def test_a_newborn_waits_for_the_others_before_it_acts() -> None:
    from graced.core.vocabulary import Found

    state, _ = run(newborn("self_healing"), Ready(), Found("trigger", 9, 90, 1, "gone"))
    state, actions = run(state, Found("watchdog", 5, 50, 1, "gone"))
    assert not of(actions, TakeLock)
    assert of(run(state, Tick(), now=NOW + duty.SETTLE_INTERVALS * I)[1], TakeLock, target="watchdog")


def test_nothing_is_brought_back_while_graced_is_being_stopped_and_healing_resumes_if_the_stop_dies() -> None:
    state, _ = run(member("self_healing"), Stopping(True))
    state, actions = run(state, died("watchdog"))
    assert not of(actions, TakeLock)
    assert of(run(state, Stopping(False))[1], TakeLock)


# --- tiers 1 and 2


def recover(state: State, target: str) -> tuple[State, list[object]]:
    """Death, lock, birth, first beats of the newborn."""
    state, actions = run(state, died(target))
    for event in (gone(target), Born(target, pid_of(target, 2), 20), back(target), Heard(beat(target, 2))):
        state, more = run(state, event, now=NOW + 0.01)
        actions += more
    return state, actions


def test_a_tier_one_recovery_from_the_death_to_the_end() -> None:
    state, actions = recover(member("self_healing"), "coding_agent")
    kinds = [k for k in records(actions) if k != "playbook.step"]
    assert kinds == [
        "member.down", "playbook.started", "recovery.started", "recovery.succeeded", "playbook.finished",
    ]  # fmt: skip
    assert only(actions, Birth).floor == 1
    assert only(actions, CloseIncident).state == "recovered"
    assert only(actions, DropLock)
    assert only(actions, EndRun).ok
    assert state.runs == {} == state.restarts


def test_the_watchdog_tells_the_live_healer_and_acts_itself_if_that_does_not() -> None:
    state, actions = run(member("watchdog"), died("coding_agent"))
    assert not of(actions, TellRun)
    state, actions = run(state, Tick(), now=NOW + 2 * I)
    told = only(actions, TellRun)
    assert (told.to, told.request, told.tier) == ("self_healing", "tier2/coding_agent-1", 2)
    state, _ = run(state, Heard(beat("self_healing")), now=NOW + 3 * I)
    assert not of(run(state, Tick(), now=NOW + 4 * I)[1], TakeLock)
    later = NOW + (2 + duty.TELL_INTERVALS) * I + 0.001
    for name in others("watchdog"):
        if name != "coding_agent":
            state, _ = run(state, Heard(beat(name)), now=later - 0.01)
    state, actions = run(state, Tick(), now=later)
    assert of(actions, TakeLock, target="coding_agent")
    assert state.runs["coding_agent-1"].tier == 2


def test_each_death_is_told_anew() -> None:
    state, _ = run(member("watchdog"), died("coding_agent"))
    state, _ = run(state, Tick(), now=NOW + 2 * I)
    state, _ = run(state, back("coding_agent"), Died("coding_agent", pid_of("coding_agent", 2)), now=NOW + 0.3)
    state, _ = run(state, Heard(beat("self_healing")), now=NOW + 0.4)
    assert of(run(state, Tick(), now=NOW + 0.5)[1], TellRun)


def test_a_healer_that_is_told_runs_it_once() -> None:
    asked = RunAsked("tier2/x", "healer_mutual_restart", "coding_agent", 2, "watchdog")
    state, _ = run(member("self_healing"), asked)
    assert state.runs["coding_agent-1"].tier == 2
    assert run(state, asked)[1] == []


def test_a_recovery_that_failed_is_tried_again_later_and_a_person_is_called_once() -> None:
    state, now, escalated = member("self_healing"), NOW, 0
    state, _ = run(state, died("coding_agent"))
    waits = []
    from graced.core.vocabulary import Unborn

    for _ in range(state.policy.max_restarts + 3):
        state, _ = run(state, gone("coding_agent"), now=now)
        state, actions = run(state, Unborn("coding_agent", "no module", now + 30), now=now)
        escalated += records(actions).count("escalated")
        assert "recovery.failed" in records(actions)
        until = state.setbacks["coding_agent"].until
        waits.append(until - now)
        for name in others("self_healing"):
            if name != "coding_agent":
                state, _ = run(state, Heard(beat(name)), now=until)
        now = until
        state, actions = run(state, Tick(), now=now)
        assert of(actions, TakeLock, target="coding_agent")
    assert escalated == 1
    assert waits == sorted(waits)
    assert max(waits) <= state.policy.max


def test_an_incident_that_was_left_open_is_closed_when_the_member_is_back_whoever_did_it() -> None:
    from graced.core.vocabulary import Unborn

    state, _ = run(member("self_healing"), died("coding_agent"), gone("coding_agent"))
    state, _ = run(state, Unborn("coding_agent", "no module", NOW + 30))
    assert state.orphans
    state, actions = run(state, back("coding_agent"), Heard(beat("coding_agent", 2)), now=NOW + 0.2)
    assert of(actions, CloseIncident, id="coding_agent-1", state="recovered")
    assert state.orphans == ()


def test_a_newborn_concludes_what_its_predecessor_began_unless_another_does() -> None:
    note = RunNote("trigger-1", "healer_mutual_restart", ("trigger",), 2, 1, "trigger-1", NOW, {"trigger": 1})
    state, actions = run(member("watchdog"), Heard(beat("trigger", 2)), Resumed((note,)))
    assert of(actions, CloseIncident, id="trigger-1")
    state = member("watchdog")
    state, _ = run(state, Heard(beat("parliament", runs=(note,))), Resumed((note,)))
    state, actions = run(state, Heard(beat("trigger", 2)))
    assert not of(actions, CloseIncident)
    state, _ = run(state, Heard(beat("parliament")))
    assert state.orphans == (), "it was seen to end it"


# --- tier 3


def both_dead() -> tuple[State, list[object]]:
    return run(member("watchdog"), died("self_healing"), died("coding_agent"))


def acked(state: State, incident: str = "emergency-1-1") -> tuple[State, list[object]]:
    return run(state, *(LeaseAcked(agent, incident, True) for agent in DELEGATES))


def test_both_healers_down_is_an_emergency_at_once() -> None:
    state, actions = both_dead()
    assert [k for k in records(actions) if k != "playbook.step"] == [
        "member.down", "member.down", "playbook.started", "emergency.activated", *["delegation.granted"] * 3,
    ]  # fmt: skip
    assert sorted(a.lease.agent for a in of(actions, SendGrant)) == sorted(DELEGATES)
    assert state.emergency is not None


def test_both_are_restarted_in_parallel_by_force_once_the_powers_are_held() -> None:
    state, actions = both_dead()
    assert not of(actions, TakeLock)
    state, actions = acked(state)
    assert sorted(a.target for a in of(actions, TakeLock)) == sorted(HEALERS)
    state, actions = run(state, gone("self_healing"), gone("coding_agent"))
    assert all(a.force for a in of(actions, Birth))


def test_an_emergency_from_the_deaths_to_the_end() -> None:
    state, actions = both_dead()
    state, more = acked(state)
    actions += more
    for healer in HEALERS:
        hears = {m: 2 if m in HEALERS else 1 for m in others(healer)}
        for event in (gone(healer), Born(healer, pid_of(healer, 2), 20), Heard(beat(healer, 2, hears=hears))):
            state, more = run(state, event, now=NOW + 0.01)
            actions += more
    for agent in DELEGATES:
        state, more = run(state, LeaseAcked(agent, "emergency-1-1", False), now=NOW + 0.02)
        actions += more
    kinds = [k for k in records(actions) if k not in ("playbook.step", "member.down")]
    assert kinds == [
        "playbook.started", "emergency.activated", *["delegation.granted"] * 3, "recovery.started",
        "recovery.succeeded", *["delegation.revoked"] * 3, "emergency.ended", "playbook.finished",
    ]  # fmt: skip
    assert len(of(actions, SendRevoke)) == 3
    assert (state.emergency, state.grants, state.runs) == (None, {}, {})


def test_delegates_that_do_not_answer_do_not_hold_up_the_healers() -> None:
    state, _ = both_dead()
    for n in range(1, 32):
        for name in (*DELEGATES, "spawner"):
            state, _ = run(state, Heard(beat(name)), now=NOW + n * I)
    state, actions = run(state, Tick(), now=NOW + 3.1)
    assert sorted(a.target for a in of(actions, TakeLock)) == sorted(HEALERS)


def test_a_tier_two_recovery_is_absorbed() -> None:
    state, _ = run(member("watchdog"), died("coding_agent"))
    state, _ = run(state, Tick(), now=NOW + 2 * I)
    for name in others("watchdog"):
        if name != "coding_agent":
            state, _ = run(state, Heard(beat(name)), now=NOW + 5.9 * I)
    state, _ = run(state, Tick(), now=NOW + 6.1 * I)
    assert "coding_agent-1" in state.runs
    state, actions = run(state, died("self_healing"), now=NOW + 6.2 * I)
    assert list(state.runs) == ["emergency-1-1"]
    assert of(actions, EndRun, run="coding_agent-1", ok=False)


def test_an_emergency_that_fails_calls_a_person_once_and_goes_on_after_a_wait() -> None:
    from graced.core.vocabulary import Unborn

    state, _ = both_dead()
    state, actions = acked(state)
    now, told = NOW, 0
    for _ in range(60):
        for target in [a.target for a in of(actions, TakeLock)]:
            state, more = run(state, gone(target), Unborn(target, "no module", now + 30), now=now)
            told += records(more).count("escalated")
        now += 0.1
        for name in (*DELEGATES, "spawner"):
            state, _ = run(state, Heard(beat(name)), now=now)
        state, actions = run(state, Tick(), now=now)
        told += records(actions).count("escalated")
    assert told == 1
    assert state.emergency is not None
    assert state.emergency.failures >= 2
    assert not any(grant.revoked for grant in state.grants.values()), "delegates keep the kernels alive meanwhile"


def test_a_new_watchdog_resumes_the_open_emergency_and_takes_everything_back() -> None:
    state, _ = both_dead()
    state, _ = acked(state)
    note = note_of(state.runs["emergency-1-1"])
    fresh, _ = run(member("watchdog"), Resumed((note,)))
    assert fresh.emergency is not None
    assert fresh.runs["emergency-1-1"].steps[0].state == "ok"
    poor = replace(note, done=("activate_emergency",))  # it died before it stored what it had lent
    fresh, _ = run(member("watchdog"), *(back(h) for h in HEALERS), Resumed((poor,)))
    fresh, actions = acked(fresh)
    assert of(actions, TakeLock) == [], "both are back already"
    assert {a.agent for a in of(actions, SendRevoke)} == set(DELEGATES)


def test_one_emergency_after_the_other_has_a_name_of_its_own() -> None:
    state, _ = both_dead()
    state = replace(state, runs={}, emergency=None, grants={})
    state, _ = run(state, Tick())
    assert list(state.runs) == ["emergency-1-1.1"]


def test_the_playbooks_of_the_tiers_exist() -> None:
    assert {"healer_mutual_restart", "emergency_healer_recovery"} <= set(PLAYBOOKS)


# --- what others do about it


def test_a_member_that_was_continued_is_not_killed_by_who_did_not_hear_of_it() -> None:
    state, _ = run(member("watchdog"), Tick(), now=NOW + 2.5 * I)
    state, _ = run(state, Seen("trigger", pid_of("trigger"), "stopped"), now=NOW + 2.6 * I)
    for name in others("watchdog"):
        if name != "trigger":
            state, _ = run(state, Heard(beat(name)), now=NOW + 4.5 * I)
    state, actions = run(state, Seen("trigger", pid_of("trigger"), "stopped"), now=NOW + 4.7 * I)
    assert of(actions, TakeLock, target="trigger")
    alive = LockTaken("trigger", pid_of("trigger"), pid_of("trigger") * 10, 1, "running")
    state, actions = run(state, alive, now=NOW + 4.8 * I)
    assert not of(actions, Kill)
    assert only(actions, DropLock).target == "trigger"


def test_an_attempt_that_was_in_vain_sets_everyone_back() -> None:
    note = RunNote("watchdog-1", "healer_mutual_restart", ("watchdog",), 1, 1, "watchdog-1", NOW, {"watchdog": 1})
    state, _ = run(member("coding_agent"), died("watchdog"), Heard(beat("self_healing", runs=(note,))))
    state, _ = run(state, Heard(beat("self_healing")), now=NOW + 1)
    setback = state.setbacks["watchdog"]
    assert (setback.count, setback.until) == (1, NOW + 1 + I)
    assert duty.acts_at(state, "watchdog") == setback.until + 2 * I, "in the order of the line, as before"
    state, _ = run(state, back("watchdog"), now=NOW + 1.05)
    assert state.setbacks == {}


def test_the_verdict_of_a_vote_is_acted_on_at_once_by_who_asked() -> None:
    state = member("trigger")
    voted = replace(state.peers["watchdog"], state="down", evidence="heartbeat", down_at=NOW)
    assert duty.acts_at(replace(state, peers={**state.peers, "watchdog": voted}), "watchdog") == NOW
