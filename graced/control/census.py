"""Which living processes are of one home, so that `graced stop` leaves none of them and touches no other.

A process is of this home by any of these marks, or by being a descendant of one that is:
  identity     the holder of a role, or the newest run of a kernel, by its record in the home
  session      the session that such a process leads, as long as it does
  environment  GRACED_HOME_ID is the id of this home (GRACED_KERNEL names the kernel)
  output       stdout or stderr is a file in logs/, or the pipe of a kernel's log
  title        `graced: MEMBER` (or a spawner in its first instants) with a file of this home open
A title without a home is no mark. The caller itself is never counted; nor is who says by environment or title that it
is of another home, or what hangs below that one, whoever its ancestors are: a kernel may have started another graced.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from graced.home.foreign import Foreign
from graced.home.launch import SPAWNER_MODULE
from graced.home.paths import Home
from graced.posix import proc
from graced.posix.clock import boottime
from graced.posix.proc import Identity, Stat
from graced.posix.scan import HOME_TAG
from graced.posix.shortage import unless_short
from graced.spec.roles import MEMBERS

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
KERNEL_TAG: Final = b"GRACED_KERNEL"
TITLE: Final = b"graced"
OUTPUTS: Final = (1, 2)
INIT_PID: Final = 1
"""Takes in everybody's orphans, so to be a child of it says nothing."""

GROWN_S: Final = 2.0
"""A process of this age has had its exec: what it is by its own marks it will be. Strangers are looked at once."""

EXEC_LOOKS: Final = 20
EXEC_LOOK_S: Final = 0.001
"""In the middle of execve(2) the environment reads as empty for some microseconds: looked at again, so often."""

CHAIN_MAX: Final = 64
"""Generations that are looked up when it is asked whose descendant a process is."""


class Found(Struct, frozen=True):
    """`kernel`: whose process it is; empty for graced's own."""

    identity: Identity
    kernel: str = ""


