"""The runs of this process: steps begin, are polled, end, are tried again; and what the end of a run means.

The engine (graced.core.engine) knows steps, attempts and order; here they meet the member's state. How a run is begun,
and what it must have before its first step, is graced.core.asking; what the end of a recovery means, graced.core.ends.
"""

from typing import Any, Final

from msgspec.structs import replace

from graced.core import approvals, asking, duty, engine, powers
from graced.core.ends import finish, verified
from graced.core.engine import Run
from graced.core.state import State, Stepped, incarnation, with_run
from graced.core.steps import CORE_STEPS, RESTARTED, SUCCEEDED, recovery_record, refusal, target_of
from graced.core.vocabulary import Bump, MemberAction, NoteStep, Perform, Record, RunContext, SaveRun, StepDone
from graced.spec import expression
from graced.spec.actions import performer
from graced.spec.playbook import Step
from graced.spec.roles import MEMBERS

NOTHING: Final[dict[str, Any]] = {}


def advance(state: State, now: float) -> Stepped:
    actions: list[MemberAction] = []
    for id in tuple(state.runs):
        state, more = asking.tend(state, state.runs[id], now)
        actions += more
        if id in state.runs:
            state, more = _watch_slo(state, state.runs[id], now)
            actions += more
        if id not in state.runs:
            continue
        for index in engine.running(state.runs[id]):
            state, more = _poll(state, state.runs[id], index, now)
            actions += more
        if not _must_wait(state, state.runs[id], now):
            for index in engine.due(state.runs[id], now):
                state, more = _begin(state, state.runs[id], index, now)
                actions += more
        run = engine.conclude(state.runs[id])
        if run.ok is not None:
            state, more = finish(state, run, now)
            actions += more
    return state, tuple(actions)


def _watch_slo(state: State, run: Run, now: float) -> Stepped:
    """A run that takes longer than it is meant to calls a person, once; not while it waits for one."""
    if run.dead or engine.SLOW in run.marks or run.ok is not None or now - run.started <= run.playbook.slo_s:
        return state, ()
    if approvals.open_ones(run):
        return state, ()
    at = ", ".join(run.playbook.steps[i].name for i in engine.running(run)) or "waiting"
    text = f"{run.playbook.name} is not over within its SLO of {run.playbook.slo_s:g} s; it is at: {at}"
    data = {"incident": run.incident, "subject": run.target or run.playbook.name, "text": text, "run": run.id}
    run = engine.mark(run, engine.SLOW)
    return with_run(state, run), (Record("escalated", data), SaveRun(engine.saved(run)))


def _must_wait(state: State, run: Run, now: float) -> bool:
    """The recovery of a member waits for no playbook; the playbooks that work on that member wait for it.

    While graced is being stopped no further step begins; should the stop die midway, they go on.
    """
    if run.dead:
        return False
    return state.stopping or any(t in MEMBERS and duty.in_hand(state, t, now) for t in run.targets)


# --- a step begins


def _begin(state: State, run: Run, index: int, now: float) -> Stepped:
    if not run.locked:  # the step before it, which began just now, works on something else too
        return state, ()
    step = run.playbook.steps[index]
    known = asking.variables(state, run)
    try:
        if index not in engine.interrupted(run) and not expression.holds(step.when, known):
            return _passed_over(state, run, index, f"when: {step.when}")
        args = expression.render(step.with_, known)
    except (ValueError, TypeError) as error:
        return _settle(with_run(state, engine.attempt(run, index, now)), run.id, index, False, str(error), now)
    new = asking.targets_of(step, args) - set(run.targets)
    if new and not run.dead:
        return with_run(state, asking.unlocked(run, tuple(sorted(new)), now)), ()
    if step.approve is not None:
        may, (state, actions) = approvals.gate(state, run, index, step, known, now)
        if not may:
            return state, actions
        state, more = _attempt(state, state.runs[run.id], index, replace(step, with_=args), now)
        return state, (*actions, *more)
    return _attempt(state, run, index, replace(step, with_=args), now)


def _attempt(state: State, run: Run, index: int, step: Step, now: float) -> Stepped:
    """`step` has its arguments filled in."""
    run = engine.attempt(run, index, now)
    state = with_run(state, run)
    lacking = powers.lacking(state, run, step, now)
    if lacking:
        what = f"{step.uses} of {run.playbook.name}"
        refused = Record("power.refused", {"agent": state.me, "power": lacking, "what": what, "run": run.id})
        text = f"{state.me} does not hold the power {lacking}"
        state, actions = _settle(state, run.id, index, False, text, now)
        return state, (refused, *actions)
    if performer(step.uses) != "core":
        return _have_performed(state, run, index, step, now)
    why = refusal(state, run, step)
    if why:
        return _settle(state, run.id, index, False, why, now)
    return CORE_STEPS[step.uses][0](_forget_restart(state, run, step), run, step, now)


