"""`graced start`: from nothing, during a recovery, beside another start, after or during a stop."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.bus.protocol import KernelView
from graced.control.errors import EX_TEMPFAIL, Refusal, about
from graced.control.keep import autostarting, keep, keep_base, only, playbooks_of
from graced.control.names import expand, needed
from graced.home.claim import claim
from graced.home.kept import kept_config, running_kernels
from graced.home.launch import launch_spawner
from graced.home.locks import LockRecord, RestartLock, RoleLock, holder, take_now
from graced.home.paths import Home
from graced.home.presence import anyone, presences
from graced.home.stopping import other_stop, retract
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.log_end import last_lines
from graced.spec.config import Config, Kernel
from graced.spec.roles import MEMBERS
from graced.spec.run import Run
from graced.status.compose import compose
from graced.status.compose_kernels import kernels_now
from graced.status.gather import gather
from graced.status.structs import Status
from graced.store import tables
from graced.store.db import Store

IN_TIME_S: Final = 30.0
STOP_PATIENCE_S: Final = 60.0
START_PATIENCE_S: Final = 30.0
ROLE_PATIENCE_S: Final = 3.0
"""For another start to come to its first words, which is when it is seen to live."""

FIRST_LIFE_S: Final = 10.0
"""Within which the new spawner, or whoever was quicker, holds its role."""

SETTLED_S: Final = 1.0
"""A kernel that ended while it was waited for counts as ready once its next run has lasted this long."""

POLL_S: Final = 0.04
STORE_PATIENCE_S: Final = 1.0
LOG_LINES: Final = 3

Report = Callable[[Status], None]
Tell = Callable[[str], None]


class Turn:
    """The right to start graced in a home, against everyone on this machine, also in containers that see another /proc.

    `role` is the spawner's, to be handed on to it; the other excludes starts that would wait for the role. `close`
    lets go.
    """

    def __init__(self, lock: RestartLock, role: RoleLock) -> None:
        self._lock, self.role = lock, role

    def close(self) -> None:
        self._lock.close()
        self.role.close()


class Outcome(Struct, frozen=True):
    """`why`: one line when it is not as it should be, else empty."""

    status: Status
    why: str = ""


def in_time_s(config: Config) -> float:
    """How long a start may take: IN_TIME_S, or the longest `ready.timeout`."""
    return max([IN_TIME_S, *(kernel.ready.timeout_s for kernel in config.kernels.values())])


def prepare(home: Home, config: Config, names: Sequence[str], environ: Mapping[str, str], tell: Tell) -> Turn | None:
    """Makes the home ready for a spawner; None when graced runs there already, of whose files nothing is touched then.

    The turn that is returned is to be closed once a member lives. Raises Refusal.
    """
    kernels = running_kernels(config)
    chosen = needed(kernels, expand(names, kernels))
    playbooks = playbooks_of(config)
    await_stop(home, tell)
    try:
        home.ensure()
        lock = _take_start_lock(home, tell)
    except OSError as error:
        raise about(error, f"cannot use {home.root} as home") from None
    role: RoleLock | None = None
    try:
        role = None if anyone(home) else _win_role(home)
        if role is None:
            lock.close()
            return None
        if claim(home):
            tell(f"{home.root} is a copy of another home, or was moved: what that one runs is left alone")
            _forget_processes(home)
        stopped_well = os.path.exists(home.stopping)
        stopper = retract(home)
        if stopper is not None:
            raise Refusal(f"graced is being stopped (by pid {stopper.pid}); start it when that is done")
        keep(home, only(config, chosen) if chosen else config, playbooks, environ)
        keep_base(home, _incarnations(home))
        _release(home, None if stopped_well else chosen)
    except BaseException as error:
        lock.close()
        if role is not None:
            role.close()
        if isinstance(error, OSError):
            raise about(error, f"cannot prepare {home.root}") from None
        raise
    return Turn(lock, role)


def launch(home: Home, turn: Turn) -> None:
    """Starts the spawner in the background and lets go of the lock once somebody lives. Raises Refusal."""
    try:
        pid = launch_spawner(home, fresh=True, as_child=False, role_fd=turn.role.fileno())
        identity = proc.identify(pid)
        deadline = monotonic() + FIRST_LIFE_S
        while not anyone(home) and monotonic() < deadline:
            if identity is None or not proc.alive(identity):
                break
            time.sleep(POLL_S / 4)
    except OSError as error:
        raise Refusal(f"cannot start the spawner: {error.strerror or error}") from None
    finally:
        turn.close()
    if not anyone(home):
        raise Refusal("the spawner ended at once" + _log_end(home))


def await_healthy(home: Home, limit_s: float, report: Report) -> Outcome:
    """After a start from nothing: until all is well, a kernel has failed, or the time is over."""
    deadline = monotonic() + limit_s
    first: dict[str, int] = {}
    while True:
        g = gather(home)
        found = compose(g)
        report(found)
        if found.healthy and not _crash_looping(found, first):
            return Outcome(found)
        # Before self_healing speaks, `failed` is what an earlier life left on the disk.
        failed = [n for n, k in found.kernels.items() if k.state == "failed"] if "self_healing" in g.views else []
        if failed:
            return Outcome(found, f"{', '.join(failed)}: failed")
        if found.mode == "stopped":
            stopped = os.path.exists(home.stopping)
            why = "it was stopped meanwhile" if stopped else "all of it has ended" + _log_end(home)
            return Outcome(found, why)
        if monotonic() >= deadline:
            return Outcome(found, f"not healthy within {limit_s:g} s")
        time.sleep(POLL_S)


def _crash_looping(found: Status, first: dict[str, int]) -> bool:
    """Is a kernel ready only because it was just started once more? `first`: the run of each that was seen first."""
    again = [k for n, k in found.kernels.items() if k.pid and k.run > first.setdefault(n, k.run)]
    return any((k.uptime_s or 0.0) < SETTLED_S for k in again)


def await_recovery(home: Home, report: Report) -> Outcome:
    """It runs already: until no recovery is under way."""
    limit_s = in_time_s(kept_config(home))
    deadline = monotonic() + limit_s
    while True:
        found = compose(gather(home))
        report(found)
        if found.mode == "normal":
            return Outcome(found)
        if found.mode == "stopped":
            return Outcome(found, "it has ended meanwhile")
        if monotonic() >= deadline:
            return Outcome(found, f"the recovery has not ended within {limit_s:g} s")
        time.sleep(POLL_S)


def left_behind(home: Home, specs: dict[str, Kernel]) -> list[str]:
    """It runs already, and a start without names is for all that autostarts: which of it nobody has started yet, nor
    stopped."""
    now = kernels_now(gather(home, specs))
    return [n for n in autostarting(kept_config(home)) if n in now and _nobody_started(now[n])]


def _nobody_started(kernel: KernelView) -> bool:
    return not (kernel.wanted or kernel.run.pid or kernel.stopped_by_person)


# --- one start at a time, and none beside a stop


def await_stop(home: Home, tell: Tell) -> bool:
    """Lets a `graced stop` that is at work come to its end: whether there was one. Raises Refusal."""
    stopper = other_stop(home)
    if stopper is None:
        return False
    tell(f"`graced stop` is at work (pid {stopper.pid}); waiting for its end")
    deadline = monotonic() + STOP_PATIENCE_S
    while other_stop(home) is not None:
        if monotonic() >= deadline:
            late = f"has not ended for {STOP_PATIENCE_S:g} s; end it and try again"
            raise Refusal(f"`graced stop` (pid {stopper.pid}) {late}")
        time.sleep(POLL_S)
    return True


def _win_role(home: Home) -> RoleLock | None:
    """The spawner's role, once no other role is held either; None when a member is seen to live meanwhile.

    A role can be held by who is not seen: a start that has not come to its first words, or a graced in another
    container.
    """
    deadline = monotonic() + ROLE_PATIENCE_S
    while True:
        held = "spawner"
        role = RoleLock.take(home.lock("spawner"))
        if role is not None:
            held = next((m for m in MEMBERS if m != "spawner" and _is_held(home.lock(m))), "")
            if not held:
                return role
            role.close()
        if anyone(home):
            return None
        if monotonic() >= deadline:
            unseen = f"another process holds the role of its {held}, and cannot be seen from here"
            raise Refusal(
                f"{home.root} is in use: {unseen} (another container, or another user's); stop graced there, or give "
                "another --home",
                EX_TEMPFAIL,
            )
        time.sleep(POLL_S)


def _is_held(path: str) -> bool:
    lock = RoleLock.take(path)
    if lock is None:
        return True
    lock.close()
    return False


def _take_start_lock(home: Home, tell: Tell) -> RestartLock:
    path = home.start_lock
    deadline = monotonic() + START_PATIENCE_S
    told = False
    while True:
        lock = take_now(path, LockRecord.of(proc.me()))
        if lock is not None:
            return lock
        record = holder(path)
        who = f" (pid {record.pid})" if record is not None else ""
        if monotonic() >= deadline:
            raise Refusal(f"another `graced start`{who} has not ended for {START_PATIENCE_S:g} s; end it and try again")
        if not told:
            tell(f"another `graced start`{who} is at work; waiting for it")
            told = True
        time.sleep(POLL_S)


# --- what an earlier life left


def _incarnations(home: Home) -> dict[str, int]:
    """Each member's last one, by its lock file or the store."""
    with contextlib.closing(Store(home.db, readonly=True, patience_s=STORE_PATIENCE_S)) as store:
        counts = tables.counters(store)
    held = {member: here.incarnation for member, here in presences(home).items()}
    return {member: max(last, counts.get(f"incarnation.{member}", 0)) for member, last in held.items()}


def _forget_processes(home: Home) -> None:
    """The rows of kernels keep their counts; the pids in them are of another home."""
    if not os.path.exists(home.db):
        return
    with contextlib.closing(Store(home.db, patience_s=STORE_PATIENCE_S)) as store:
        for row in tables.kernels(store).values():
            tables.save_kernel(store, replace(row, run=Run(row.name, row.run.run)))


def _release(home: Home, names: Sequence[str] | None) -> None:
    """What a person stopped by name may start again: all after a full stop (None), else those named now."""
    if not os.path.exists(home.db):
        return
    with contextlib.closing(Store(home.db, patience_s=STORE_PATIENCE_S)) as store:
        for row in tables.kernels(store).values():
            if row.stopped_by_person and (names is None or row.name in names):
                tables.save_kernel(store, replace(row, stopped_by_person=False, memory=""))


def _log_end(home: Home) -> str:
    lines = last_lines(home.log("spawner"), LOG_LINES)
    return f"; {home.log('spawner')} ends: {' | '.join(lines)}" if lines else ""
