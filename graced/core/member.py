"""The core of every member: one step from (state, event, now) to (state, actions).

A step takes the event in (liveness, restarts, votes, leases), then lets everything that follows from the new
view happen: duties begin runs, runs begin steps, steps poll the view, until nothing changes any more.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from graced.core import approvals, asking, duty, engine, leases, liveness, restart, runs, triggers, votes
from graced.core.liveness import Peer
from graced.core.state import INFINITY, State, Stepped, with_peer, without
from graced.core.steps import begun, revoke_strays, tend_grants
from graced.core.vocabulary import (
    AnswerVote,
    Born,
    Decided,
    Died,
    DropLock,
    Event,
    Fired,
    Found,
    Happened,
    Heard,
    Lease,
    LeaseAcked,
    LeaseGiven,
    LeaseTaken,
    LockBusy,
    LockTaken,
    Look,
    MemberAction,
    Ready,
    Resumed,
    RunAsked,
    Seen,
    SendBeat,
    StepDone,
    Stopping,
    TargetsTaken,
    Tick,
    Timing,
    TreeDead,
    Unborn,
    VoteAsked,
    VoteCast,
)

CALM: Final = frozenset({"healthy", "unknown"})  # states of a peer that need no look between two beats
MAX_ROUNDS: Final = 16  # of things that follow from each other in one step; more is a bug, not load
INCIDENTS_KEPT: Final = 16  # whose powers were taken back, in a delegate's memory


def step(state: State, event: Event, now: float) -> Stepped:
    """The whole member core. Raises nothing for any sequence of events."""
    late = now - state.due
    if late > liveness.LATE_INTERVALS * state.timing.interval:
        state = replace(state, peers={m: liveness.excuse(p, late) for m, p in state.peers.items()})
    before = state
    state, actions = _absorb(state, event, now)
    if not actions and isinstance(event, Heard) and _quiet(before, state, event):
        return (state if now < state.due else replace(state, due=_wake_at(state, now))), ()
    state, more = _think(state, now)
    actions += more
    state, more = triggers.members_down(before, state, now)
    actions += more
    said = _visible(state)
    if said != state.said:
        state = replace(state, said=said)
        # That a run begins is told before anything is done: the next in line must not begin it as well.
        begins = state.runs.keys() > before.runs.keys()
        actions = (SendBeat(urgent=True), *actions) if begins else (*actions, SendBeat())
    return replace(state, due=_wake_at(state, now)), actions


def _quiet(before: State, after: State, event: Heard) -> bool:
    """A beat that tells nothing new: nothing can follow from it."""
    name = event.beat.member
    old, new = before.peers.get(name), after.peers.get(name)
    if old is None or new is None or old.beat is None:
        return False
    if old.state != new.state or (after.runs and old.beat.hears != event.beat.hears):
        return False
    return old.beat.runs == event.beat.runs


def _visible(state: State) -> tuple[object, ...]:
    return (
        state.ready,
        [(p.name, p.incarnation) for p in state.peers.values() if p.heard and p.state != "down"],
        [engine.note_of(r) for r in state.runs.values()],
        list(state.held),
    )


# --- taking an event in ---------------------------------------------------------------------------------


def _absorb(state: State, event: Event, now: float) -> Stepped:
    match event:
        case Heard():
            return _heard(state, event, now)
        case Tick():
            return state, ()
        case Died() if event.member in state.peers:
            state, _ = _with(state, event.member, lambda p: (liveness.die(p, event.pid, "exit", now), ()))
            return _restart_event(state, event.member, event, now)
        case Seen():
            return _with(
                state, event.member, lambda p: (liveness.see(p, event.pid, event.status, state.timing, now), ())
            )
        case Found():
            if state.fresh and event.status in liveness.GONE and now - state.born < _fresh_for(state):
                return state, ()
            return _with(
                state,
                event.member,
                lambda p: liveness.find(p, event.pid, event.start_ticks, event.incarnation, event.status, now),
            )
        case LockTaken() | LockBusy() | TreeDead() | Born() | Unborn():
            return _restart_event(state, event.target, event, now)
        case VoteAsked() if event.target in state.peers:
            ballot = votes.answer(state.peers[event.target], event.incarnation, state.timing, now)
            return state, (AnswerVote(event.vote, event.asker, event.target, ballot),)
        case VoteCast():
            held = {
                t: votes.cast(v, event.voter, event.down) if v.id == event.vote else v for t, v in state.votes.items()
            }
            return replace(state, votes=held), ()
        case LeaseGiven() if event.lease.agent == state.me and event.lease.incarnation == state.incarnation:
            return _lease_given(state, event.lease, now), ()
        case LeaseTaken():
            taken = {**dict(tuple(state.taken.items())[-INCIDENTS_KEPT:]), event.incident: now}
            return replace(state, held=without(state.held, event.incident), taken=taken), ()
        case LeaseAcked() if event.agent in state.grants:
            grant = state.grants[event.agent]
            if grant.lease.incident == event.incident:
                grant = replace(grant, acked=grant.acked or event.held, returned=grant.returned or not event.held)
                state = replace(state, grants={**state.grants, event.agent: grant})
            return state, ()
        case RunAsked():
            return asking.asked(state, event, now)
        case TargetsTaken():
            return asking.locked(state, event, now)
        case Decided():
            return approvals.decided(state, event, now)
        case Happened():
            return triggers.happened(state, event, now)
        case Fired():
            return triggers.fired_before(state, event), ()
        case StepDone():
            return runs.step_done(state, event, now)
        case Resumed():
            return duty.resume_notes(state, event.runs, now)
        case Ready():
            return replace(state, ready=True), ()
        case Stopping():
            return replace(state, stopping=event.active), ()
    return state, ()


def _with(state: State, member: str, change: Callable[[Peer], tuple[Peer, tuple[MemberAction, ...]]]) -> Stepped:
    peer = state.peers.get(member)
    if peer is None:
        return state, ()
    new, actions = change(peer)
    return with_peer(state, new), actions


def _heard(state: State, event: Heard, now: float) -> Stepped:
    peer = state.peers.get(event.beat.member)
    if peer is None:
        return state, ()
    new, actions = liveness.hear(peer, event.beat, now)
    state = with_peer(state, new)
    if peer.beat is not None and peer.beat.runs and new.beat is event.beat and new.pid == peer.pid:
        state = duty.others_ended(state, peer.beat, event.beat, now)
    if event.beat.leases and state.me == "watchdog":
        actions += revoke_strays(state, event.beat)
    if new.state == "healthy" and peer.name in state.setbacks:
        state = replace(state, setbacks=without(state.setbacks, peer.name))
    return state, actions


def _restart_event(state: State, target: str, event: Event, now: float) -> Stepped:
    attempt = state.restarts.get(target)
    if attempt is None:
        return state, (DropLock(target),) if isinstance(event, LockTaken) else ()
    peer, watch = _told_of(state.peers[target], event, state.timing, now)
    new, actions = restart.react(attempt, event, peer, state.timing, now)
    state = replace(with_peer(state, peer), restarts={**state.restarts, target: new})
    records: tuple[MemberAction, ...] = ()
    if attempt.phase == "locking" and new.phase in ("killing", "birthing"):
        for run in tuple(state.runs.values()):
            if target in run.dead:
                state, records = begun(state, run)
    return state, watch + records + actions


def _told_of(peer: Peer, event: Event, timing: Timing, now: float) -> tuple[Peer, tuple[MemberAction, ...]]:
    """What a step of a restart shows of its target."""
    match event:
        case TreeDead():
            return liveness.die(peer, event.pid, "exit", now), ()
        case Born():
            return liveness.bear(peer, event.pid, event.start_ticks, now), ()
        case LockTaken() if event.incarnation > peer.incarnation:
            return liveness.find(peer, event.pid, event.start_ticks, event.incarnation, event.status, now)
        case LockTaken():
            return liveness.see(peer, event.pid, event.status, timing, now), ()
    return peer, ()


def _lease_given(state: State, lease: Lease, now: float) -> State:
    """Hold what is lent, unless it was sent before the powers of that incident were taken back."""
    sent = now + lease.ttl - leases.ttl(state.timing)
    if sent <= state.taken.get(lease.incident, -INFINITY):
        return state
    return replace(state, held={**state.held, lease.incident: leases.Held(lease, now + lease.ttl)})


# --- what follows ---------------------------------------------------------------------------------------


def _fresh_for(state: State) -> float:
    """How long a first start leaves births to the spawner before unheard roles are looked at."""
    return max(1.0, 5 * state.timing.interval)


def _think(state: State, now: float) -> Stepped:
    """Judge everyone; then, unless all is well and nothing is under way, let follow what follows."""
    peers, actions, amiss = liveness.judge_all(state.peers, state.timing, now)
    if peers is not state.peers:
        state = replace(state, peers=peers)
    if not amiss and not (state.runs or state.restarts or state.votes or state.orphans or state.held):
        return state, tuple(actions)
    if state.fresh and not state.looked and now - state.born >= _fresh_for(state):
        state = replace(state, looked=True)
        actions += [Look(p.name) for p in state.peers.values() if p.state == "unknown"]
    if state.held:
        held = leases.unexpired(state.held, now)
        state = state if len(held) == len(state.held) else replace(state, held=held)
    state, more = duty.hold_votes(state, now)
    actions += more
    for _ in range(MAX_ROUNDS):
        before = state
        state, more = duty.recoveries(state, now)
        actions += more
        state, more = _advance_restarts(state, now)
        actions += more
        state, more = runs.advance(state, now)
        actions += more
        if state is before:
            break
    if state.emergency is not None:
        state, more = tend_grants(state, now)
        actions += more
    return state, tuple(actions)


def _advance_restarts(state: State, now: float) -> Stepped:
    actions: list[MemberAction] = []
    for target, attempt in tuple(state.restarts.items()):
        new, more = restart.advance(attempt, state.peers[target], state.timing, now)
        actions += more
        if new is not attempt:
            state = replace(state, restarts={**state.restarts, target: new})
    return state, tuple(actions)


# --- time ---------------------------------------------------------------------------------------------


def _wake_at(state: State, now: float) -> float:
    """When the shell is to call again at the latest, besides the heartbeat's own interval."""
    interval = state.timing.interval
    at = (now // interval + 1) * interval
    if at <= now:  # 1.0 // 0.1 is 9.0
        at += interval
    for run in state.runs.values():
        at = min(at, max(now, engine.wake_at(run)))
    for attempt in state.restarts.values():
        if attempt.again_at:
            at = min(at, max(now, attempt.again_at))
    for vote in state.votes.values():
        at = min(at, max(now, vote.deadline))
    for peer in state.peers.values():
        if peer.state not in CALM:
            return min(at, now + interval / 2)
    return min(at, now + interval / 2) if state.runs else at
