"""The status of a home: `gather` asks and reads, `compose` decides what it means."""

from typing import Any, Final

from graced.control.errors import EX_FAILED, EX_NOTHING_RUNS
from graced.home.paths import Home
from graced.spec.config import Kernel
from graced.status.compose import compose
from graced.status.gather import gather

__all__ = ["compose", "exit_code", "gather", "status"]

HEALTHY_EXIT: Final = 0


def status(home: Home, specs: dict[str, Kernel] | None = None) -> dict[str, Any]:
    """The object of `graced status --json`, within 2 s whoever hangs. Changes nothing in the home."""
    return compose(gather(home, specs))


def exit_code(found: dict[str, Any]) -> int:
    """0 healthy, 1 not, 3 nothing runs."""
    if found["mode"] == "stopped":
        return EX_NOTHING_RUNS
    return HEALTHY_EXIT if found["healthy"] else EX_FAILED
