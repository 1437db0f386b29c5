"""What follows when restarts do not help: the rungs of a kernel's ladder, each taken once until one holds.

`restart` is graced.core.kernels. Past it the failure is examined (the end of the log, the sources), and the next rung
that applies is taken: `fix_source` for a SyntaxError and its kin, `restore_source` for every other failure of a kernel
whose sources changed since it was healthy; `notify` ends it. A rung that did its work has the kernel started again
with its count cleared; it holds when that run gets long. Pure: (kernels, event, now) -> (kernels, actions).
"""

from typing import Final

from msgspec.structs import replace

from graced.core.intensity import LONG_RUN_S, History
from graced.core.kernel import (
    FIRST_KEEP_S,
    Evidence,
    Examine,
    FixSource,
    Keep,
    Kernel,
    KernelAction,
    Kernels,
    RestoreSource,
    Step,
    saved,
)
from graced.core.vocabulary import CloseIncident, NoteStep, OpenIncident, Record

LIMIT_S: Final = {"examine": 10.0, "fix_source": 600.0, "restore_source": 60.0}
"""How long each may take before the next one's turn; fix_source holds the user's verify command and a back end."""
RESEND_S: Final = 1.0
"""An action that was not answered is taken again."""
TRIED_MAX: Final = 50
"""Rungs taken without one that held: a kernel may fall over one broken file after the other, but not for ever."""


def climb(kernels: Kernels, kernel: Kernel, actions: list[KernelAction], why: str, now: float) -> Step:
    """Restarts are over for this kernel, which is down: what else is there?"""
    if not any(rung in LIMIT_S for rung in kernel.spec.ladder):
        return give_up(kernels, replace(kernel, state="failed"), actions, why)
    incident = kernel.incident or f"{kernel.name}-run{kernel.run}"
    if not kernel.incident:
        actions = [*actions, OpenIncident(incident, kernel.name, "kernel", kernel.reason, 1)]
    new = replace(kernel, state="backoff", climb="examine", incident=incident, reason=why, evidence=None)
    return _begin(kernels, new, actions, Examine(new.name, new.run), now)


def examined(kernels: Kernels, name: str, run: int, evidence: Evidence, now: float) -> Step:
    """The answer to Examine: of one that climbs the next rung follows, of another it is kept."""
    old = kernels.get(name)
    if old is None or old.run != run or old.alive:
        return kernels, ()
    new = replace(old, evidence=evidence)
    if old.climb != "examine":
        return {**kernels, name: new}, ()
    return _next(kernels, new, [], now)


def told(kernels: Kernels, name: str, run: int, rung: str, ok: bool, text: str, now: float) -> Step:
    """How the rung that was taken ended."""
    old = kernels.get(name)
    if old is None or old.run != run or old.climb != rung or old.alive:
        return kernels, ()
    note = NoteStep(old.incident, rung, ok, text)
    if ok:
        return saved(kernels, _again(old, now, f"{rung}: {text}"), note)
    return _next(kernels, old, [note], now)


def mended(kernels: Kernels, paths: tuple[str, ...], now: float) -> Step:
    """These files were broken and compile now: what failed over one of them is started again, its count cleared."""
    actions: list[KernelAction] = []
    for old in tuple(kernels.values()):
        path = _concerned(old, paths)
        if path is None or (old.asked and not old.climb):  # a start is under way
            continue
        why = f"{path} was mended"
        if old.incident:
            actions.append(NoteStep(old.incident, "fix_source", True, why))
        kernels, more = saved(kernels, _again(old, now, why))
        actions += more
    return kernels, tuple(actions)


def renew(kernels: Kernels, names: tuple[str, ...], now: float) -> Step:
    """Their sources were mended while they ran: the runs that live end, and the next ones begin. Counts nothing."""
    actions: list[KernelAction] = []
    for name in names:
        old = kernels.get(name)
        if old is not None and old.alive and old.wanted and not old.ending:
            kernels, more = saved(kernels, replace(old, ending="restart", history=History()))
            actions += more
    return kernels, tuple(actions)


def held(kernel: Kernel, now: float) -> tuple[Kernel, tuple[KernelAction, ...]]:
    """Of a run that lives: what its length means."""
    ran = now - kernel.started
    actions: tuple[KernelAction, ...] = ()
    if kernel.state in ("ready", "healthy") and kernel.spec.sources:
        stage = (ran >= FIRST_KEEP_S) + (ran >= LONG_RUN_S)
        if stage > kernel.kept:
            kernel, actions = replace(kernel, kept=stage), (Keep(kernel.name, kernel.run, stage == 2),)
    if kernel.tried and ran >= LONG_RUN_S:
        kernel = replace(kernel, tried=(), rung=None, evidence=None)
    return kernel, actions


