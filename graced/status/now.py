"""The status of a home: `gather` asks and reads, `compose` decides what it means."""

from graced.home.paths import Home
from graced.spec.config import Kernel
from graced.status.compose import compose
from graced.status.gather import gather
from graced.status.structs import Status

__all__ = ["compose", "gather", "status"]


def status(home: Home, specs: dict[str, Kernel] | None = None) -> Status:
    """How everything is now, within 2 s whoever hangs. Changes nothing in the home."""
    return compose(gather(home, specs))
