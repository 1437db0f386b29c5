"""The actions of the playbooks that bring members back, as the core performs them.

Each has a `begin` (once an attempt) and a `poll` (after every event, until it gives a verdict); their step has its
arguments filled in. Polling a condition over the state keeps them idempotent: a takeover begins a step again and finds
what is already so.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from graced.core import leases, restart
from graced.core.engine import TAKEN_OVER, Progress, Run, mark
from graced.core.state import Emergency, State, Stepped, down, healthy, incarnation, with_run
from graced.core.vocabulary import Beat, CloseIncident, MemberAction, Record, SendGrant, SendRevoke
from graced.spec.playbook import Step
from graced.spec.roles import DELEGATES, HEALERS, MEMBERS, PEER, POWERS

Verdict = tuple[bool, str] | None
Begin = Callable[[State, Run, Step, float], Stepped]
Poll = Callable[[State, Run, Step, float], Verdict]

ACK_INTERVALS: Final = 2.0  # a delegate or mutual test that does not answer by then is not waited for
ACK_FLOOR_S: Final = 1.0
WATCHDOG_ONLY: Final = frozenset({"activate_emergency", "delegate_powers", "revoke_powers", "deactivate_emergency"})
TARGETED: Final = frozenset({"restart_member", "verify_member", "test_mutual"})
RESTARTED: Final = "recovery.started"  # marks: facts on record that a takeover does not repeat
SUCCEEDED: Final = "recovery.succeeded"
GRANTED: Final = "granted:"
REVOKED: Final = "revoked:"


def _nothing(state: State, run: Run, step: Step, now: float) -> Stepped:
    return state, ()


def _yes(state: State, run: Run, step: Step, now: float) -> Verdict:
    return True, "recorded"


def target_of(run: Run, step: Step) -> str:
    return str(step.with_.get("target") or run.target)


def _progress(run: Run, step: Step) -> Progress:
    return next(p for s, p in zip(run.playbook.steps, run.steps, strict=True) if s.name == step.name)


def refusal(state: State, run: Run, step: Step) -> str:
    """Why this process may not perform a step of its own here; empty when it may."""
    if step.uses in WATCHDOG_ONLY and state.me != "watchdog":
        return "only the watchdog does this"
    target = target_of(run, step)
    if step.uses in TARGETED and target not in MEMBERS:
        return f"{target or 'nothing'} is no member"
    return ""


def _waited(state: State, run: Run, step: Step, now: float) -> bool:
    return now - _progress(run, step).at >= max(ACK_FLOOR_S, ACK_INTERVALS * state.timing.interval)


def dead_incarnation(run: Run, target: str) -> int:
    """The incarnation of `target` that the run is about."""
    return run.dead.get(target, 0)


def recovery_record(kind: str, state: State, run: Run, duration: float, **more: str) -> Record:
    """`recovery.started`, `recovery.succeeded` or `recovery.failed`."""
    data = {"tier": run.tier, "targets": list(run.targets), "by": state.me, "duration_s": duration}
    return Record(kind, {**data, "incident": run.incident, **more})


# --- restart and verification -------------------------------------------------------------------------


def _verify_agent(state: State, run: Run, step: Step, now: float) -> Verdict:
    return (True, f"{state.me} is fit to recover") if state.ready else None


def _back(state: State, run: Run, target: str) -> bool:
    return healthy(state, target) and incarnation(state, target) > dead_incarnation(run, target)


def begun(state: State, run: Run) -> Stepped:
    """The recovery has begun in earnest: on record once.

    In tiers 1 and 2 that is when the look under the lock has shown that nobody else brought the member back.
    """
    if RESTARTED in run.marks:
        return state, ()
    record = recovery_record("recovery.started", state, run, 0.0)
    return with_run(state, mark(run, RESTARTED)), (record,)


def _restart_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    target = target_of(run, step)
    actions: list[MemberAction] = []
    if run.tier == 3:
        state, told = begun(state, run)
        actions += told
    if target == state.me or _back(state, run, target) or target in state.restarts:
        return state, tuple(actions)
    attempt = _progress(run, step).attempt
    # (A try of the verification that has to bring it back once more meets the start intensity.)
    force = step.uses == "restart_member" and (bool(step.with_.get("force")) or run.tier == 3)
    attempted, more = restart.begin(
        target, f"{run.id}/{attempt}/{state.me}-{state.incarnation}", dead_incarnation(run, target), force
    )
    return replace(state, restarts={**state.restarts, target: attempted}), (*actions, *more)


def _restart_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    target = target_of(run, step)
    if target == state.me or _back(state, run, target):
        return True, f"{target} is back as incarnation {incarnation(state, target)}"
    if healthy(state, target) and target not in state.restarts:
        return True, f"{target} is alive again by itself"
    attempt = state.restarts.get(target)
    if attempt is None:
        return False, "the restart was given up"
    if not attempt.over:
        return None
    return attempt.phase == "done", attempt.text


def _verify_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    target = target_of(run, step)
    if down(state, target) and target not in state.restarts:  # it died again: bring it back, this is one of the tries
        return _restart_begin(state, run, step, now)
    return state, ()


def _verify_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    target = target_of(run, step)
    if healthy(state, target):
        return True, f"{target} is healthy, incarnation {incarnation(state, target)}"
    attempt = state.restarts.get(target)
    if down(state, target) and (attempt is None or attempt.over):
        return False, f"{target} is down again"
    return None


def _hears(state: State, listener: str, speaker: str) -> bool:
    """Does `listener` say that it hears the living incarnation of `speaker`?"""
    if listener == state.me:
        return healthy(state, speaker)
    beat = state.peers[listener].beat
    return (
        beat is not None and healthy(state, listener) and beat.hears.get(speaker, 0) >= incarnation(state, speaker) > 0
    )


def _mutual_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    target = target_of(run, step)
    if target == state.me or _hears(state, target, state.me):
        return True, f"{target} watches {state.me} back"
    if down(state, target) or _waited(state, run, step, now):
        return False, f"{target} does not say that it hears {state.me}"
    return None


def _verify_mutual_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    if all(_hears(state, healer, PEER[healer]) for healer in HEALERS):
        return True, "the healers watch each other"
    if any(down(state, healer) for healer in HEALERS) or _waited(state, run, step, now):
        return False, "the healers do not both hear each other"
    return None


# --- the emergency --------------------------------------------------------------------------------------


def _activate_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    if state.emergency is not None:  # a second run of the same emergency
        return state, ()
    return replace(state, emergency=Emergency(run.incident, now)), (
        Record("emergency.activated", {"incident": run.incident, "targets": list(run.targets), "by": state.me}),
    )


def _delegate(state: State, run: Run, now: float) -> Stepped:
    """Grant to every delegate that is healthy and holds nothing yet in this incarnation."""
    actions: list[MemberAction] = []
    for agent in DELEGATES:
        peer = state.peers[agent]
        held = state.grants.get(agent)
        if peer.state != "healthy" or (held and held.lease.incarnation == peer.incarnation):
            continue
        grant = leases.grant(agent, peer.incarnation, run.incident, state.timing, now)
        state = replace(state, grants={**state.grants, agent: grant})
        actions.append(SendGrant(grant.lease))
        if GRANTED + agent not in run.marks:
            run = mark(run, GRANTED + agent)
            actions.append(
                Record(
                    "delegation.granted", {"agent": agent, "powers": list(grant.lease.powers), "incident": run.incident}
                )
            )
    return with_run(state, run), tuple(actions)


def _delegate_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    return _delegate(state, run, now)


def _delegate_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    holders = [a for a, g in state.grants.items() if g.acked]
    if len(holders) == len(DELEGATES):
        return True, "powers lent to " + ", ".join(sorted(holders))
    waiting = [a for a in DELEGATES if a not in holders]
    if now - _progress(run, step).at < max(3 * ACK_FLOOR_S, ACK_INTERVALS * state.timing.interval):
        return None
    return True, f"no answer from {', '.join(waiting)}"  # the healers matter more: the emergency goes on without them


def _revoke_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    actions: list[MemberAction] = []
    grants = {agent: replace(g, revoked=True) for agent, g in state.grants.items()}
    for agent in DELEGATES:
        if GRANTED + agent not in run.marks and TAKEN_OVER not in run.marks:
            continue  # (an executor that died may have lent what it had no time to store)
        actions.append(SendRevoke(agent, run.incident))
        if REVOKED + agent not in run.marks:
            run = mark(run, REVOKED + agent)
            actions.append(
                Record("delegation.revoked", {"agent": agent, "powers": list(POWERS[agent]), "incident": run.incident})
            )
    return with_run(replace(state, grants=grants), run), tuple(actions)


def _revoke_poll(state: State, run: Run, step: Step, now: float) -> Verdict:
    left = [
        a
        for a, g in state.grants.items()
        if not g.returned and not down(state, a) and g.lease.incarnation == state.peers[a].incarnation
    ]
    if left and not _waited(state, run, step, now):
        return None
    return (
        True,
        "all powers are back"
        if not left
        else f"revoked; no answer from {', '.join(left)}, whose leases end by themselves",
    )


def _deactivate_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    span = now - (state.emergency.since if state.emergency else run.started)
    return replace(state, emergency=None, grants={}), (
        Record("emergency.ended", {"incident": run.incident, "targets": list(run.targets), "duration_s": span}),
    )


def closings(run: Run, now: float) -> tuple[MemberAction, ...]:
    """Close the run's incident, and those of tier-1 recoveries that an emergency absorbed."""
    absorbed = [f"{t}-{dead_incarnation(run, t)}" for t in run.targets] if run.tier == 3 else []
    return tuple(CloseIncident(id, "recovered", now - run.started, run.tier) for id in (run.incident, *absorbed))


