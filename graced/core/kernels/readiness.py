"""When a kernel counts as ready, and what others may make of it."""

from graced.core.kernels.exits import ended_well
from graced.core.kernels.state import Done, Kernel, Up


def at_birth(kernel: Kernel) -> Up:
    """The phase of a run that was just born."""
    return Up(ready=kernel.spec.ready.when != "exited")


def satisfied(kernel: Kernel) -> bool:
    """May kernels that depend on it start?"""
    if kernel.spec.ready.when == "exited":
        return isinstance(kernel.phase, Done) and ended_well(kernel)
    return isinstance(kernel.phase, Up) and kernel.phase.ready
