"""`graced stop` without a name: whatever state graced is in, nothing of it is left running.

Everyone else only heals, so the order is all: announce it, take away who gives birth, end kernels in their order, then
the spawner (no birth after that), then everyone, then look until nothing is left. If this process dies in between,
its announcement is void and healing goes on.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from graced.control.census import Census, Found
from graced.control.deaths import Deaths, end_all
from graced.control.ending import KernelEnd, by_kernel
from graced.control.errors import Refusal
from graced.core.kernels import graph
from graced.home.foreign import Foreign
from graced.home.kept import kept_config, kept_environ, running_kernels
from graced.home.locks import LockRecord, RestartLock, holder, take_now
from graced.home.log_files import lock_path
from graced.home.paths import Home
from graced.home.presence import presences
from graced.home.slots import identity_of, stored_slots
from graced.home.stopping import announce, conclude, other_stop
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.proc import Identity
from graced.posix.scan import HOME_TAG
from graced.posix.tree import TreeKill
from graced.spec.config import Kernel
from graced.status import disk

LOCK_PATIENCE_S: Final = 2.0
"""A restart in progress ends within milliseconds once it sees the announcement. After this its owner is killed."""

LOCK_POLL_S: Final = 0.002
DEATH_S: Final = 2.0
POLITE_S: Final = 0.5
"""For a spawner to end by SIGTERM; one that hangs is killed then."""

SWEEP_S: Final = 20.0
"""What is alive so long after SIGKILL will not go: it sleeps in the kernel, or is another user's."""

QUIET_LOOKS: Final = 2
TOLD_MAX: Final = 5
INIT_PID: Final = 1

Progress = Callable[[int, int, str], None]
"""(done, of how many, of what)."""


class Stopped(Struct, frozen=True):
    """What was running and is no more: kernels by name, members by name."""

    kernels: list[str]
    members: list[str]


def stop_all(
    home: Home, progress: Progress = lambda done, total, what: None, beside: Identity | None = None
) -> Stopped:
    """Stops everything of a home. Raises Refusal when something cannot be ended.

    beside: the spawner that has started this stop; told to take the members along, it ends itself after this stop.
    """
    waited = _await_other(home)
    stop = _Stop(home, progress, beside)
    everyone = stop.census.look()
    here = presences(home)
    members = [member for member, presence in here.items() if presence.alive]
    if not everyone and not members:
        if waited:  # the stop that we waited for did it
            return Stopped([], ["graced"])
        return Stopped([], [])
    stop.run(everyone)
    return Stopped(sorted(by_kernel(everyone)), members or (["graced"] if any(not f.kernel for f in everyone) else []))


def _await_other(home: Home) -> bool:
    """Another stop is at work: its end is the end of this one too. A stopped one is taken over from."""
    seen = False
    while (other := other_stop(home)) is not None and proc.status(other) != "stopped":
        seen = True
        deaths = Deaths()
        deaths.add(other)
        deaths.wait(DEATH_S)
        deaths.close()
    return seen


