"""The words of `status` about a kernel: its state and its reason. Made here and nowhere else."""

from typing import Final, Literal

from graced.core.kernels import ladder
from graced.core.kernels.state import (
    Climbing,
    Done,
    Ending,
    Failed,
    Kernel,
    Phase,
    Starting,
    Stopped,
    Up,
    Waiting,
)

State = Literal["stopped", "starting", "ready", "healthy", "unhealthy", "backoff", "failed", "exited", "scheduled"]

WORDS: Final[dict[type[Phase], State]] = {
    Stopped: "stopped",
    Waiting: "backoff",
    Starting: "starting",
    Climbing: "backoff",
    Failed: "failed",
    Done: "exited",
}
"""Of the phases that have one word; a kernel that is alive is told by its readiness and health."""


def state(kernel: Kernel) -> State:
    phase = kernel.phase
    if isinstance(phase, Ending):
        return _alive(phase.was)
    if isinstance(phase, Up):
        return _alive(phase)
    if isinstance(phase, Climbing) and phase.rung == ladder.NOTIFY:
        return "failed"
    return WORDS[type(phase)]


def _alive(up: Up) -> State:
    if up.health != "none":
        return up.health
    return "ready" if up.ready else "starting"


def reason(kernel: Kernel) -> str:
    """What it waits for, else why it last went down."""
    if isinstance(kernel.phase, Waiting) and kernel.phase.why:
        return kernel.phase.why
    return kernel.reason


def due(kernel: Kernel) -> float:
    """When it is tried next, in seconds of CLOCK_MONOTONIC; 0: not by time."""
    phase = kernel.phase
    if isinstance(phase, Waiting):
        return phase.until if not phase.held_by else 0.0
    return phase.until or 0.0 if isinstance(phase, Failed) else 0.0


def meant(kernel: Kernel) -> bool:
    """Is it meant to be running (and so counts for `healthy` in status)?"""
    return kernel.wanted and not isinstance(kernel.phase, Done)
