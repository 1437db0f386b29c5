"""What self_healing decides about kernels: when one is started, restarted, given up, called ready.

The standing order for the next exit is derived ahead of the event (graced.core.kernel, graced.core.orders).
What follows when restarts do not help is graced.core.ladder. Pure: (kernels, event, now) -> (kernels, actions).
"""

from typing import Any, Final

from msgspec.structs import replace

from graced.core import ladder
from graced.core.intensity import History, weigh
from graced.core.kernel import (
    End,
    Ending,
    GiveOrder,
    Kernel,
    Kernels,
    Save,
    Start,
    State,
    Step,
    ended_well,
    exit_data,
    meant,
    next_order,
    order_changes_at,
    satisfied,
)
from graced.core.kernel import saved as _saved
from graced.core.kernel import with_kernel as _with
from graced.core.ladder import climb, give_up
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, Bump, CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Kernel as Spec

CLEARED: Final[dict[str, Any]] = {"history": History(), "rung": None, "climb": "", "tried": (), "evidence": None}
"""What a person's start or restart forgets."""
WAITS: Final = "waits for what it depends on"
UNBORN: Final = "the spawner died during its birth"
RESEND_S: Final = 1.0  # a start that nobody confirmed is asked for again; the run number makes it harmless

__all__ = [
    "WAITS", "End", "GiveOrder", "Kernel", "Kernels", "Save", "Start", "Step", "adopt", "born", "ended_well", "exit_data",
    "exited", "meant", "person_restart", "person_start", "person_stop", "refused", "satisfied", "stop_waves", "tend",
    "wake_at", "with_dependencies",
]  # fmt: skip


# --- reports from the spawner ----------------------------------------------------------------------------


def born(kernels: Kernels, running: Running, now: float) -> Step:
    """A run was started: by our request, or by the standing order."""
    old = kernels.get(running.kernel)
    if old is None or (running.run <= old.run and old.alive):
        return kernels, ()
    old, missed = _missed(old, running)
    told = {"kernel": old.name, "run": running.run, "pid": running.pid}
    actions: list[Action] = [*missed, Record("kernel.started", told)]
    again = old.incident != ""
    if again:
        actions += [
            NoteStep(old.incident, "restart", True, f"run {running.run}, pid {running.pid}"),
            *_recovered(old.incident, max(0.0, running.started - old.ended_at)),
        ]
    state: State = "starting" if old.spec.ready.when == "exited" else "ready"
    new = replace(
        old, state=state, run=running.run, pid=running.pid, start_ticks=running.start_ticks, started=running.started,
        asked=0.0, due=0.0, incident="", order=None, reason="", ending="stop" if old.held else "",
        climb="", kept=0,
    )  # fmt: skip
    return _saved(kernels, new, *actions)


