"""From a fork to a member: what a newborn does before its loop runs.

The order matters. First every inherited descriptor is closed (a kept copy of the spawner's sockets would hide its
death from others), then the role lock is taken, then the sockets are bound (libzmq steals the path of a live binder),
then the facts are read from the lock files.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Never

from graced.core.intensity import Policy
from graced.core.state import new_state
from graced.core.vocabulary import Fired, Ready, Resumed, RunNote, Timing
from graced.home import titles
from graced.home.locks import LockRecord, RoleLock, read_record
from graced.home.paths import Home
from graced.members import leasing, recorded
from graced.members.birth import Newborn
from graced.members.duty import Duty
from graced.members.linux.outside import Linux
from graced.members.shell import LOST_EXIT, Shell
from graced.members.told import emergency_left, triggered_lately
from graced.members.troubles import words
from graced.posix import proc
from graced.posix.descriptors import close_all_but
from graced.spec.config import Config, Restarts
from graced.spec.roles import HEALERS, others
from graced.store import tables
from graced.store.db import Store

if TYPE_CHECKING:
    from graced.members.outside import Outside

CRASH_EXIT: Final = 70  # EX_SOFTWARE
BIRTH_PATIENCE_S: Final = 0.25
"""For reading what a predecessor left: others that are born with us keep the database busy for milliseconds."""

DutyFor = Callable[[Shell], Duty]

DUTIES: Final[dict[str, tuple[str, str]]] = {
    "watchdog": ("graced.members.watchdog", "Watchdog"),
    "self_healing": ("graced.members.self_healing", "SelfHealing"),
    "coding_agent": ("graced.members.coding_agent", "CodingAgent"),
    "trigger": ("graced.members.trigger", "Trigger"),
    "parliament": ("graced.members.delegates", "Parliament"),
    "architect": ("graced.members.delegates", "Architect"),
}
"""The class that does a role's work; the spawner's own is graced.members.spawner.Spawner."""


LATE: Final = (
    "ctypes", "array", "traceback", "setproctitle", "graced.members.linux.shelf", "graced.members.succession",
)  # fmt: skip
"""Imported inside of functions, because a command or the first milliseconds of a spawner have no need of them."""


def load_duty(role: str) -> DutyFor:
    """Import the class that does the role's work. Raises whatever the import raises."""
    module, name = DUTIES[role]
    duty: DutyFor = getattr(importlib.import_module(module), name)
    return duty


def preload() -> None:
    """Import all members, so that a fork has them; one that cannot be imported is left to its own child.

    And whatever a recovery imports late, so that it needs no file of the installation: that may be gone by then.
    """
    for module in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for role, (module, _) in DUTIES.items():
        try:
            load_duty(role)
        except Exception as error:  # whatever a broken file raises must not end the spawner
            sys.modules.pop(module, None)
            print(f"spawner: {module} cannot be imported: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    importlib.invalidate_caches()


def timing_of(config: Config) -> Timing:
    t = config.timing
    return Timing(t.heartbeat_interval_s, t.heartbeat_timeout_s, t.check_interval_s, t.emergency_confirm_s)


def policy_of(restarts: Restarts) -> Policy:
    b = restarts.backoff
    return Policy(
        restarts.max_restarts, restarts.window_s, b.immediate, b.initial_s, b.factor, b.max_s, b.jitter,
        restarts.give_up,
    )  # fmt: skip


def open_output(home: Home, name: str) -> None:
    """Standard output and error to logs/NAME.log; on a full disk what is there is kept."""
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO in its place is no wait
        fd = os.open(home.log(name), flags, 0o600)
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


def newborn(home_root: str, birth: Newborn) -> Never:
    """Everything after the fork of a member, to its end. Its module is imported here if it could not be before."""
    code = CRASH_EXIT
    try:
        proc.set_title(titles.of_newborn(home_root, birth.role))
        gc.freeze()  # garbage of the spawner's, a socket say, must not be closed here by a number that is ours by then
        close_all_but(())
        os.setsid()  # a Ctrl-C for a spawner in the foreground is the spawner's alone
        signal.set_wakeup_fd(-1)
        home = Home(home_root, birth.home_id)
        open_output(home, birth.role)
        code = be(home, birth, load_duty(birth.role))
    except OSError as error:  # it passes, or the spawner's backoff and its words remain
        sys.stderr.write(f"{birth.role}: cannot be born: {words(error)}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def be(home: Home, birth: Newborn, duty_for: DutyFor, taken: Taken | None = None) -> int:
    """Hold the role until the end; the exit code. taken: the role, where it is held already."""
    role = birth.role
    taken = taken or take_role(home, role, birth.floor)
    if taken is None:
        print(HELD_ELSEWHERE.format(role=role, home=home.root), file=sys.stderr, flush=True)
        return LOST_EXIT
    lock, incarnation = taken
    proc.set_title(titles.of_member(home.root, role))
    proc.set_subreaper()
    shell = begin(
        Linux(home, role, lock, incarnation, birth.config, partial(newborn, home.root)), incarnation, birth, duty_for
    )
    gc.enable()
    return shell.run()


def begin(outside: "Outside", incarnation: int, birth: Newborn, duty_for: DutyFor) -> Shell:
    """From the role to the first turn of the loop: the heartbeat, what the disk says, the role's own work."""
    role, config = birth.role, birth.config
    identity = outside.identity
    state = new_state(
        role, identity.pid, incarnation, timing_of(config), policy_of(config.restarts), birth.playbooks, outside.now(),
        fresh=birth.fresh,
    )  # fmt: skip
    shell = Shell(outside, role, incarnation, config, state)
    if os.environ.get(recorded.FOLDER):
        recorded.record(shell, os.environ[recorded.FOLDER])
    shell.send_beat(shell.now())
    shell.greet()  # the first thing that others wait for
    shell.begin(duty_for(shell))
    if birth.fresh and role == "spawner":
        shell.playbooks.begin_anew()
    for name in others(role):
        shell.take(shell.found(name))
        shell.bus.welcome()
    shell.store.patience_s = BIRTH_PATIENCE_S
    if role in HEALERS and not birth.fresh:
        shell.take(Fired(triggered_lately(shell.audit.lately, shell.now(), shell.wall())))
    shell.take(Resumed(_unfinished(shell)))
    shell.duty.setup()
    shell.store.patience_s = 0.0
    shell.files.look()
    shell.bus.welcome()
    tables.raise_to(shell.store, f"incarnation.{role}", incarnation)
    shell.audit.append("member.started", {"member": role, "pid": identity.pid, "incarnation": incarnation})
    shell.take(Ready())
    return shell


def _unfinished(shell: Shell) -> tuple[RunNote, ...]:
    """Runs that the dead predecessor in this role had begun."""
    runs = [run for run in tables.open_runs(shell.store) if run.executor == shell.me]
    if shell.forks:
        shell.store.release()
    notes = [note for run in runs if (note := leasing.unpack(run.blob)) is not None]
    if shell.me == "watchdog" and not any(note.tier == 3 for note in notes):
        left = emergency_left(shell.audit.lately, shell.now(), shell.wall())
        if left is not None and set(left.targets) == set(HEALERS):
            notes.append(left)
    return tuple(notes)
