"""A run of a playbook that somebody asked for: how it is begun, what it may name, and the locks that it waits for.

A run works on its target and on whatever the arguments of its actions name (`ActionSpec.targets`), and holds a lock on
each of them, a file of the home, until it is over: two playbooks never work on one target at once, whoever executes
them. What an argument names only after a step is locked before the step that needs it. Recoveries of members are in
order by themselves (graced.core.duty) and wait for no playbook.
"""

from typing import Any, Final

from msgspec.structs import replace

from graced.core import duty, engine
from graced.core.ends import ended, finished
from graced.core.engine import Run
from graced.core.state import State, Stepped, down, with_run, without
from graced.core.vocabulary import EndRun, RunAsked, SaveRun, TakeTargets, TargetsTaken
from graced.spec import expression
from graced.spec.actions import BUILT_IN
from graced.spec.playbook import Playbook, Step
from graced.spec.roles import EMERGENCY_PLAYBOOK, MEMBERS, MUTUAL_PLAYBOOK

LOCK_AGAIN_S: Final = 0.1
VARS_LIMIT_CHARS: Final = 16_000
NO_EVENT: Final = dict.fromkeys(("trigger", "kernel", "run", "rung", "reason", "evidence", "error", "incarnation"), "")
"""What triggers tell, so that a playbook may ask for it whoever has started it."""


def asked(state: State, event: RunAsked, now: float) -> Stepped:
    """Begin the run, once for each request."""
    if event.request in state.requests:
        return state, ()
    state = replace(state, requests=(*state.requests[-duty.REQUESTS_KEPT :], event.request))
    if event.playbook == MUTUAL_PLAYBOOK:
        if event.by not in MEMBERS and not (event.target in state.peers and down(state, event.target)):
            text = f"{event.target or 'no target'} is not down: `graced restart` restarts what lives"
            return state, (EndRun(event.request, False, text),)
        if duty.in_hand(state, event.target, now):
            return state, ()
        return duty.begin_mutual(state, event.target, now, tier=event.tier, request=event.request, by=event.by)
    playbook = state.playbooks.get(event.playbook)
    if playbook is None:
        return state, (EndRun(event.request, False, f"no playbook {event.playbook}"),)
    if event.playbook == EMERGENCY_PLAYBOOK:
        return state, (EndRun(event.request, False, "the watchdog runs it when both healers are down, nobody else"),)
    if len(str(event.vars)) > VARS_LIMIT_CHARS:
        return state, (EndRun(event.request, False, f"the variables are longer than {VARS_LIMIT_CHARS} characters"),)
    return begin(state, event, playbook, now)


def begin(state: State, event: RunAsked, playbook: Playbook, now: float, grant: str = "") -> Stepped:
    """`grant`: the emergency whose powers the run may use."""
    run = engine.new_run(
        event.request, playbook, (), event.tier, event.incident or event.request, now,
        request=event.request, by=event.by,
    )  # fmt: skip
    first = (event.target,) if event.target else ()
    run = replace(run, targets=first, vars=event.vars, event=event.event, grant=grant)
    known = variables(state, run)
    more: set[str] = set()
    for step in playbook.steps:
        more |= targets_of(step, _filled(step, known))
    run = replace(run, targets=(*first, *sorted(more - set(first))))
    started = (duty.started(state, run), SaveRun(engine.saved(run)))
    run = replace(run, locked=not run.targets)
    take = (TakeTargets(run.id, run.targets),) if run.targets else ()
    return with_run(state, replace(run, lock_at=now + LOCK_AGAIN_S, lock_since=now)), (*started, *take)


def _filled(step: Step, known: dict[str, Any]) -> dict[str, Any]:
    """The arguments that can be filled in before the run begins."""
    args: dict[str, Any] = {}
    for name, value in step.with_.items():
        try:
            args[name] = expression.render(value, known)
        except (ValueError, TypeError):  # it depends on an earlier step, or is wrong: told when the step begins
            continue
    return args


def targets_of(step: Step, args: dict[str, Any]) -> frozenset[str]:
    """What the step works on, by its arguments."""
    spec = BUILT_IN.get(step.uses)
    named = (args.get(name) for name in spec.targets) if spec is not None else ()
    return frozenset(value for value in named if isinstance(value, str) and value)


def variables(state: State, run: Run) -> dict[str, Any]:
    """What expressions may name: the playbook's own variables, `event`, and `steps` with what each step gave."""
    event = {**NO_EVENT, **run.event, "target": run.target, "by": run.by, "tier": run.tier, "incident": run.incident}
    own = {"target": run.target, "agent": state.me, "steps": {}}
    return {**run.playbook.vars, **own, **run.vars, "event": event}


# --- locks


def unlocked(run: Run, more: tuple[str, ...], now: float) -> Run:
    """The run needs these targets too, before its next step."""
    return replace(run, targets=(*run.targets, *more), locked=False, lock_at=now, lock_since=now)


def tend(state: State, run: Run, now: float) -> Stepped:
    """Ask again for the locks of a run that waits for another's end; it waits for as long as its SLO."""
    if run.locked or run.ok is not None or now < run.lock_at:
        return state, ()
    if now - run.lock_since > run.playbook.slo_s and not engine.running(run):
        text = f"another playbook was at work on {', '.join(run.targets)} for {run.playbook.slo_s:g} s"
        state = replace(state, runs=without(state.runs, run.id))
        return state, (finished(run, False, now, text), ended(run, False, text))
    return with_run(state, replace(run, lock_at=now + LOCK_AGAIN_S)), (TakeTargets(run.id, run.targets),)


def locked(state: State, event: TargetsTaken, now: float) -> Stepped:
    """The locks are held, or somebody else has one of them."""
    run = state.runs.get(event.run)
    if run is None or run.locked or event.held_by:
        return state, ()
    return with_run(state, replace(run, locked=True)), ()
