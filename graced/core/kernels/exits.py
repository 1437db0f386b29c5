"""What the end of a run means: nothing more to do, again after a wait, or the ladder. And the runs nobody told of."""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.core.intensity import History, backoff, weigh
from graced.core.kernels.state import Kernel
from graced.core.kernels.vocabulary import CountRestart, KernelAction, KernelActions, RunEnded
from graced.core.orders import Exit
from graced.core.vocabulary import CloseIncident, NoteStep, OpenIncident, Record
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run

WANT_LEAST_S: Final = 0.1
"""Between two births that fail for want of something, whatever the backoff says."""


class Again(Struct, frozen=True):
    """To be started again after `wait` seconds. `why`: what it waits for, where that is not its backoff."""

    wait: float
    history: History
    why: str = ""


class Over(Struct, frozen=True):
    """It ended well, and is not started again."""


class Climb(Struct, frozen=True):
    """Restarts are over: the ladder. `history`: the failures counted with this one."""

    why: str
    history: History


class GiveUp(Struct, frozen=True):
    """Nobody is to start it but a person."""

    why: str


class StillFailed(Struct, frozen=True):
    """It was tried again after its ladder, in vain."""

    why: str


Fate = Again | Over | Climb | GiveUp | StillFailed


def fate(kernel: Kernel, event: RunEnded, now: float) -> Fate:
    """Of a kernel that was meant to run, and whose run ended by itself."""
    spec, history = kernel.spec, kernel.tally.history
    exit, reason = event.exit, event.text or str(event.exit)
    well = is_well(spec, exit)
    if event.wanting:
        # It grows to `backoff.max` though `backoff.initial` is 0: a folder may stay away for a week.
        policy = replace(kernel.policy, immediate=0, initial=max(kernel.policy.initial, WANT_LEAST_S))
        return Again(max(WANT_LEAST_S, backoff(kernel.tally.wants + 1, policy, event.noise)), history, reason)
    if not event.by_order and not _restartable(spec, exit, well):
        return Over() if well else GiveUp(f"{reason}; restart: {spec.restart}")
    if kernel.tally.escalated:
        return StillFailed(reason)
    if exit.code is not None and exit.code in spec.exit_codes.no_restart:
        return Climb(f"{exit} is in exit_codes.no_restart", history)
    if not well and "restart" not in spec.ladder:
        return Climb(f"{reason}; no restart in its ladder", history)
    ran = max(0.0, now - event.run.started)
    verdict = weigh(history, kernel.policy, ran, now, event.noise)
    if verdict.spent and not event.by_order:
        policy = kernel.policy
        why = f"{reason}; restarted {policy.max_restarts} times within {policy.window:g} s"
        return Climb(why, verdict.history)
    return Again(verdict.wait, verdict.history)


def tried_again(kernel: Kernel) -> bool:
    """Is it tried again once its ladder is over? Only where its configuration wants a restart after that exit."""
    spec = kernel.spec
    code = kernel.exit.code if kernel.exit is not None else None
    barred = kernel.policy.give_up or spec.restart == "never" or "restart" not in spec.ladder
    return not barred and (code is None or code not in spec.exit_codes.no_restart)


def is_well(spec: Spec, exit: Exit) -> bool:
    return exit.code is not None and exit.code in spec.exit_codes.ok


def ended_well(kernel: Kernel) -> bool:
    """Did its last run that ended, end well?"""
    return kernel.exit is not None and is_well(kernel.spec, kernel.exit)


def _restartable(spec: Spec, exit: Exit, well: bool) -> bool:
    if spec.ready.when == "exited" and well:
        return False
    return spec.restart == "always" or (spec.restart == "on-failure" and not well)


# --- what is told of it


def started(run: Run) -> Record:
    return Record("kernel.started", {"kernel": run.kernel, "run": run.run, "pid": run.pid})


def ended(run: Run, exit: Exit, text: str) -> Record:
    told = {"kernel": run.kernel, "run": run.run, "pid": run.pid, "exit": exit_data(exit), "text": text}
    return Record("kernel.exited", told)


def failed(ended: KernelAction, kernel: Kernel) -> Record:
    """The record of an end, where it is a failure: of which incident it is a part, and what it was."""
    assert isinstance(ended, Record)
    return Record(ended.kind, {**ended.data, "failed": True, "incident": kernel.incident, "evidence": kernel.reason})


def exit_data(exit: Exit | None) -> dict[str, int] | Literal["unknown"] | None:
    """`exit` as status and audit show it: {"code": 0} | {"signal": 9} | "unknown" | None while it never ended."""
    if exit is None:
        return None
    if exit.code is not None:
        return {"code": exit.code}
    return {"signal": exit.signal} if exit.signal is not None else "unknown"


def opened(kernel: Kernel, evidence: str, now: float) -> tuple[Kernel, KernelActions]:
    """The kernel with an open incident, and how that is told if it was not open before."""
    if kernel.tally.incident:
        return kernel, ()
    incident = kernel.incident
    new = replace(kernel, tally=replace(kernel.tally, incident=incident, failed_at=now))
    return new, (OpenIncident(incident, kernel.name, "kernel", evidence, 1),)


def recovered(kernel: Kernel) -> tuple[Kernel, KernelActions]:
    """Its run holds: the incident is over. It took from the failure until that run's start."""
    tally, run = kernel.tally, kernel.run
    if not tally.incident:
        return kernel, ()
    note = NoteStep(tally.incident, "restart", True, f"run {run.run}, pid {run.pid}")
    closed = CloseIncident(tally.incident, "recovered", max(0.0, run.started - tally.failed_at), 1)
    return replace(kernel, tally=replace(tally, incident="", escalated=False)), (note, closed)


def closed_by_person(kernel: Kernel, did: str, now: float) -> KernelActions:
    """An incident that was still open when a person took over."""
    incident = kernel.tally.incident
    if not incident:
        return ()
    note = NoteStep(incident, "person", True, f"{did} by a person")
    return note, CloseIncident(incident, "recovered", max(0.0, now - kernel.tally.failed_at), 1)


# --- runs whose reports were lost


def missed(kernel: Kernel, run: Run, *, ending: bool) -> tuple[Kernel, KernelActions]:
    """Runs before `run` that nobody told of: they count, and are told of, all the same.

    `ending`: its run was to end anyway, so what followed is no failure.
    """
    known = kernel.run.run
    gap = range(known if kernel.alive else known + 1, run.run)
    if ending or not gap or not known:
        return kernel, ()
    actions: list[KernelAction] = []
    for number in gap:
        lost, incident = Run(kernel.name, number), f"{kernel.name}-run{number}"
        if number > known:
            actions.append(started(lost))
            if kernel.tally.incident:
                actions.append(CountRestart(kernel.name, number))
        actions += [
            ended(lost, Exit(), "nobody saw it"),
            OpenIncident(incident, kernel.name, "kernel", str(Exit()), 1),
            CloseIncident(incident, "recovered", 0.0, 1),
            CountRestart(kernel.name, number + 1),
        ]
    times = (run.started,) * len(gap)
    tally = kernel.tally
    history = History((*tally.history.restarts, *times), (*tally.history.short, *times))
    new = replace(kernel, tally=replace(tally, history=history, restarts=tally.restarts + len(gap)))
    return new, tuple(actions)
