"""The runs of this process: steps begin, are polled, end, are tried again; and what the end of a run means.

The engine (graced.core.engine) knows steps, attempts and order; here they meet the member's state.
"""

from typing import Any

from msgspec.structs import replace

from graced.core import duty, engine
from graced.core.engine import Run
from graced.core.state import State, Stepped, incarnation, with_run, without
from graced.core.steps import CORE_STEPS, RESTARTED, SUCCEEDED, closings, recovery_record, refusal, target_of
from graced.core.vocabulary import (
    Action,
    Bump,
    CloseIncident,
    DropLock,
    EndRun,
    NoteStep,
    Perform,
    Record,
    SaveRun,
    StepDone,
)
from graced.playbooks import expression
from graced.spec.playbook import Step as PlaybookStep


def advance(state: State, now: float) -> Stepped:
    actions: list[Action] = []
    for id in tuple(state.runs):
        for index in engine.running(state.runs[id]):
            state, more = _poll(state, state.runs[id], index, now)
            actions += more
        for index in engine.due(state.runs[id], now):
            state, more = _begin(state, state.runs[id], index, now)
            actions += more
        run = engine.conclude(state.runs[id])
        if run.ok is not None:
            state, more = _finish(state, run, now)
            actions += more
    return state, tuple(actions)


def _begin(state: State, run: Run, index: int, now: float) -> Stepped:
    run = engine.attempt(run, index, now)
    state = with_run(state, run)
    spec = run.playbook.steps[index]
    core = CORE_STEPS.get(spec.uses)
    if core is None:
        return _begin_performed(state, run, index, now)
    why = refusal(state, run, spec)
    if why:
        return _settle(state, run, index, False, why, now)
    state = _forget_restart(state, run, index)
    return core[0](state, run, spec, now)


def _variables(state: State, run: Run) -> dict[str, Any]:
    """What expressions may name: the playbook's own variables, `event`, and `steps` with what each step gave."""
    event = {"target": run.target, "by": run.by, "tier": run.tier, "incident": run.incident}
    return {**run.playbook.vars, "target": run.target, "agent": state.me, "steps": {}, **run.vars, "event": event}


def _begin_performed(state: State, run: Run, index: int, now: float) -> Stepped:
    """A step of a user's playbook: its condition, its arguments filled in, then a worker."""
    spec, progress = run.playbook.steps[index], run.steps[index]
    if spec.approve:
        return _settle(state, run, index, False, "it waits for an approval, which this version cannot ask for", now)
    try:
        if not expression.holds(spec.when, _variables(state, run)):
            return with_run(state, engine.skip(run, index, f"when: {spec.when}")), ()
        args = expression.render(spec.with_, _variables(state, run))
    except (ValueError, TypeError) as error:
        return _settle(state, run, index, False, str(error), now)
    return state, (Perform(run.id, index, progress.attempt, spec.uses, args, progress.deadline - now),)


def _forget_restart(state: State, run: Run, index: int) -> State:
    """A new attempt does not inherit the verdict of the last one."""
    over = {t for t in run.targets if t in state.restarts and state.restarts[t].over}
    if not over or run.playbook.steps[index].uses not in ("restart_member", "verify_member"):
        return state
    return replace(state, restarts={t: r for t, r in state.restarts.items() if t not in over})


def _late(state: State, run: Run, spec: PlaybookStep, limit_s: float) -> str:
    """Why there is no result yet, as far as the attempt to restart knows."""
    attempt = state.restarts.get(target_of(run, spec))
    why = f": {attempt.text}" if attempt is not None and attempt.text else ""
    return f"no result within {limit_s:g} s{why}"


def _poll(state: State, run: Run, index: int, now: float) -> Stepped:
    spec, progress = run.playbook.steps[index], run.steps[index]
    core = CORE_STEPS.get(spec.uses)
    verdict = core[1](state, run, spec, now) if core else None
    if verdict is None and now >= progress.deadline:
        verdict = (False, _late(state, run, spec, progress.deadline - progress.at))
    if verdict is None:
        return state, ()
    return _settle(state, run, index, *verdict, now)


def _settle(state: State, run: Run, index: int, ok: bool, text: str, now: float) -> Stepped:
    name, attempt = run.playbook.steps[index].name, run.steps[index].attempt
    run = engine.settle(run, index, ok, text, now)
    actions: list[Action] = [
        Record(
            "playbook.step",
            {
                "playbook": run.playbook.name,
                "run": run.id,
                "step": name,
                "attempt": attempt,
                "ok": ok,
                "text": text,
                "slo_s": run.playbook.slo_s,
                "duration_s": now - run.started,
            },
        ),
        NoteStep(run.incident, name, ok, text),
    ]
    if RESTARTED in run.marks and SUCCEEDED not in run.marks and _verified(run):
        run = engine.mark(run, SUCCEEDED)
        actions.append(recovery_record("recovery.succeeded", state, run, now - run.started))
        actions.append(Bump("recoveries.emergency" if run.tier == 3 else "recoveries.mutual", run.incident))
    elif _found_back(state, run):  # whoever brought it back may be dead, and must not go uncounted
        actions.append(Bump("recoveries.mutual", run.incident))
    actions.append(SaveRun(engine.note_of(run)))
    return with_run(state, run), tuple(actions)


def _found_back(state: State, run: Run) -> bool:
    """Did somebody else bring the target back while this run waited for its lock?"""
    if run.tier == 3 or not run.dead or RESTARTED in run.marks or not _verified(run):
        return False
    return incarnation(state, run.target) > run.dead.get(run.target, 0)


def _verified(run: Run) -> bool:
    checks = [p.state for s, p in zip(run.playbook.steps, run.steps, strict=True) if s.uses == "verify_member"]
    return bool(checks) and all(c == "ok" for c in checks)


def _finish(state: State, run: Run, now: float) -> Stepped:
    """The run is over: record it, and say what comes next when it failed."""
    span, ok, recovered = now - run.started, bool(run.ok), SUCCEEDED in run.marks
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
    data = {"playbook": run.playbook.name, "run": run.id, "slo_s": run.playbook.slo_s, "duration_s": span, "ok": ok}
    actions += (Record("playbook.finished", data), EndRun(run.id, ok, engine.failure(run), engine.told(run)))
    if failed:  # whoever brings it back, this member sees to it that the incident is closed
        note = engine.note_of(engine.again(run, 0.0, RESTARTED))
        return replace(state, orphans=(*state.orphans, note)), (*actions, SaveRun(note))
    return state, actions


def _let_go(state: State, run: Run) -> Stepped:
    """Forget the run's restarts, and drop the locks that they hold."""
    gone = {t: state.restarts[t] for t in run.targets if t in state.restarts}
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
    return with_run(state, run), (SaveRun(engine.note_of(run)), *((called,) if failures == 0 else ()))


def step_done(state: State, event: StepDone, now: float) -> Stepped:
    run = state.runs.get(event.run)
    if run is None or run.ok is not None:
        return state, ()
    progress = run.steps[event.step]
    if progress.state != "running" or progress.attempt != event.attempt:
        return state, ()
    spec, ok, text = run.playbook.steps[event.step], event.ok, event.text
    result = {"ok": ok, "text": text, "output": event.output}
    run = replace(run, vars={**run.vars, "steps": {**run.vars.get("steps", {}), spec.name: result}})
    try:
        if ok and spec.until and not expression.holds(spec.until, {**_variables(state, run), "result": result}):
            ok, text = False, f"not yet: {spec.until}"
    except ValueError as error:
        ok, text = False, str(error)
    return _settle(with_run(state, run), run, event.step, ok, text, now)
