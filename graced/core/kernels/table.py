"""phase × event -> function: the whole of what may become of a kernel. Nothing else makes a phase into another one.

Each function is pure: (kernel, event, now) -> (kernel, actions). What it decides by is in the module of that concern.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from graced.core.intensity import LONG_RUN_S, History, try_again
from graced.core.kernels import exits, ladder, orders, readiness
from graced.core.kernels.state import (
    Climbing,
    Done,
    Ending,
    Evidence,
    Failed,
    Kernel,
    Phase,
    Starting,
    Stopped,
    Tally,
    Up,
    Waiting,
)
from graced.core.kernels.vocabulary import (
    BeginRung,
    CountRestart,
    Due,
    End,
    Examine,
    Examined,
    GiveOrder,
    KernelAction,
    KernelActions,
    KernelEvent,
    Mended,
    PersonRestarts,
    PersonStarts,
    PersonStops,
    Renewed,
    RunBorn,
    RunEnded,
    RunFound,
    RungEnded,
    Start,
    StartRefused,
)
from graced.core.vocabulary import CloseIncident, NoteStep, Record

RESEND_S: Final = 1.0
"""A start or an end that nobody confirmed is asked for again; the run's number makes it harmless."""
DEPENDENCIES: Final = "waits for what it depends on"
TURN: Final = "waits for its turn: restarts.parallel"

Step = tuple[Kernel, KernelActions]
Rule = Callable[[Kernel, Any, float], Step]


def step(kernel: Kernel, event: KernelEvent, now: float) -> Step:
    """The kernel after the event, and what is to be done."""
    return TABLE[type(kernel.phase)][type(event)](kernel, event, now)


def nothing(kernel: Kernel, event: KernelEvent, now: float) -> Step:
    """The event means nothing in this phase."""
    return kernel, ()


# --- what the spawner tells


def born(kernel: Kernel, event: RunBorn, now: float) -> Step:
    run = event.run
    if run.run <= kernel.run.run:  # told before: by a sync's answer and by news that were under way, for one
        return kernel, ()
    kernel, missed = exits.missed(kernel, run, ending=isinstance(kernel.phase, Ending))
    actions: list[KernelAction] = [*missed, exits.started(run)]
    if kernel.tally.incident:
        actions.append(CountRestart(kernel.name, run.run))
    up = readiness.phase_of(kernel, run, now)
    phase = Ending("stop", up) if kernel.stopped_by_person else up
    tally = replace(kernel.tally, wants=0)
    new = replace(kernel, phase=phase, run=run, tally=tally, order=None, reason="", kept=0)
    if up.ready:
        new, recovered = _holds(new)
        actions += recovered
    return new, tuple(actions)


def _holds(kernel: Kernel) -> Step:
    """It is ready: that ends an incident, but one for which people were called, which takes a long run to end."""
    return (kernel, ()) if kernel.tally.escalated else exits.recovered(kernel)


def ended(kernel: Kernel, event: RunEnded, now: float) -> Step:
    run, exit, phase = event.run, event.exit, kernel.phase
    known = kernel.run.run
    if run.run < known or (run.run == known and not kernel.alive):
        return kernel, ()
    unseen = run.run > known > 0 and not event.text  # its birth was not told either
    kernel, missed = exits.missed(kernel, run, ending=isinstance(phase, Ending))
    actions: list[KernelAction] = list(missed)
    if unseen:
        actions.append(exits.started(run))
        if kernel.tally.incident:
            actions.append(CountRestart(kernel.name, run.run))
    actions.append(exits.ended(run, exit, event.text))
    reason = event.text or str(exit)
    down = replace(kernel, run=replace(run, pid=0, start_ticks=0), exit=exit, reason=reason, order=None)
    if (isinstance(phase, Ending) and phase.why == "stop") or not kernel.wanted:
        return replace(down, phase=Stopped(), wanted=False), tuple(actions)
    if event.stopping:
        return replace(down, phase=Waiting("", now), reason="graced was stopped"), tuple(actions)
    if isinstance(phase, Ending):
        return replace(down, phase=Waiting("", now)), tuple(actions)
    return _failed_or_over(down, event, actions, now)


