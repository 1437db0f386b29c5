"""How long a kernel must have stayed up to count as ready."""

from typing import Final

from graced.spec.config import Kernel

DEFAULT_S: Final = 0.5
"""Longer than a program takes to find its port in use, and not long for a person who waits for it."""


def hold_s(kernel: Kernel) -> float:
    """Of `ready: {when: started}`, in seconds; 0 for a kernel that is to run once, and for other ways to be ready."""
    if kernel.ready.when != "started":
        return 0.0
    if kernel.ready.for_s is not None:
        return kernel.ready.for_s
    once = kernel.restart == "never" or kernel.schedule is not None
    return 0.0 if once else DEFAULT_S