def _have_performed(state: State, run: Run, index: int, step: Step, now: float) -> Stepped:
    """By a worker or the duty. That the attempt begins is stored first: a successor takes the same one up."""
    progress = run.steps[index]
    told = {k: v for k, v in asking.variables(state, run).items() if k not in ("steps", "event")}
    context = RunContext(run.playbook.name, step.name, run.target, run.incident, run.by, told)
    span = progress.deadline - now
    return state, (
        SaveRun(engine.saved(run)),
        Perform(run.id, index, progress.attempt, step.uses, step.with_, span, context),
    )


def _passed_over(state: State, run: Run, index: int, text: str) -> Stepped:
    name = run.playbook.steps[index].name
    run = engine.keep_outcome(engine.skip(run, index, text), name, {"ok": False, "text": text, "output": {}})
    return with_run(state, run), (SaveRun(engine.saved(run)),)


def _forget_restart(state: State, run: Run, step: Step) -> State:
    """A new attempt does not inherit the verdict of the last one."""
    over = {t for t in run.targets if t in state.restarts and state.restarts[t].over}
    if not over or step.uses not in ("restart_member", "verify_member"):
        return state
    return replace(state, restarts={t: r for t, r in state.restarts.items() if t not in over})


# --- a step ends


def _late(state: State, run: Run, step: Step, limit_s: float) -> str:
    """Why there is no result yet, as far as the attempt to restart knows."""
    attempt = state.restarts.get(target_of(run, step))
    why = f": {attempt.text}" if attempt is not None and attempt.text else ""
    return f"no result within {limit_s:g} s{why}"


def _poll(state: State, run: Run, index: int, now: float) -> Stepped:
    step, progress = run.playbook.steps[index], run.steps[index]
    verdict = None
    if performer(step.uses) == "core":
        verdict = CORE_STEPS[step.uses][1](state, run, _filled(state, run, step), now)
    if verdict is not None:
        return _ended(state, run, index, *verdict, NOTHING, now)
    if now >= progress.deadline:
        text = _late(state, run, _filled(state, run, step), progress.deadline - progress.at)
        return _settle(state, run.id, index, False, text, now)
    return state, ()


def _filled(state: State, run: Run, step: Step) -> Step:
    if not step.with_:
        return step
    try:
        return replace(step, with_=expression.render(step.with_, asking.variables(state, run)))
    except (ValueError, TypeError):  # told when it began
        return step


def step_done(state: State, event: StepDone, now: float) -> Stepped:
    """A worker or the duty says how an attempt ended."""
    run = state.runs.get(event.run)
    if run is None or run.ok is not None:
        return state, ()
    progress = run.steps[event.step]
    if progress.state != "running" or progress.attempt != event.attempt:
        return state, ()
    if not event.applies:
        return _passed_over(state, run, event.step, event.text)
    return _ended(state, run, event.step, event.ok, event.text, event.output, now)


def _ended(
    state: State, run: Run, index: int, ok: bool, text: str, output: dict[str, Any], now: float
) -> Stepped:  # fmt: skip
    """An attempt was performed: `until` has the last word."""
    step = run.playbook.steps[index]
    result = {"ok": ok, "text": text, "output": output}
    if ok and step.until:
        try:
            if not expression.holds(step.until, {**asking.variables(state, run), "result": result}):
                ok, text = False, f"not yet: {step.until}"
        except ValueError as error:
            ok, text = False, str(error)
    if not run.dead:
        run = engine.keep_outcome(run, step.name, {**result, "ok": ok, "text": text})
    return _settle(with_run(state, run), run.id, index, ok, text, now)


def _settle(state: State, id: str, index: int, ok: bool, text: str, now: float) -> Stepped:
    run = state.runs[id]
    name, attempt = run.playbook.steps[index].name, run.steps[index].attempt
    run = engine.settle(run, index, ok, text, now)
    data = {
        "playbook": run.playbook.name, "run": run.id, "step": name, "attempt": attempt, "ok": ok, "text": text,
        "slo_s": run.playbook.slo_s, "duration_s": now - run.started,
    }  # fmt: skip
    actions: list[MemberAction] = [Record("playbook.step", data), NoteStep(run.incident, name, ok, text)]
    if not run.dead and name not in run.vars.get("steps", {}):
        run = engine.keep_outcome(run, name, {"ok": ok, "text": text, "output": {}})
    if RESTARTED in run.marks and SUCCEEDED not in run.marks and verified(run):
        run = engine.mark(run, SUCCEEDED)
        actions.append(recovery_record("recovery.succeeded", state, run, now - run.started))
        actions.append(Bump("recoveries.emergency" if run.tier == 3 else "recoveries.mutual", run.incident))
    elif _found_back(state, run):  # whoever brought it back may be dead, and must not go uncounted
        actions.append(Bump("recoveries.mutual", run.incident))
    actions.append(SaveRun(engine.saved(run)))
    return with_run(state, run), tuple(actions)


def _found_back(state: State, run: Run) -> bool:
    """Did somebody else bring the target back while this run waited for its lock?"""
    if run.tier == 3 or not run.dead or RESTARTED in run.marks or not verified(run):
        return False
    return incarnation(state, run.target) > run.dead.get(run.target, 0)