def _failed_or_over(down: Kernel, event: RunEnded, actions: list[KernelAction], now: float) -> Step:
    well = exits.is_well(down.spec, event.exit)
    if not well:
        actions[-1] = exits.failed(actions[-1], down)
    found = exits.fate(down, event, now)
    if isinstance(found, exits.Over):
        over, recovered = exits.recovered(down)
        return replace(over, phase=Done(), wanted=False), (*actions, *recovered)
    if isinstance(found, exits.GiveUp):
        return _notify(down, found.why, actions, now)
    if isinstance(found, exits.StillFailed):
        tally = replace(down.tally, restarts=down.tally.restarts + 1)
        return replace(down, phase=_failed(down, now), reason=found.why, tally=tally), tuple(actions)
    if not well and down.tally.incident:  # the start that was to end it did not
        actions.append(NoteStep(down.tally.incident, "restart", False, down.reason))
    elif not well:
        down, opened = exits.opened(down, down.reason, event.since or now)
        actions += opened
    tally = replace(down.tally, history=found.history)
    if isinstance(found, exits.Climb):
        return _climb(replace(down, tally=tally), found.why, actions, now)
    tally = replace(tally, restarts=tally.restarts + 1, rung="restart", wants=tally.wants + event.wanting)
    return replace(down, phase=Waiting(found.why, now + found.wait), tally=tally), tuple(actions)


def found(kernel: Kernel, event: RunFound, now: float) -> Step:
    run, old = event.run, kernel.run
    if kernel.alive and (run.pid, run.started) == (old.pid, old.started):
        known = isinstance(kernel.phase, Ending) or kernel.phase == Up()
        phase: Phase = kernel.phase if known else readiness.phase_of(kernel, run, now)
        return replace(kernel, phase=phase, order=event.order), ()  # a new spawner holds no order: it is given again
    up = readiness.phase_of(kernel, run, now)
    why = "stop" if kernel.stopped_by_person else kernel.phase.why if isinstance(kernel.phase, Ending) else None
    phase = up if why is None else Ending(why, up)
    return replace(kernel, phase=phase, run=run, order=None, wanted=not kernel.stopped_by_person), ()


def refused(kernel: Kernel, event: StartRefused, now: float) -> Step:
    return replace(kernel, phase=Waiting("", now) if kernel.wanted else Stopped()), ()


# --- what people ask


def _cleared(kernel: Kernel) -> Kernel:
    """What a person's start or restart forgets; `failed_at` and the count over its life stay."""
    tally = kernel.tally
    return replace(kernel, tally=Tally(tally.restarts, incident=tally.incident, failed_at=tally.failed_at))


def starts_down(kernel: Kernel, event: PersonStarts, now: float) -> Step:
    """It is down, and nothing of it is under way."""
    actions = exits.closed_by_person(kernel, "started", now)
    kernel = _cleared(replace(kernel, stopped_by_person=False))
    kernel = replace(kernel, tally=replace(kernel.tally, incident=""), reason="")
    once = kernel.spec.ready.when == "exited" and isinstance(kernel.phase, Done) and exits.ended_well(kernel)
    if once and not event.named:
        return replace(kernel, wanted=False), actions
    return replace(kernel, wanted=True, phase=Waiting("", 0.0)), actions


def starts_starting(kernel: Kernel, event: PersonStarts, now: float) -> Step:
    new, actions = starts_down(replace(kernel, phase=Waiting()), event, now)
    return replace(new, phase=kernel.phase), actions


def starts_up(kernel: Kernel, event: PersonStarts, now: float) -> Step:
    return _cleared(replace(kernel, wanted=True, stopped_by_person=False)), ()


def starts_ending(kernel: Kernel, event: PersonStarts, now: float) -> Step:
    """It was to be stopped: it is started again after its end."""
    assert isinstance(kernel.phase, Ending)
    new, actions = starts_up(kernel, event, now)
    return replace(new, phase=replace(kernel.phase, why="restart")), actions


def stops_down(kernel: Kernel, event: PersonStops, now: float) -> Step:
    return _stopped(kernel, Stopped(), now)