def exited(
    kernels: Kernels,
    running: Running,
    now: float,
    *,
    by_order: bool,
    noise: float,
    stopping: bool = False,
    text: str = "",
) -> Step:
    """A run ended. `by_order`: the spawner has started the next one already (its `born` follows).

    `stopping`: a `graced stop` did it; that is no failure, and should the stop die midway it is started again.
    """
    old = kernels.get(running.kernel)
    exit = running.exit or Exit()
    if old is None or running.run < old.run or (running.run == old.run and not old.alive and not text):
        return kernels, ()
    ran = max(0.0, now - running.started)
    unseen = running.run > old.run > 0 and not text  # `text`: its birth failed
    old, missed = _missed(old, running)
    if unseen:
        missed = (*missed, Record("kernel.started", {"kernel": old.name, "run": running.run, "pid": running.pid}))
        if old.incident:  # that start had ended it
            missed = (*missed, *_recovered(old.incident, max(0.0, running.started - old.ended_at)))
    old = replace(old, run=running.run)
    actions: list[Action] = [
        *missed,
        Record(
            "kernel.exited",
            {"kernel": old.name, "run": running.run, "pid": running.pid, "exit": exit_data(exit), "text": text},
        ),
    ]
    down = replace(old, pid=0, exit=exit, order=None, asked=0.0, climb="", ended_at=now, reason=text or str(exit))
    if old.ending == "stop" or not old.wanted:
        return _saved(kernels, replace(down, state="stopped", ending="", wanted=False), *actions)
    if stopping:
        return _saved(kernels, replace(down, state="stopped", ending="", reason="graced was stopped"), *actions)
    if old.ending == "restart":
        return _saved(kernels, replace(down, state="backoff", ending="", due=now), *actions)
    well = exit.code is not None and exit.code in old.spec.exit_codes.ok
    if not by_order and not _restartable(old.spec, exit, well):
        state: State = "exited" if well else "failed"
        new = replace(down, state=state, wanted=old.wanted and state == "failed")
        if state == "failed":
            return give_up(kernels, new, actions, f"{down.reason}; restart: {old.spec.restart}")
        return _saved(kernels, new, *actions)
    if not well and old.incident and text:  # the start that was to end an incident failed
        actions.append(NoteStep(old.incident, "restart", False, text))
    elif not well:
        incident = f"{old.name}-run{running.run}"
        down = replace(down, incident=incident)
        actions.append(OpenIncident(incident, old.name, "kernel", str(exit), 1))
    verdict = weigh(old.history, old.policy, ran, now, noise)
    if exit.code is not None and exit.code in old.spec.exit_codes.no_restart:
        return climb(kernels, down, actions, f"{exit} is in exit_codes.no_restart", now)
    if not well and "restart" not in old.spec.ladder:
        return climb(kernels, down, actions, f"{down.reason}; no restart in its ladder", now)
    if verdict.spent and not by_order:
        why = f"{down.reason}; restarted {old.policy.max_restarts} times within {old.policy.window:g} s"
        return climb(kernels, replace(down, history=verdict.history), actions, why, now)
    new = replace(
        down,
        state="backoff",
        history=verdict.history,
        due=now + verdict.wait,
        restarts=old.restarts + 1,
        rung="restart",
    )
    return _saved(kernels, new, *actions)


def _restartable(spec: Spec, exit: Exit, well: bool) -> bool:
    if spec.ready.when == "exited" and well:
        return False
    return spec.restart == "always" or (spec.restart == "on-failure" and not well)


def refused(kernels: Kernels, running: Running, now: float) -> Step:
    """The spawner knows better: take over what it says."""
    kernels, actions = adopt(kernels, running, now)
    if running.kernel in kernels:
        kernels = _with(kernels, replace(kernels[running.kernel], asked=0.0))
    return kernels, actions


def adopt(kernels: Kernels, running: Running, now: float) -> Step:
    """What the spawner says of a kernel when self_healing (or the spawner) is new."""
    old = kernels.get(running.kernel)
    if old is None or running.run < old.run:
        return kernels, ()
    if running.run > old.run:
        return born(kernels, running, now) if running.alive else _exited_unseen(kernels, running, now)
    if not running.alive:
        return _exited_unseen(kernels, running, now) if old.alive else (kernels, ())
    if running.pid == old.pid and running.started == old.started:  # a new spawner holds no orders: tend gives it again
        return _with(kernels, replace(old, order=running.order)), ()
    return _saved(kernels, _alive_again(old, running))


def _exited_unseen(kernels: Kernels, running: Running, now: float) -> Step:
    if running.pid:
        return exited(kernels, running, now, by_order=False, noise=0.0)
    # A run that was announced and has no process: its spawner died in between, and the run before it is dead.
    old, before = kernels[running.kernel], replace(running, run=running.run - 1)
    first: tuple[Action, ...] = ()
    if old.alive and old.run < running.run:
        before = replace(before, pid=old.pid if old.run == before.run else 0)
        kernels, first = exited(kernels, before, now, by_order=False, noise=0.0)
    kernels, second = exited(kernels, running, now, by_order=False, noise=0.0, text=UNBORN)
    return kernels, (*first, *second)