def tend(kernels: Kernels, kernel: Kernel, now: float) -> Step:
    """Of one that climbs: asked again, or given up."""
    if now >= kernel.due:
        if kernel.climb == "examine":
            return _next(kernels, replace(kernel, evidence=kernel.evidence or Evidence()), [], now)
        note = NoteStep(kernel.incident, kernel.climb, False, f"nothing came of it within {LIMIT_S[kernel.climb]:g} s")
        return _next(kernels, kernel, [note], now)
    if now - kernel.asked < RESEND_S:
        return kernels, ()
    return {**kernels, kernel.name: replace(kernel, asked=now)}, (_action(kernel),)


def give_up(kernels: Kernels, kernel: Kernel, actions: list[KernelAction], why: str) -> Step:
    """The ladder's end: a human. The log is looked at all the same, in case that what it names is mended later."""
    incident = kernel.incident or f"{kernel.name}-run{kernel.run}"
    actions = list(actions)
    if not kernel.incident:
        actions.append(OpenIncident(incident, kernel.name, "kernel", kernel.reason, 1))
    new = replace(kernel, rung="notify", reason=why, incident="", due=0.0, asked=0.0, climb="", state="failed")
    actions += [
        Record("escalated", {"incident": incident, "subject": kernel.name, "text": why}),
        NoteStep(incident, "notify", True, why),
        CloseIncident(incident, "escalated", 0.0, 1),
    ]
    if kernel.evidence is None:
        actions.append(Examine(kernel.name, kernel.run))
    return saved(kernels, new, *actions)


# --- from one rung to the next


def _next(kernels: Kernels, kernel: Kernel, actions: list[KernelAction], now: float) -> Step:
    """The first rung after the one that was taken which applies."""
    evidence = kernel.evidence or Evidence()
    rungs = kernel.spec.ladder
    past = rungs.index(kernel.climb) + 1 if kernel.climb in rungs else 0
    for rung in rungs[past:]:
        what = _applies(rung, evidence)
        if what is None or what in kernel.tried or len(kernel.tried) >= TRIED_MAX:
            continue
        assert rung == "fix_source" or rung == "restore_source"
        new = replace(kernel, climb=rung, rung=rung, tried=(*kernel.tried, what), reason=_reason(kernel, evidence))
        return _begin(kernels, new, actions, _action(new), now)
    return give_up(kernels, kernel, actions, _reason(kernel, evidence))


def _applies(rung: str, evidence: Evidence) -> str | None:
    """What taking the rung would be, in a word that tells it from other times; None when it is passed over."""
    if rung == "fix_source" and evidence.syntax and evidence.mendable:
        return f"fix_source {evidence.path} {evidence.error}"
    if rung == "restore_source" and evidence.changed and not evidence.syntax:
        return "restore_source"
    return None


def _reason(kernel: Kernel, evidence: Evidence) -> str:
    """Why it is down, with what its log says."""
    if not evidence.error or evidence.error in kernel.reason:
        return kernel.reason
    return f"{kernel.reason}; {evidence.error}"


def _action(kernel: Kernel) -> KernelAction:
    evidence = kernel.evidence or Evidence()
    match kernel.climb:
        case "fix_source":
            return FixSource(kernel.name, kernel.run, kernel.incident, evidence.path, evidence.error)
        case "restore_source":
            return RestoreSource(kernel.name, kernel.run, kernel.incident)
    return Examine(kernel.name, kernel.run)


def _begin(kernels: Kernels, kernel: Kernel, actions: list[KernelAction], action: KernelAction, now: float) -> Step:
    new = replace(kernel, asked=now, due=now + LIMIT_S[kernel.climb])
    return saved(kernels, new, *actions, action)


def _again(kernel: Kernel, now: float, why: str) -> Kernel:
    """To be started again, its count cleared; what was tried is remembered until the run gets long."""
    return replace(
        kernel, state="backoff", climb="", due=now, asked=0.0, history=History(), reason=why,
        rung=kernel.rung if kernel.climb else "fix_source", tried=kernel.tried or ("mended",),
    )  # fmt: skip


def _concerned(kernel: Kernel, paths: tuple[str, ...]) -> str | None:
    """The first of the paths over which the kernel may be down."""
    if kernel.alive or not kernel.wanted or kernel.ending or kernel.state not in ("failed", "backoff"):
        return None
    named = kernel.evidence.named if kernel.evidence is not None else ()
    return next((p for p in paths if p in named or inside(p, kernel.spec.sources)), None)


def inside(path: str, roots: tuple[str, ...]) -> bool:
    """Is the path one of these, or below one?"""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)
