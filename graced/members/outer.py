"""The spawner's talk with systemd: READY, WATCHDOG, EXTEND_TIMEOUT, and what its SIGTERM means. Silent without one."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from graced.bus.protocol import KernelView, Reply
from graced.core.outer import FEEDS_A_PERIOD, Wish, feeds, wish_of
from graced.posix import notify

if TYPE_CHECKING:
    from graced.members.shell import Shell

IN_TIME_S: Final = 30.0
"""READY is said then at the latest, with STATUS= telling what is missing: other units wait for it."""

LOOK_S: Final = 0.05
ASK_S: Final = 1.0
JOB_S: Final = 2.0
EXTEND_S: Final = 1.0
EXTENSION_S: Final = 10.0
WELL: Final = frozenset({"ready", "healthy", "exited", "scheduled"})


class Outer:
    """`first`: everything is being started now, so READY waits until all is healthy; else it was said at once."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._supervisor = shell.supervisor
        self._told = self._supervisor.there
        self._ready = True
        self._asking = False
        self._look_at = self._late_at = self._feed_at = self._extend_at = float("inf")
        self._period = (self._supervisor.watchdog_s or float("inf")) / FEEDS_A_PERIOD

    def setup(self, now: float, first: bool) -> None:
        if not self._told:
            return
        self._feed_at = now
        if not first:
            self._supervisor.say("READY=1", f"MAINPID={self._shell.identity.pid}", "STATUS=adopted what runs")
            return
        limits = [kernel.ready.timeout_s for kernel in self._shell.config.kernels.values()]
        late_s = max([IN_TIME_S, *limits])
        self._ready, self._look_at, self._late_at = False, now, now + late_s
        self._supervisor.say("STATUS=starting", f"EXTEND_TIMEOUT_USEC={int((late_s + EXTENSION_S) * 1e6)}")

    def tend(self, now: float) -> None:
        if not self._told or now < self.wake_at():
            return
        if not self._ready and now >= self._look_at:
            self._look(now)
        if now >= self._feed_at:
            self._feed_at = now + self._period
            if self._period != float("inf") and feeds(self._shell.state, now):
                self._supervisor.say("WATCHDOG=1")
        if now >= self._extend_at:
            self._extend_at = now + EXTEND_S
            self._supervisor.say(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}")

    def wake_at(self) -> float:
        return min(self._look_at, self._feed_at, self._extend_at)

    # --- READY of a first start

    def _look(self, now: float) -> None:
        self._look_at = now + LOOK_S
        waits = sorted(name for name, peer in self._shell.state.peers.items() if peer.state != "healthy")
        if now >= self._late_at:
            self._say_ready("not all is healthy in time; see `graced status`")
        elif not waits and not self._asking:
            self._asking = True
            self._shell.send("self_healing", "status", {}, ASK_S, self._heard)

    def _heard(self, reply: Reply | None) -> None:
        self._asking = False
        if self._ready or reply is None or not reply.ok:
            return
        rows = msgspec.convert(reply.data["kernels"] or {}, dict[str, KernelView])
        meant = {name: row.state for name, row in rows.items() if row.wanted and not row.stopped_by_person}
        failed = sorted(name for name, state in meant.items() if state == "failed")
        if failed:
            self._say_ready(f"{', '.join(failed)}: failed")
        elif all(state in WELL for state in meant.values()):
            self._say_ready(f"healthy, {len(meant)} kernel{'s' if len(meant) != 1 else ''}")

    def _say_ready(self, words: str) -> None:
        self._ready, self._look_at = True, float("inf")
        self._supervisor.say("READY=1", f"STATUS={words}")

    # --- SIGTERM

    def stopping(self, now: float) -> None:
        """Everything is being ended: kernels have time to end well, however long that is."""
        if self._told:
            self._extend_at = now
            self._supervisor.say("STOPPING=1", "STATUS=stopping kernels in their order")

    def ask_wish(self, done: Callable[[Wish], None]) -> None:
        """Asks systemd what job its unit has; `done` hears what that means, in JOB_S at the latest."""
        self._supervisor.ask_job(JOB_S, lambda job: done("again" if job is None else wish_of(job)))


def restarted_by_itself() -> bool:
    """Did systemd start this process because the one before ended, and nobody asked for it? Blocks some 10 ms."""
    import subprocess

    unit = notify.unit()
    if unit is None:
        return False
    argv = ["systemctl", *(["--user"] if unit[1] else []), "show", "-P", "NRestarts", unit[0]]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        return int(subprocess.run(argv, capture_output=True, timeout=JOB_S, check=True).stdout) > 0
    return False
