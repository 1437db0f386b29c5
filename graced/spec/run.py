"""One run of one kernel: what everybody who speaks of it means by it."""

from msgspec import Struct


class Run(Struct, frozen=True):
    """Run `run` of `kernel`, and its first process. `run` grows by one with each start over the life of the home.

    `pid` 0: not born yet, or never. `started`: seconds of CLOCK_MONOTONIC within the boot `boot_id`; 0: not known.
    """

    kernel: str
    run: int = 0
    pid: int = 0
    start_ticks: int = 0
    boot_id: str = ""
    started: float = 0.0
