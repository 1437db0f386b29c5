"""What follows when restarts do not help: the rungs of a kernel's ladder, in their order, each until one holds.

How a rung is done, and whether it applies, is for the rung to find out (BeginRung -> RungEnded). Here is which comes
next, how long each may take, and what the length of a run means.
"""

from typing import Final

from msgspec.structs import replace

from graced.core.intensity import LONG_RUN_S
from graced.core.kernels.state import Climbing, Evidence, Failed, Kernel, Up, Waiting
from graced.core.kernels.vocabulary import Keep, KernelActions

EXAMINE: Final = "examine"
"""Before the first rung: what does its log say?"""
NOTIFY: Final = "notify"
CORE_RUNGS: Final = frozenset({"restart"})
"""Done by the core itself, and over once a kernel climbs."""
LIMIT_S: Final = {EXAMINE: 10.0, "restore_source": 60.0, NOTIFY: 60.0}
DEFAULT_LIMIT_S: Final = 600.0
"""How long a rung may take before the next one's turn; fix_source holds the user's verify command and a back end."""
RESEND_S: Final = 1.0
"""An action that was not answered is taken again."""
REPEATABLE: Final = frozenset({"fix_source"})
"""Taken again, before any run held, for another failure than it was taken for: one broken file after the other."""
TRIED_MAX: Final = 50
"""Rungs taken without one that held: not one broken file after the other for ever."""
FIRST_KEEP_S: Final = 1.0
"""A run of this length is worth a snapshot of its sources where there is none; a long one replaces it."""


def limit_s(rung: str) -> float:
    return LIMIT_S.get(rung, DEFAULT_LIMIT_S)


def has_rungs(kernel: Kernel) -> bool:
    """Is there anything between restarts and a person?"""
    return any(rung not in CORE_RUNGS and rung != NOTIFY for rung in kernel.spec.ladder)


def following(kernel: Kernel, after: str) -> str | None:
    """The next rung to take after this one; None at the ladder's end."""
    rungs = kernel.spec.ladder
    past = rungs.index(after) + 1 if after in rungs else 0
    full = len(kernel.tally.tried) >= TRIED_MAX
    for rung in rungs[past:]:
        if rung not in CORE_RUNGS and (rung == NOTIFY or not (full or key(rung, kernel) in kernel.tally.tried)):
            return rung
    return None


def key(rung: str, kernel: Kernel) -> str:
    """What taking the rung now would be, in words that tell it from other times."""
    evidence = kernel.tally.evidence or Evidence()
    if rung not in REPEATABLE:
        return rung
    return " ".join((rung, evidence.named[-1] if evidence.named else "", evidence.error)).rstrip()


def reason(kernel: Kernel) -> str:
    """Why it is down, with what its log says."""
    evidence = kernel.tally.evidence or Evidence()
    if not evidence.error or evidence.error in kernel.reason:
        return kernel.reason
    return f"{kernel.reason}; {evidence.error}"


def length_tells(kernel: Kernel, now: float) -> tuple[Kernel, KernelActions]:
    """Of a run that lives: a snapshot of its sources when it is worth one; once it is long, the ladder is over."""
    ran = now - kernel.run.started
    actions: KernelActions = ()
    if isinstance(kernel.phase, Up) and kernel.phase.ready and kernel.spec.sources:
        stage = (ran >= FIRST_KEEP_S) + (ran >= LONG_RUN_S)
        if stage > kernel.kept:
            kernel = replace(kernel, kept=stage)
            actions = (Keep(kernel.name, kernel.run.run, stage == 2),)
    if kernel.tally.tried and ran >= LONG_RUN_S:
        kernel = replace(kernel, tally=replace(kernel.tally, tried=(), rung=None, evidence=None))
    return kernel, actions


def length_tells_at(kernel: Kernel, now: float) -> float:
    """When that changes next."""
    times = (kernel.run.started + s for s in ((FIRST_KEEP_S, LONG_RUN_S) if kernel.spec.sources else (LONG_RUN_S,)))
    return min((t for t in times if t > now), default=float("inf"))


def concerned(kernel: Kernel, paths: tuple[str, ...]) -> str | None:
    """The first of the paths over which the kernel may be down."""
    if not kernel.wanted or not isinstance(kernel.phase, (Failed, Waiting, Climbing)):
        return None
    named = kernel.tally.evidence.named if kernel.tally.evidence is not None else ()
    return next((p for p in paths if p in named or inside(p, kernel.spec.sources)), None)


def inside(path: str, roots: tuple[str, ...]) -> bool:
    """Is the path one of these, or below one?"""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)