def _missed(old: Kernel, running: Running) -> tuple[Kernel, tuple[Action, ...]]:
    """Runs whose reports were lost with a self_healing and a spawner: they count, and are told of, all the same."""
    gap = range(old.run if old.alive else old.run + 1, running.run)
    if old.ending or not gap or not old.run:
        return old, ()
    actions: list[Action] = []
    for run in gap:
        incident, told = f"{old.name}-run{run}", {"kernel": old.name, "run": run, "pid": 0}
        if run > old.run:
            actions.append(Record("kernel.started", told))
        actions += [
            Record("kernel.exited", {**told, "exit": exit_data(Exit()), "text": "nobody saw it"}),
            OpenIncident(incident, old.name, "kernel", str(Exit()), 1),
            *_recovered(incident, 0.0),
        ]
    times = (running.started,) * len(gap)
    history = History((*old.history.restarts, *times), (*old.history.short, *times))
    return replace(old, history=history, restarts=old.restarts + len(gap)), tuple(actions)


def _recovered(incident: str, duration: float) -> tuple[Action, ...]:
    return CloseIncident(incident, "recovered", duration, 1), Bump("recoveries.kernel", incident)


def _alive_again(old: Kernel, running: Running) -> Kernel:
    state: State = "starting" if old.spec.ready.when == "exited" else "ready"
    return replace(
        old,
        state=state,
        pid=running.pid,
        start_ticks=running.start_ticks,
        started=running.started,
        asked=0.0,
        due=0.0,
        order=None,
        wanted=not old.held,
        ending="stop" if old.held else old.ending,
    )


# --- what people ask ---------------------------------------------------------------------------------------


def _needs(kernel: Kernel) -> frozenset[str]:
    return frozenset(d.name for d in kernel.spec.depends_on)