class _Stop:
    def __init__(self, home: Home, progress: Progress, beside: Identity | None) -> None:
        self.home, self._progress, self._beside = home, progress, beside
        self.specs: dict[str, Kernel] = running_kernels(kept_config(home))
        here = presences(home)
        members = [found.record.identity for found in here.values() if found.record is not None and found.alive]
        slots = stored_slots(home)
        kernels = {name: identity_of(slot.run) for name, slot in slots.items() if slot.run.pid > 0}
        pipes = {slot.log: name for name, slot in slots.items() if slot.log and slot.run.boot_id == proc.boot_id()}
        kernels = {**disk.stored(home, self.specs).identities, **kernels}  # a second source: slots may be deleted
        self._mains = kernels
        self.census = Census(home, members, kernels, beside, pipes)
        self._id = home.known_id() or "none"  # nobody ever carried it
        self._foreign = Foreign(home)

    def run(self, everyone: Sequence[Found]) -> None:
        with contextlib.suppress(OSError):
            self.home.ensure()  # run/ may have been deleted
        if not announce(self.home):
            self._freeze()
        lock = self._take_restart_lock()
        try:
            self._end_kernels(everyone)
            self._end_spawner()
            self._end_log_writer()
            self._sweep()
        finally:
            if lock is not None:
                lock.close()
        conclude(self.home)

    def _freeze(self) -> None:
        """The announcement cannot be written at all: nobody who would heal may run while we work."""
        for found in self.census.look():
            if not found.kernel:
                proc.signal_identity(found.identity, signal.SIGSTOP)

    # --- who gives birth

    def _take_restart_lock(self) -> RestartLock | None:
        """run/spawner.restart.lock: nobody starts a spawner meanwhile. Without it the sweep must do."""
        path = self.home.restart_lock("spawner")
        deadline = monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                lock = take_now(path, LockRecord.of(proc.me()))
            except OSError:
                return None
            if lock is not None:
                return lock
            record = holder(path)
            late = monotonic() >= deadline
            mute = record is not None and (late or proc.status(record.identity) == "stopped")
            if record is not None and mute and self._ours(record.identity):
                end_all([record.identity], signal.SIGKILL, DEATH_S)
            elif late:
                return None
            time.sleep(LOCK_POLL_S)

    def _ours(self, identity: Identity) -> bool:
        return any(found.identity == identity for found in self.census.look())

    # --- the end

    def _end_kernels(self, everyone: Sequence[Found]) -> None:
        names = by_kernel(everyone)
        done = 0

        def ended(name: str) -> None:
            nonlocal done
            done += 1
            self._progress(done, len(names), "kernels")

        self._progress(0, len(names), "kernels")
        environ = kept_environ(self.home) or {}
        for wave in graph.stop_waves(self.specs, names):
            KernelEnd(self.census, self._id, self.specs, self._mains, environ, ended, self._foreign).run(wave)

    def _end_spawner(self) -> None:
        here = presences(self.home, ("spawner",))["spawner"]
        if here.alive and here.record is not None and here.record.identity == self._beside:
            proc.signal_identity(self._beside, signal.SIGTERM)
        elif here.alive and here.record is not None:
            # TERM first: a spawner in the foreground takes the members along and ends with a code that says so.
            end_all([here.record.identity], signal.SIGTERM, POLITE_S)
            end_all([here.record.identity], _force(here.record.identity), DEATH_S)

    def _end_log_writer(self) -> None:
        """It writes what the kernels said last, and ends."""
        record = holder(lock_path(self.home))
        awake = record is not None and proc.status(record.identity) not in ("stopped", "gone", "zombie")
        if record is not None and awake and self._ours(record.identity):
            end_all([record.identity], signal.SIGTERM, POLITE_S)

    def _sweep(self) -> None:
        """Kills whatever is left until two looks in a row find nobody, and no process of ours is being born."""
        deadline = monotonic() + SWEEP_S
        quiet = 0
        most = 0
        while quiet < QUIET_LOOKS:
            left = self.census.look()
            most = max(most, len(left))
            self._progress(most - len(left), most, "processes")
            if not left:
                quiet += 1
                continue
            quiet = 0
            if monotonic() >= deadline:
                raise Refusal(f"cannot be ended: {_told(left)}")
            deaths = Deaths()
            for found in left:
                deaths.send(found.identity, _force(found.identity))
            deaths.wait(DEATH_S / 4)
            deaths.close()
        waits = 0 if self._beside is None else self._beside.pid
        rest = TreeKill(None, {HOME_TAG: self._id}, spare=lambda pid: pid == waits or self._foreign(pid))
        while not rest.step(monotonic()):
            if rest.stuck(monotonic()) or monotonic() >= deadline + SWEEP_S:
                raise Refusal(f"cannot be ended: {_told([Found(identity) for identity in rest.survivors()])}")


def _force(identity: Identity) -> int:
    """KILL; but the first process of a container takes from inside only what it handles itself."""
    return signal.SIGTERM if identity.pid == INIT_PID else signal.SIGKILL


def _told(left: Sequence[Found]) -> str:
    words = [f"pid {found.identity.pid} ({found.kernel or 'graced'})" for found in left[:TOLD_MAX]]
    more = f" and {len(left) - TOLD_MAX} more" if len(left) > TOLD_MAX else ""
    return ", ".join(words) + more + "; it is another user's process, or sleeps in the kernel"