def stops_starting(kernel: Kernel, event: PersonStops, now: float) -> Step:
    """What is born of the start that was asked for is ended."""
    return _stopped(kernel, kernel.phase, now)


def stops_up(kernel: Kernel, event: PersonStops, now: float) -> Step:
    assert isinstance(kernel.phase, Up)
    return _stopped(kernel, Ending("stop", kernel.phase), now)


def stops_ending(kernel: Kernel, event: PersonStops, now: float) -> Step:
    assert isinstance(kernel.phase, Ending)
    return _stopped(kernel, replace(kernel.phase, why="stop"), now)


def _stopped(kernel: Kernel, phase: Phase, now: float) -> Step:
    actions = exits.closed_by_person(kernel, "stopped", now)
    tally = replace(kernel.tally, incident="")
    return replace(kernel, phase=phase, wanted=False, stopped_by_person=True, tally=tally), actions


def restarts_down(kernel: Kernel, event: PersonRestarts, now: float) -> Step:
    return step(kernel, PersonStarts(kernel.name, True), now)


def restarts_up(kernel: Kernel, event: PersonRestarts, now: float) -> Step:
    assert isinstance(kernel.phase, Up)
    new, actions = starts_up(kernel, PersonStarts(kernel.name, True), now)
    return replace(new, phase=Ending("restart", kernel.phase)), actions


def restarts_ending(kernel: Kernel, event: PersonRestarts, now: float) -> Step:
    return step(kernel, PersonStarts(kernel.name, True), now)


# --- sources


def renewed(kernel: Kernel, event: Renewed, now: float) -> Step:
    if not kernel.wanted:
        return kernel, ()
    assert isinstance(kernel.phase, Up)
    return replace(kernel, phase=Ending("restart", kernel.phase), tally=replace(kernel.tally, history=History())), ()


def mended(kernel: Kernel, event: Mended, now: float) -> Step:
    """It is down over a file that compiles now: started again, its count cleared."""
    if not kernel.wanted:
        return kernel, ()
    why, incident = f"{event.path} was mended", kernel.tally.incident
    note: KernelActions = (NoteStep(incident, "fix_source", True, why),) if incident else ()
    return _again(kernel, why, now), note


def _again(kernel: Kernel, why: str, now: float) -> Kernel:
    """To be started again, its count cleared; what was tried is remembered until a run gets long."""
    tally = kernel.tally
    rung = tally.rung if isinstance(kernel.phase, Climbing) else "fix_source"
    tally = replace(tally, history=History(), rung=rung, tried=tally.tried or ("mended",), escalated=False)
    return replace(kernel, phase=Waiting("", now), reason=why, tally=tally)


# --- the ladder


def _climb(kernel: Kernel, why: str, actions: list[KernelAction], now: float) -> Step:
    """Restarts are over for this kernel, which is down: what else is there?"""
    if not ladder.has_rungs(kernel):
        return _notify(kernel, why, actions, now)
    kernel, opened = exits.opened(kernel, kernel.reason, now)
    tally = replace(kernel.tally, evidence=None)
    new = replace(kernel, phase=Climbing(ladder.EXAMINE, now, now), reason=why, tally=tally)
    return new, (*actions, *opened, Examine(new.name, new.run.run))


def _next_rung(kernel: Kernel, after: str, actions: list[KernelAction], now: float) -> Step:
    rung = ladder.following(kernel, after)
    if rung is None:
        return _give_up(kernel, ladder.reason(kernel), actions, now)
    return _begin(kernel, rung, actions, now)


def _begin(kernel: Kernel, rung: str, actions: list[KernelAction], now: float) -> Step:
    tally = replace(kernel.tally, rung=rung, tried=(*kernel.tally.tried, ladder.key(rung, kernel)))
    new = replace(kernel, phase=Climbing(rung, now, now), tally=tally, reason=ladder.reason(kernel))
    if rung == ladder.NOTIFY:
        new, escalated = _escalated(new)
        actions = [*actions, *escalated]
    return new, (*actions, BeginRung(new.name, new.run.run, new.incident, rung))