def _audit_begin(state: State, run: Run, step: Step, now: float) -> Stepped:
    return state, closings(run, now)


CORE_STEPS: Final[dict[str, tuple[Begin, Poll]]] = {
    "verify_agent": (_nothing, _verify_agent),
    "restart_member": (_restart_begin, _restart_poll),
    "verify_member": (_verify_begin, _verify_poll),
    "test_mutual": (_nothing, _mutual_poll),
    "audit": (_audit_begin, _yes),
    "activate_emergency": (_activate_begin, _yes),
    "delegate_powers": (_delegate_begin, _delegate_poll),
    "revoke_powers": (_revoke_begin, _revoke_poll),
    "deactivate_emergency": (_deactivate_begin, _yes),
    "verify_mutual": (_nothing, _verify_mutual_poll),
}


def _delegating(run: Run) -> bool:
    """Has the run come to lending powers?"""
    return any(
        s.uses == "delegate_powers" and p.state != "pending"
        for s, p in zip(run.playbook.steps, run.steps, strict=True)
    )  # fmt: skip


def revoke_strays(state: State, beat: Beat) -> tuple[MemberAction, ...]:
    """A delegate says that it holds powers of an emergency that is over: it missed the revocation."""
    active = {r.incident for r in state.runs.values() if r.tier == 3 and REVOKED + beat.member not in r.marks}
    return tuple(SendRevoke(beat.member, incident) for incident in beat.leases if incident not in active)


def tend_grants(state: State, now: float) -> Stepped:
    """Lend to delegates that came back, and renew what runs out, while the emergency lasts."""
    if state.emergency is None or any(g.revoked for g in state.grants.values()):
        return state, ()
    run = next((r for r in state.runs.values() if r.tier == 3 and r.ok is None), None)
    actions: list[MemberAction] = []
    if run is not None and _delegating(run):
        state, granted = _delegate(state, run, now)
        actions += granted
    for agent, held in state.grants.items():
        if now >= held.renew_at:
            state = replace(state, grants={**state.grants, agent: leases.renew(held, now)})
            actions.append(SendGrant(held.lease))
    return state, tuple(actions)
