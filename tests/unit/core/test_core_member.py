"""The core as a whole: no sequence of events raises anything, and what it asks for keeps the rules of restarts."""

import time

from core_kit import NOW, TIMING, beat, member, newborn, pid_of, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graced.core.leases import ttl
from graced.core.member import step
from graced.core.vocabulary import (
    Action,
    Birth,
    Born,
    Died,
    DropLock,
    Event,
    Found,
    Heard,
    Kill,
    Lease,
    LeaseAcked,
    LeaseGiven,
    LeaseTaken,
    LockBusy,
    LockTaken,
    Ready,
    Resumed,
    RunAsked,
    RunNote,
    Seen,
    SendBeat,
    StepDone,
    Stopping,
    TakeLock,
    Tick,
    TreeDead,
    Unborn,
    VoteAsked,
    VoteCast,
)
from graced.spec.roles import DELEGATES, MEMBERS, POWERS, others

names = st.sampled_from(MEMBERS)
incarnations = st.integers(0, 3)
statuses = st.sampled_from(["gone", "zombie", "stopped", "running", "sleeping"])
pids = st.builds(pid_of, names, st.integers(1, 3))
notes = st.builds(
    RunNote, st.sampled_from(["watchdog-1", "emergency-1-1", "x"]),
    st.sampled_from(["healer_mutual_restart", "emergency_healer_recovery", "unknown"]),
    names.map(lambda n: (n,)), st.integers(1, 3), st.integers(0, 3), st.just("i"), st.just(NOW),
    st.dictionaries(names, incarnations, max_size=2),
    st.sampled_from([(), ("activate_emergency",), ("granted:trigger",)]),
)  # fmt: skip
leases = st.builds(
    lambda agent, incident, inc: Lease(f"{incident}/{agent}-{inc}", incident, agent, inc, POWERS[agent], ttl(TIMING)),
    st.sampled_from(DELEGATES), st.sampled_from(["i", "emergency-1-1"]), st.integers(1, 2),
)  # fmt: skip
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Tick()), st.just(Ready()),
    st.builds(lambda m, i, p, r, le: Heard(beat(m, i, phase=p, runs=r, leases=le)), names, st.integers(1, 3),
              st.sampled_from(["starting", "healthy"]), st.lists(notes, max_size=1).map(tuple),
              st.sampled_from([(), ("i",)])),
    st.builds(Died, names, pids),
    st.builds(Found, names, pids, st.integers(0, 9000), incarnations, statuses),
    st.builds(Seen, names, pids, statuses),
    st.builds(LockTaken, names, pids, st.integers(0, 9000), incarnations, statuses, st.booleans()),
    st.builds(LockBusy, names), st.builds(TreeDead, names, pids),
    st.builds(Born, names, pids, st.integers(0, 9000)),
    st.builds(Unborn, names, st.just("no"), st.sampled_from([0.0, NOW + 5])),
    st.builds(VoteAsked, st.just("v"), names, names, incarnations),
    st.builds(VoteCast, st.sampled_from(["v", "trigger-1-watchdog-1001100"]), names, st.booleans()),
    st.builds(LeaseGiven, leases), st.builds(LeaseTaken, st.sampled_from(["i", "emergency-1-1"])),
    st.builds(LeaseAcked, st.sampled_from(DELEGATES), st.sampled_from(["i", "emergency-1-1"]), st.booleans()),
    st.builds(RunAsked, st.sampled_from(["r1", "r2"]),
              st.sampled_from(["healer_mutual_restart", "emergency_healer_recovery", "unknown"]),
              st.sampled_from([*MEMBERS, "web", ""]), st.integers(1, 2), st.just("person")),
    st.builds(StepDone, st.sampled_from(["r1", "x"]), st.integers(0, 2), st.integers(1, 2), st.booleans(), st.just("")),
    st.builds(Resumed, st.lists(notes, max_size=2).map(tuple)), st.builds(Stopping, st.booleans()),
)  # fmt: skip
histories = st.lists(st.tuples(events, st.sampled_from([0.0, 0.001, 0.05, 0.1, 0.3, 2.0])), max_size=60)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names, st.booleans(), histories)
def test_no_sequence_of_events_raises_anything(me: str, fresh: bool, history: list[tuple[Event, float]]) -> None:
    state, now = newborn(me, fresh=fresh), NOW
    held: set[str] = set()
    for event, later in history:
        now += later
        if isinstance(event, LockTaken):
            held.add(event.target)
        state, actions = step(state, event, now)
        assert state.due > now
        for action in actions:
            _lawful(action, held)
    assert {t for t, r in state.restarts.items() if r.locked} <= held


def _lawful(action: Action, held: set[str]) -> None:
    """Nothing is killed or born without the restart lock of its role."""
    if isinstance(action, DropLock):
        held.discard(action.target)
    if isinstance(action, Kill | Birth):
        assert action.target in held


def test_equal_steps_give_equal_answers() -> None:
    events = [Died("trigger", pid_of("trigger")), Tick(), Heard(beat("trigger", 2))]
    assert run(member("watchdog"), *events) == run(member("watchdog"), *events)


def test_news_of_oneself_is_no_news() -> None:
    state = member("watchdog")
    for event in (Heard(beat("watchdog", 9)), Died("watchdog", 1), Found("watchdog", 1, 1, 1, "gone")):
        assert run(state, event)[1] == []


def test_that_a_run_begins_is_told_before_anything_is_done() -> None:
    _, actions = run(member("self_healing"), Died("watchdog", pid_of("watchdog")))
    assert actions[0] == SendBeat(urgent=True)
    assert any(isinstance(a, TakeLock) for a in actions[1:])


def test_the_shell_is_woken_at_the_next_beat_at_the_latest_and_sooner_when_there_is_work() -> None:
    state, _ = run(member("watchdog"), Tick(), now=NOW + 0.01)
    assert NOW + 0.01 < state.due <= NOW + TIMING.interval + 1e-6
    busy, _ = run(state, Died("trigger", pid_of("trigger")), now=NOW + 0.02)
    assert busy.due <= NOW + 0.02 + TIMING.interval / 2


def test_a_wake_up_is_never_in_the_past_whatever_the_rounding() -> None:
    state = member("watchdog")
    for n in range(10_000, 10_050):
        now = n * TIMING.interval
        for name in others("watchdog"):
            state, _ = run(state, Heard(beat(name)), now=now)
        state, _ = run(state, Tick(), now=now)
        assert state.due > now


def test_a_steady_heartbeat_is_cheap() -> None:
    """About 5 µs on the machine that it was written on; the bound is for machines that are busy."""
    state, event, rounds = member("watchdog"), Heard(beat("trigger")), 2000
    best = min(_timed(state, event, rounds) for _ in range(5))
    assert best / rounds < 50e-6


def _timed(state: object, event: Event, rounds: int) -> float:
    began = time.perf_counter()
    for _ in range(rounds):
        step(state, event, NOW)  # type: ignore[arg-type]
    return time.perf_counter() - began