def _notify(kernel: Kernel, why: str, actions: list[KernelAction], now: float) -> Step:
    """Past all rungs but the last: a person."""
    kernel, opened = exits.opened(kernel, kernel.reason, now)
    actions, kernel = [*actions, *opened], replace(kernel, reason=why)
    if kernel.tally.evidence is None:  # what the log names may be mended later
        actions.append(Examine(kernel.name, kernel.run.run))
    if ladder.NOTIFY in kernel.spec.ladder:
        return _begin(kernel, ladder.NOTIFY, actions, now)
    return _give_up(kernel, why, actions, now)


def _give_up(kernel: Kernel, why: str, actions: list[KernelAction], now: float) -> Step:
    """The ladder's end: tried again now and then, its incident open until it holds; or left to people for good."""
    kernel, escalated = _escalated(replace(kernel, reason=why))
    phase = _failed(kernel, now)
    if phase.until is not None:
        return replace(kernel, phase=phase), (*actions, *escalated)
    closed = CloseIncident(kernel.incident, "escalated", max(0.0, now - kernel.tally.failed_at), 1)
    tally = replace(kernel.tally, incident="", escalated=False)
    return replace(kernel, phase=phase, tally=tally), (*actions, *escalated, closed)


def _failed(kernel: Kernel, now: float) -> Failed:
    return Failed(now + try_again(kernel.policy) if exits.tried_again(kernel) else None)


def _escalated(kernel: Kernel) -> Step:
    """People are called once for each incident."""
    if kernel.tally.escalated:
        return kernel, ()
    told = {"incident": kernel.incident, "subject": kernel.name, "text": kernel.reason}
    return replace(kernel, tally=replace(kernel.tally, escalated=True)), (Record("escalated", told),)


def examined(kernel: Kernel, event: Examined, now: float) -> Step:
    """Of one that climbs, the first rung follows; of another the evidence is kept."""
    if event.run != kernel.run.run:
        return kernel, ()
    new = replace(kernel, tally=replace(kernel.tally, evidence=event.evidence))
    if isinstance(kernel.phase, Climbing) and kernel.phase.rung == ladder.EXAMINE:
        return _next_rung(new, ladder.EXAMINE, [], now)
    return new, ()


def rung_ended(kernel: Kernel, event: RungEnded, now: float) -> Step:
    phase = kernel.phase
    assert isinstance(phase, Climbing)
    if (event.run, event.incident, event.rung) != (kernel.run.run, kernel.incident, phase.rung):
        return kernel, ()
    ok = event.outcome == "held_on"
    notes: list[KernelAction] = []
    if event.outcome != "not_applicable":
        notes.append(NoteStep(kernel.incident, event.rung, ok, event.text))
    if ok and event.restart:
        return _again(kernel, f"{event.rung}: {event.text}", now), tuple(notes)
    return _next_rung(kernel, event.rung, notes, now)


# --- the passing of time


def due_waiting(kernel: Kernel, event: Due, now: float) -> Step:
    assert isinstance(kernel.phase, Waiting)
    if now < kernel.phase.until:
        return kernel, ()
    if not event.needs_ready:
        return replace(kernel, phase=Waiting(DEPENDENCIES, kernel.phase.until, "dependencies")), ()
    if not event.room:
        return replace(kernel, phase=Waiting(TURN, kernel.phase.until, "turn")), ()
    return replace(kernel, phase=Starting(now)), (Start(kernel.name, kernel.run.run + 1),)


def due_starting(kernel: Kernel, event: Due, now: float) -> Step:
    assert isinstance(kernel.phase, Starting)
    if now - kernel.phase.asked < RESEND_S:
        return kernel, ()
    if not kernel.wanted:  # a person took back a start of which nothing came
        return replace(kernel, phase=Stopped()), ()
    return due_waiting(replace(kernel, phase=Waiting("", now)), replace(event, room=True), now)