def with_dependencies(kernels: Kernels, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names and all that they depend on, dependencies first."""
    seen: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in seen or name not in kernels:
            return
        for dependency in kernels[name].spec.depends_on:
            visit(dependency.name)
        seen.setdefault(name)

    for name in names:
        visit(name)
    return tuple(seen)


def stop_waves(kernels: Kernels, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """In which order to stop: each wave may be stopped at once, dependents before what they depend on."""
    left = [n for n in names if n in kernels]
    waves: list[tuple[str, ...]] = []
    while left:
        needed = {d.name for n in left for d in kernels[n].spec.depends_on}
        wave = tuple(n for n in left if n not in needed) or tuple(left)
        waves.append(wave)
        left = [n for n in left if n not in wave]
    return tuple(waves)


def _off_the_ladder(kernel: Kernel) -> Kernel:
    """What climbs has no start under way: `asked` is of the rung, which a person's word ends."""
    return replace(kernel, climb="", asked=0.0) if kernel.climb else kernel


def person_start(kernels: Kernels, names: tuple[str, ...], now: float) -> Step:
    """Start by name, with what it depends on; clears `failed`, the count and the rung."""
    actions: list[Action] = []
    for name in with_dependencies(kernels, names):
        old = _off_the_ladder(kernels[name])
        ending: Ending = "restart" if old.ending else ""  # it was to be stopped: it is started again after its end
        clear = replace(old, wanted=True, held=False, due=0.0, ending=ending, **CLEARED)
        if not old.alive:
            actions += _closed_by_person(old, now, "started")
            done = old.spec.ready.when == "exited" and old.state == "exited" and ended_well(old) and name not in names
            clear = replace(clear, state=old.state if done else "backoff", wanted=not done, incident="", reason="")
        kernels, more = _saved(kernels, clear)
        actions += more
    return kernels, tuple(actions)


def _closed_by_person(kernel: Kernel, now: float, did: str) -> tuple[Action, ...]:
    """An incident that was still open when a person took over."""
    if not kernel.incident:
        return ()
    note = NoteStep(kernel.incident, "person", True, f"{did} by a person")
    return note, CloseIncident(kernel.incident, "recovered", max(0.0, now - kernel.ended_at), 1)


def person_stop(kernels: Kernels, names: tuple[str, ...], now: float) -> Step:
    """Stop by name: it stays stopped until a person starts it. Dependents of it that run are not touched."""
    actions: list[Action] = []
    for name in names:
        if name not in kernels:
            continue
        old = _off_the_ladder(kernels[name])
        actions += _closed_by_person(old, now, "stopped")
        new = replace(old, wanted=False, held=True, incident="")
        new = replace(new, ending="stop") if old.alive or old.asked else replace(new, state="stopped", due=0.0)
        kernels, more = _saved(kernels, new)
        actions += more
    return kernels, tuple(actions)


def person_restart(kernels: Kernels, names: tuple[str, ...], now: float) -> Step:
    """Restart by a person: never counts, clears `failed`, starts what was stopped."""
    actions: list[Action] = []
    for name in names:
        old = kernels.get(name)
        if old is None:
            continue
        if not old.alive:
            kernels, more = person_start(kernels, (name,), now)
        else:
            new = replace(old, wanted=True, held=False, ending="restart", **CLEARED)
            kernels, more = _saved(kernels, new)
        actions += more
    return kernels, tuple(actions)


# --- the passing of time -----------------------------------------------------------------------------------


def tend(kernels: Kernels, now: float, *, parallel: int | None = None) -> Step:
    """What is due: starts whose dependencies are ready, ends that were asked for, orders that changed."""
    actions: list[Action] = []
    starting = sum(1 for k in kernels.values() if (k.asked and not k.climb) or k.state == "starting")
    for old in tuple(kernels.values()):
        new, more = _tend_one(kernels, old, now, parallel is None or starting < parallel)
        starting += any(isinstance(a, Start) for a in more)
        if new is not old:
            kernels = _with(kernels, new)
        actions += more
    return kernels, tuple(actions)


def _tend_one(kernels: Kernels, old: Kernel, now: float, room: bool) -> tuple[Kernel, tuple[Action, ...]]:
    if old.climb and old.wanted and not old.alive:
        step = ladder.tend(kernels, old, now)
        return step[0][old.name], step[1]
    if old.asked and now - old.asked < RESEND_S:
        return old, ()
    if old.alive:
        return _tend_alive(kernels, old, now)
    if old.asked and not old.wanted:  # a person took back a start of which nothing came
        return replace(old, state="stopped", asked=0.0, ending=""), ()
    if not old.wanted or old.state in ("failed", "exited") or now < old.due:
        return old, ()
    if not all(satisfied(kernels[d.name]) for d in old.spec.depends_on if d.name in kernels):
        known = old.reason == WAITS and not old.asked
        return (old if known else replace(old, reason=WAITS, asked=0.0)), ()
    if not room and not old.asked:
        return old, ()
    return replace(old, state="starting", asked=now), (Start(old.name, old.run + 1),)


def _tend_alive(kernels: Kernels, old: Kernel, now: float) -> tuple[Kernel, tuple[Action, ...]]:
    """End what is to end, dependents first; else see that the order for the next exit is the right one."""
    if old.ending and any(k.alive and k.ending and old.name in _needs(k) for k in kernels.values()):
        return old, ()
    if old.ending:
        stop = old.spec.stop
        return replace(old, asked=now, order=None), (End(old.name, old.run, stop.signal, stop.timeout_s),)
    new, actions = ladder.held(old, now)
    order = next_order(new, now)
    return (new, actions) if order == new.order else (replace(new, order=order), (*actions, GiveOrder(order)))


def wake_at(kernels: Kernels, now: float) -> float:
    """When time alone changes something."""
    at = float("inf")
    for k in kernels.values():
        if k.asked:
            at = min(at, k.asked + RESEND_S)
        elif k.alive:
            at = min(at, order_changes_at(k, now))
        elif k.wanted and k.due > now:
            at = min(at, k.due)
    return at
