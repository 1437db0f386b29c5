"""From a fork to a member: what a newborn does before its loop runs.

The order matters. First every inherited descriptor is closed (a kept copy of the spawner's sockets would hide its
death from others), then the role lock is taken, then the sockets are bound (libzmq steals the path of a live binder),
then the facts are read from the lock files.
"""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final, Never

import msgspec

from graced.core.intensity import Policy
from graced.core.state import new_state
from graced.core.vocabulary import Resumed, RunNote, Timing
from graced.home import titles
from graced.home.locks import LockRecord, RoleLock, read_record
from graced.home.paths import Home
from graced.members import effects, leasing
from graced.members.duty import Duty
from graced.members.shell import LOST_EXIT, Shell
from graced.members.told import emergency_left
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.descriptors import close_all_but
from graced.spec.config import Config, Restarts
from graced.spec.playbook import Playbook
from graced.spec.roles import HEALERS, others
from graced.store import tables
from graced.store.db import Store

CRASH_EXIT: Final = 70  # EX_SOFTWARE
BIRTH_PATIENCE_S: Final = 0.25
"""For reading what a predecessor left: others that are born with us keep the database busy for milliseconds."""

DutyFor = Callable[[Shell], Duty]


def timing_of(config: Config) -> Timing:
    t = config.timing
    return Timing(t.heartbeat_interval_s, t.heartbeat_timeout_s, t.check_interval_s, t.emergency_confirm_s)


def policy_of(restarts: Restarts) -> Policy:
    b = restarts.backoff
    return Policy(restarts.max_restarts, restarts.window_s, b.immediate, b.initial_s, b.factor, b.max_s, b.jitter)


def open_output(home: Home, name: str) -> None:
    """Standard output and error to logs/NAME.log; on a full disk what is there is kept."""
    with contextlib.suppress(OSError):
        fd = os.open(home.log(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        if fd > 2:
            os.close(fd)


HELD_ELSEWHERE: Final = "the role of the {role} of {home} is held by another process: nothing was started"

Taken = tuple[RoleLock, int]


def take_role(home: Home, role: str, floor: int, fd: int | None = None) -> Taken | None:
    """The role lock and this process's incarnation: above the lock file's, `floor` and, without those, the store's.

    fd: the lock, where it is held already.
    """
    try:
        if fd is not None:
            os.set_inheritable(fd, False)  # it came through an exec
        lock = RoleLock.take(home.lock(role)) if fd is None else RoleLock(home.lock(role), fd)
    except FileNotFoundError:  # run/ was deleted, and nobody has made it again yet
        home.ensure()
        lock = RoleLock.take(home.lock(role))
    if lock is None:
        return None
    record = read_record(home.lock(role))
    last = record.incarnation if record else 0
    if not max(last, floor):
        store = Store(home.db, readonly=True, patience_s=BIRTH_PATIENCE_S)
        last = tables.counters(store).get(f"incarnation.{role}", 0)
        store.release()  # now, not when the collector gets to it: the spawner forks
    incarnation = 1 + max(last, floor)
    with contextlib.suppress(OSError):  # a new file on a full disk: the lock itself holds
        lock.write(LockRecord.of(proc.me(), incarnation))
    return lock, incarnation


class Newborn(msgspec.Struct, frozen=True):
    """What a newborn is given. `floor`: its incarnation is above; `fresh`: it is born in a first start.

    `config` is the spawner's, which is the one kept in the home: it is read and decoded once for all; `home_id`
    likewise.
    """

    role: str
    floor: int
    fresh: bool
    playbooks: dict[str, Playbook]
    config: Config
    home_id: str


def newborn(home_root: str, birth: Newborn, make: Callable[[], DutyFor]) -> Never:
    """Everything after the fork of a member, to its end. `make` imports and gives its Duty."""
    code = CRASH_EXIT
    try:
        proc.set_title(titles.of_newborn(home_root, birth.role))
        close_all_but(())
        os.setsid()  # a Ctrl-C for a spawner in the foreground is the spawner's alone
        signal.set_wakeup_fd(-1)
        effects.forget()
        home = Home(home_root, birth.home_id)
        open_output(home, birth.role)
        code = be(home, birth, make())
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def be(home: Home, birth: Newborn, duty_for: DutyFor, taken: Taken | None = None) -> int:
    """Hold the role until the end; the exit code. taken: the role, where it is held already."""
    role, config = birth.role, birth.config
    taken = taken or take_role(home, role, birth.floor)
    if taken is None:
        print(HELD_ELSEWHERE.format(role=role, home=home.root), file=sys.stderr, flush=True)
        return LOST_EXIT
    lock, incarnation = taken
    proc.set_title(titles.of_member(home.root, role))
    proc.set_subreaper()
    timing, policy = timing_of(config), policy_of(config.restarts)
    state = new_state(
        role, os.getpid(), incarnation, timing, policy, birth.playbooks, monotonic(), fresh=birth.fresh
    )  # fmt: skip
    shell = Shell(home, role, lock, incarnation, config, state)
    shell.send_beat(monotonic())
    shell.greet()  # the first thing that others wait for
    shell.duty = duty_for(shell)
    for name in others(role):
        shell.take(shell.found(name))
        shell.bus.welcome()
    shell.store.patience_s = BIRTH_PATIENCE_S
    shell.take(Resumed(_unfinished(shell)))
    shell.duty.setup()
    shell.store.patience_s = 0.0
    shell.kept.look()
    shell.bus.welcome()
    tables.raise_to(shell.store, f"incarnation.{role}", incarnation)
    shell.audit.append("member.started", {"member": role, "pid": os.getpid(), "incarnation": incarnation})
    return shell.run()


def _unfinished(shell: Shell) -> tuple[RunNote, ...]:
    """Runs that the dead predecessor in this role had begun."""
    runs = [run for run in tables.open_runs(shell.store) if run.executor == shell.me]
    if shell.forks:
        shell.store.release()
    notes = [note for run in runs if (note := leasing.unpack(run.blob)) is not None]
    if shell.me == "watchdog" and not any(note.tier == 3 for note in notes):
        left = emergency_left(shell.home.audit, monotonic(), time.time())
        if left is not None and set(left.targets) == set(HEALERS):
            notes.append(left)
    return tuple(notes)