def due_up(kernel: Kernel, event: Due, now: float) -> Step:
    """What the run's length means, and the right order for its exit."""
    assert isinstance(kernel.phase, Up)
    actions: list[KernelAction] = []
    if now >= readiness.ready_at(kernel):
        kernel, recovered = _holds(replace(kernel, phase=replace(kernel.phase, ready=True)))
        actions += recovered
    if kernel.tally.escalated and now - kernel.run.started >= LONG_RUN_S:
        kernel, recovered = exits.recovered(kernel)
        actions += recovered
    kernel, kept = ladder.length_tells(kernel, now)
    order = orders.next_order(kernel, now)
    if order == kernel.order:
        return kernel, (*actions, *kept)
    return replace(kernel, order=order), (*actions, *kept, GiveOrder(order))


def due_failed(kernel: Kernel, event: Due, now: float) -> Step:
    """Tried again, so that a kernel whose trouble has passed is not down for ever."""
    assert isinstance(kernel.phase, Failed)
    until = kernel.phase.until
    if until is None or now < until:
        return kernel, ()
    if not event.needs_ready:
        return replace(kernel, phase=_failed(kernel, now)), ()
    return replace(kernel, phase=Starting(now)), (Start(kernel.name, kernel.run.run + 1),)


def due_ending(kernel: Kernel, event: Due, now: float) -> Step:
    """Dependents end first."""
    assert isinstance(kernel.phase, Ending)
    asked = kernel.phase.asked
    if not event.outlived or (asked and now - asked < RESEND_S):
        return kernel, ()
    new = replace(kernel, phase=replace(kernel.phase, asked=now), order=None)
    return new, (End(kernel.name, kernel.run.run),)


def due_climbing(kernel: Kernel, event: Due, now: float) -> Step:
    """The rung is asked for again, or has had its time."""
    phase = kernel.phase
    assert isinstance(phase, Climbing)
    limit_s = ladder.limit_s(phase.rung)
    if now - phase.since >= limit_s:
        if phase.rung == ladder.EXAMINE:
            return _next_rung(replace(kernel, tally=replace(kernel.tally, evidence=Evidence())), phase.rung, [], now)
        note = NoteStep(kernel.incident, phase.rung, False, f"nothing came of it within {limit_s:g} s")
        return _next_rung(kernel, phase.rung, [note], now)
    if now - phase.asked < ladder.RESEND_S:
        return kernel, ()
    name, run = kernel.name, kernel.run.run
    examine = phase.rung == ladder.EXAMINE
    action = Examine(name, run) if examine else BeginRung(name, run, kernel.incident, phase.rung)
    return replace(kernel, phase=replace(phase, asked=now)), (action,)


TABLE: Final[Mapping[type[Phase], Mapping[type[KernelEvent], Rule]]] = {
    Stopped: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_down, PersonStops: stops_down, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: nothing, Examined: examined, RungEnded: nothing, Due: nothing,
    },
    Waiting: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_down, PersonStops: stops_down, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: mended, Examined: examined, RungEnded: nothing, Due: due_waiting,
    },
    Starting: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: refused,
        PersonStarts: starts_starting, PersonStops: stops_starting, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: nothing, Examined: examined, RungEnded: nothing, Due: due_starting,
    },
    Up: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_up, PersonStops: stops_up, PersonRestarts: restarts_up,
        Renewed: renewed, Mended: nothing, Examined: nothing, RungEnded: nothing, Due: due_up,
    },
    Ending: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_ending, PersonStops: stops_ending, PersonRestarts: restarts_ending,
        Renewed: nothing, Mended: nothing, Examined: nothing, RungEnded: nothing, Due: due_ending,
    },
    Climbing: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_down, PersonStops: stops_down, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: mended, Examined: examined, RungEnded: rung_ended, Due: due_climbing,
    },
    Failed: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_down, PersonStops: stops_down, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: mended, Examined: examined, RungEnded: nothing, Due: due_failed,
    },
    Done: {
        RunBorn: born, RunEnded: ended, RunFound: found, StartRefused: nothing,
        PersonStarts: starts_down, PersonStops: stops_down, PersonRestarts: restarts_down,
        Renewed: nothing, Mended: nothing, Examined: examined, RungEnded: nothing, Due: nothing,
    },
}  # fmt: skip
