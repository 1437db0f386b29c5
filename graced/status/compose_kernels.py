"""Makes the `kernels` of the status from what was gathered. Pure.

self_healing's own view is best; without it, the disk. Either is checked against what lives: a run whose process is gone
is never shown as running, and a run that the spawner began by standing order is shown before anyone else knows of it.
"""

from typing import Final, cast

from msgspec.structs import replace

from graced.bus.protocol import KernelView
from graced.spec.config import Kernel
from graced.spec.ready import hold_s
from graced.spec.run import Run
from graced.status.compose_members import since_ticks
from graced.status.facts import Gathered
from graced.status.structs import ALIVE, WELL, KernelState, KernelStatus

PASSED: Final = frozenset({"exited", "scheduled"})
"""Meant to be as it is: does not count against `healthy`."""

OVER: Final = frozenset({"failed", "exited", "scheduled"})
"""States of a kernel without a process that stay true while nobody starts any."""

ENDED: Final = "its process has just ended"
FROZEN: Final = "its process is stopped by a signal, it does nothing; `kill -CONT {pid}` lets it go on"
NEVER: Final = KernelView(Run(""), "stopped", "", 0, None, False, None, False, False, 0.0)


def kernels_now(g: Gathered) -> dict[str, KernelView]:
    """Every kernel as it is at this moment, in the order of the configuration, then others that still run, by name."""
    told = told_kernels(g)
    removed = sorted(name for name in told if name not in g.specs)
    names = [*g.specs, *(name for name in removed if _newest(g, name, told[name]) is not None)]
    anyone = any(presence.alive for presence in g.presences.values())
    return {name: _now(g, name, told.get(name), anyone) for name in names}


def told_kernels(g: Gathered) -> dict[str, KernelView]:
    """Every kernel as self_healing tells it; without an answer from self_healing, as the database has it."""
    view = g.views.get("self_healing")
    return view.kernels if view is not None and view.kernels is not None else g.stored


def troubled(kernel: KernelView) -> bool:
    """Is the kernel meant to run, and not well? Then the home is not healthy."""
    return kernel.wanted and not kernel.stopped_by_person and kernel.state not in WELL | PASSED


def _now(g: Gathered, name: str, told: KernelView | None, anyone: bool) -> KernelView:
    spec = g.specs.get(name)
    kernel = told or _untold(spec)
    if spec is not None and kernel.critical != spec.critical:
        kernel = replace(kernel, critical=spec.critical)
    newest = _newest(g, name, kernel)
    if newest is not None:
        same = newest.run == kernel.run.run and kernel.state in ALIVE
        state = kernel.state if same else "starting"
        known = same and "self_healing" in g.views  # what is stored is as it was at the run's birth
        if state == "starting" and not known and _has_stayed_up(g, spec, newest):
            state = "ready"
        reason = kernel.reason if same else ""
        if newest.pid in g.frozen:
            state, reason = "unhealthy", FROZEN.format(pid=newest.pid)
        return replace(kernel, state=state, reason=reason, run=newest)
    run = Run(name, max(kernel.run.run, g.slots[name].run.run if name in g.slots else 0))
    if g.stopping or not anyone:  # self_healing means to start it again should the stop die midway: it does not now
        state = kernel.state if kernel.state in OVER else "stopped"
        return replace(kernel, run=run, state=state)
    if kernel.state in WELL or kernel.state == "unhealthy":
        state = "backoff" if kernel.wanted else "stopped"
        return replace(kernel, run=run, state=state, reason=ENDED)
    return replace(kernel, run=run)


def _untold(spec: Kernel | None) -> KernelView:
    """The view of a kernel that neither self_healing nor the database knows yet."""
    return replace(NEVER, wanted=spec is not None and spec.autostart and spec.schedule is None)


def _newest(g: Gathered, name: str, kernel: KernelView) -> Run | None:
    """The kernel's newest run that has a living process; None when none has."""
    slot, run = g.slots.get(name), kernel.run
    if slot is not None and slot.alive and slot.run.run >= run.run:
        return slot.run
    if run.pid and (run.pid, run.start_ticks) in g.living:
        return run
    return slot.run if slot is not None and slot.alive else None


def _has_stayed_up(g: Gathered, spec: Kernel | None, run: Run) -> bool:
    """Is a run ready of which self_healing has not told so: by its age, where that is what counts?"""
    if spec is None:
        return True
    _, uptime_s = since_ticks(run.start_ticks, g.clocks)
    return spec.ready.when == "started" and (uptime_s or 0.0) >= hold_s(spec)


def kernel_status(g: Gathered, kernel: KernelView) -> KernelStatus:
    started_at, uptime_s = since_ticks(kernel.run.start_ticks if kernel.run.pid else 0, g.clocks)
    usage = g.usages.get(kernel.run.pid) if kernel.run.pid else None
    return KernelStatus(
        pid=kernel.run.pid or None,
        state=cast(KernelState, kernel.state),
        run=kernel.run.run,
        reason=kernel.reason,
        started_at=started_at,
        uptime_s=uptime_s,
        restarts=kernel.restarts,
        exit=kernel.exit,
        critical=kernel.critical,
        rung=kernel.rung,
        rss_bytes=usage.rss_bytes if usage else None,
        cpu_s=usage.cpu_s if usage else None,
    )
