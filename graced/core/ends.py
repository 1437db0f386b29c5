"""What the end of a run means: records, incidents, and what comes next when a recovery failed."""

from typing import Any

from msgspec.structs import replace

from graced.core import duty, engine
from graced.core.engine import Run
from graced.core.state import State, Stepped, with_run, without
from graced.core.steps import RESTARTED, SUCCEEDED, closings, recovery_record
from graced.core.vocabulary import CloseIncident, DropLock, EndRun, MemberAction, Record, SaveRun


def finish(state: State, run: Run, now: float) -> Stepped:
    """The run is over: record it, and say what comes next when it failed."""
    ok, recovered = bool(run.ok), SUCCEEDED in run.marks
    state, actions = _let_go(state, run)
    failed = bool(run.dead) and not recovered and not ok  # (`dead`: it is about members)
    if failed:
        state, more = _not_recovered(state, run, engine.failure(run), now)
        actions += more
        if run.tier == 3:
            return state, actions
    state = replace(state, runs=without(state.runs, run.id))
    if recovered and not ok:  # it is back, but an after-check did not hold: the incident is closed all the same
        actions += closings(run, now)
    actions += (finished(run, ok, now), ended(run, ok, engine.failure(run)))
    if failed:  # whoever brings it back, this member sees to it that the incident is closed
        note = engine.note_of(engine.again(run, 0.0, RESTARTED))
        return replace(state, orphans=(*state.orphans, note)), (*actions, SaveRun(note))
    return state, actions


def finished(run: Run, ok: bool, now: float, text: str = "") -> Record:
    """`playbook.finished`. `did`: whether any step of it did anything."""
    data: dict[str, Any] = {
        "playbook": run.playbook.name, "run": run.id, "slo_s": run.playbook.slo_s, "duration_s": now - run.started,
        "ok": ok,
    }  # fmt: skip
    if not run.dead:
        text = text or engine.failure(run)
        data |= {"on": run.by, "targets": list(run.targets), "did": engine.did(run)}
        data |= {"text": text} if text else {}
    return Record("playbook.finished", data)


def ended(run: Run, ok: bool, text: str) -> EndRun:
    return EndRun(run.id, ok, text, engine.told(run), run.vars.get("steps", {}))


def verified(run: Run) -> bool:
    checks = [p.state for s, p in zip(run.playbook.steps, run.steps, strict=True) if s.uses == "verify_member"]
    return bool(checks) and all(c == "ok" for c in checks)


def _let_go(state: State, run: Run) -> Stepped:
    """Forget the run's restarts, and drop the locks that they hold."""
    others = {t for other in state.runs.values() if other.dead and other.id != run.id for t in other.targets}
    gone = {t: state.restarts[t] for t in run.targets if t in state.restarts and t not in others}
    left = {t: r for t, r in state.restarts.items() if t not in gone}
    return replace(state, restarts=left), tuple(DropLock(t) for t, r in gone.items() if r.locked)


def _not_recovered(state: State, run: Run, text: str, now: float) -> Stepped:
    """A recovery failed. An emergency goes on: its run is tried again after a wait; others begin anew by succession."""
    failed = recovery_record("recovery.failed", state, run, now - run.started, text=text)
    for target in run.targets:
        state = duty.setback(duty.verdict_spent(state, target), target, text, now)
    if run.tier == 3:
        state, more = _emergency_again(state, run, text)
        return state, (failed, *more)
    first = duty.rank(state, run.target) == 0  # one of those who try calls a person
    if not first or state.setbacks[run.target].count != state.policy.max_restarts + 1:
        return state, (failed,)
    escalated = Record("escalated", {"incident": run.incident, "subject": run.target, "text": text})
    return state, (failed, escalated, CloseIncident(run.incident, "escalated", now - run.started, run.tier))


def _emergency_again(state: State, run: Run, text: str) -> Stepped:
    """A person is called, once; powers stay lent; the whole run begins again when the backoff is over."""
    until = max(state.setbacks[t].until for t in run.targets)
    run = engine.again(run, until, RESTARTED)
    failures = state.emergency.failures if state.emergency else 0
    if state.emergency is not None:
        state = replace(state, emergency=replace(state.emergency, failures=failures + 1))
    called = Record("escalated", {"incident": run.incident, "subject": "healers", "text": text})
    actions: tuple[MemberAction, ...] = (SaveRun(engine.note_of(run)), *((called,) if failures == 0 else ()))
    return with_run(state, run), actions