class Census:
    """Looks at all of /proc, again and again; what leads a session when first seen is remembered."""

    def __init__(
        self,
        home: Home,
        members: Iterable[Identity],
        kernels: Mapping[str, Identity],
        spared: Identity | None = None,
        pipes: Mapping[int, str] | None = None,
    ) -> None:
        """`pipes`: by the inode of a kernel's output its name."""
        self._spared = spared
        self._pipes = {f"pipe:[{inode}]": name for inode, name in (pipes or {}).items()}
        self._root = os.path.realpath(home.root)
        self._logs = os.path.realpath(home.logs)
        self._tag = _home_tag(home)
        self._foreign = Foreign(home)
        self._others: set[Identity] = set()
        self._marked: dict[Identity, str] = {}
        self._recorded: frozenset[Identity] = frozenset()
        self._strangers: set[Identity] = set()
        self._sessions: dict[int, tuple[Identity, str]] = {}
        for identity in members:
            self._remember(identity, "")
        for name, identity in kernels.items():
            self._remember(identity, name)
        self._recorded = frozenset(self._marked)

    def _remember(self, identity: Identity, kernel: str) -> None:
        stat = proc.stat_of(identity)
        if stat is None:
            return
        self._marked[identity] = kernel
        if stat.session == identity.pid:
            self._sessions[identity.pid] = (identity, kernel)

    def look(self) -> list[Found]:
        """Everyone of this home who is alive now, but the caller; kernels' processes with the kernel's name."""
        me = os.getpid()
        stats = {pid: stat for pid in proc.all_pids() if pid != me and (stat := _living(pid)) is not None}
        here = proc.boot_id()
        owners: dict[int, str] = {}
        nobodys: list[Identity] = []
        grown_before = (boottime() - GROWN_S) * TICKS_PER_S
        for pid, stat in stats.items():
            identity = Identity(pid, stat.start_ticks, here)
            if identity in self._strangers and identity not in self._marked:
                continue
            grown = stat.start_ticks < grown_before
            owner = self._owner(identity, stat, grown)
            if owner is not None:
                owners[pid] = owner
            elif grown:
                nobodys.append(identity)
        barred = {identity.pid for identity in self._others}
        _inherit(owners, {pid: stat for pid, stat in stats.items() if pid not in barred})
        # Only now: a child of ours may show no mark of its own, and is ours after its parent's death as well.
        self._strangers.update(identity for identity in nobodys if identity.pid not in owners)
        found: list[Found] = []
        for pid, owner in owners.items():
            identity = Identity(pid, stats[pid].start_ticks, here)
            if identity not in self._marked:
                self._remember(identity, owner)
            if identity != self._spared:
                found.append(Found(identity, owner))
        return found

    def _owner(self, identity: Identity, stat: Stat, grown: bool) -> str | None:
        """The kernel's name, "" for graced's own, None for a stranger."""
        if identity in self._recorded or (grown and identity in self._marked):
            return self._marked[identity]
        environ = _read(f"/proc/{identity.pid}/environ") if grown else _environ_of_newborn(identity.pid)
        if self._foreign.says_so(environ, _read(f"/proc/{identity.pid}/cmdline")):
            self._others.add(identity)
            return None
        self._others.discard(identity)
        if identity in self._marked:
            return self._marked[identity]
        if self._tag and self._tag in environ.split(b"\0"):
            return _value(environ, KERNEL_TAG)
        session = self._sessions.get(stat.session)
        if session is not None and self._stands(session[0]):
            return session[1]
        output = self._output(identity.pid)
        if output is not None:
            return output
        return "" if self._is_member(identity.pid) else None

    def _stands(self, leader: Identity) -> bool:
        """False once the number of the session belongs to another process than the one that led it."""
        return proc.stat_of(leader) is not None or proc.read_stat(leader.pid) is None

    def _output(self, pid: int) -> str | None:
        """Whose log it writes: a kernel's name, "" for a member's."""
        for fd in OUTPUTS:
            link = _link(f"/proc/{pid}/fd/{fd}")
            if link in self._pipes:
                return self._pipes[link]
            folder, _, name = link.rpartition("/")
            if folder == self._logs and name.endswith(".log"):
                stem = name.removesuffix(".log")
                return "" if stem in MEMBERS else stem
        return None

    def _is_member(self, pid: int) -> bool:
        title = _read(f"/proc/{pid}/cmdline")
        words = title.split(b"\0")
        if SPAWNER_MODULE.encode() in words:
            return os.fsencode(self._root) in words or self._holds_file(pid)
        return title.startswith(TITLE) and self._holds_file(pid)

    def _holds_file(self, pid: int) -> bool:
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            return False
        return any(_link(f"/proc/{pid}/fd/{fd}").startswith(self._root + "/") for fd in fds)


def _home_tag(home: Home) -> bytes:
    """b"" for a home that has no id of its own yet: nobody can carry it."""
    found = home.known_id()
    return f"{HOME_TAG}={found}".encode() if found else b""


def _living(pid: int) -> Stat | None:
    stat = proc.read_stat(pid)
    return None if stat is None or stat.dead or stat.kernel_thread or pid == os.getpid() else stat


def _inherit(owners: dict[int, str], stats: Mapping[int, Stat]) -> None:
    """A descendant of one of ours is ours, and of the same kernel, unless it says otherwise itself."""
    for stat in stats.values():
        chain: list[int] = []
        at: Stat | None = stat
        while at is not None and at.pid not in owners and len(chain) < CHAIN_MAX:
            chain.append(at.pid)
            at = stats.get(at.ppid) if at.ppid != INIT_PID else None
        if at is not None and at.pid in owners:
            for below in chain:
                owners[below] = owners[at.pid]


def _value(environ: bytes, key: bytes) -> str:
    for entry in environ.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals and name == key:
            return os.fsdecode(value)
    return ""


def _environ_of_newborn(pid: int) -> bytes:
    """b"" only for one that has none, may not be read, or is gone."""
    for _ in range(EXEC_LOOKS):
        try:
            found = proc.slurp(f"/proc/{pid}/environ")
        except OSError:
            return b""
        if found:
            return found
        time.sleep(EXEC_LOOK_S)
    return b""


def _read(path: str) -> bytes:
    try:
        return proc.slurp(path)
    except OSError as error:
        unless_short(error)
        return b""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
