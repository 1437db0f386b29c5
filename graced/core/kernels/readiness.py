"""When a kernel counts as ready, and what others may make of it."""

from graced.core.kernels.exits import ended_well
from graced.core.kernels.state import Done, Kernel, Up
from graced.spec.ready import hold_s
from graced.spec.run import Run


def phase_of(kernel: Kernel, run: Run, now: float) -> Up:
    """The phase of a run that is alive."""
    return Up(ready=kernel.spec.ready.when != "exited" and now >= run.started + hold_s(kernel.spec))


def ready_at(kernel: Kernel) -> float:
    """When time alone makes a run that is alive ready."""
    if kernel.spec.ready.when != "started" or (isinstance(kernel.phase, Up) and kernel.phase.ready):
        return float("inf")
    return kernel.run.started + hold_s(kernel.spec)


def satisfied(kernel: Kernel) -> bool:
    """May kernels that depend on it start?"""
    if kernel.spec.ready.when == "exited":
        return isinstance(kernel.phase, Done) and ended_well(kernel)
    return isinstance(kernel.phase, Up) and kernel.phase.ready
