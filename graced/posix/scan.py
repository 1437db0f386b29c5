"""Which processes belong to one run of one kernel, found by looking at all of /proc."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from graced.posix.proc import Identity, Stat, all_pids, boot_id, read_stat, slurp, stat_of
from graced.posix.shortage import unless_short

HOME_TAG = "GRACED_HOME_ID"
"""Of the tags, the one that says whose numbering of kernels and runs the others are in."""

Spare = Callable[[int], bool]
"""Says of a pid that it must not be touched, whatever else holds."""


class Scan(NamedTuple):
    """`members` are alive, newest first. `unsure`: some process showed no environment, as one in mid-exec does."""

    members: list[Identity]
    unsure: bool


class Belonging:
    """The marks by which a process belongs to a tree: ancestry, session, or first environment.

    root: its first process; what began before it is never a member. sid: the session that root leads, to be given only
    by who knows of root's death as it happened, since a session number is reused like a pid. tags: environment
    variables that a member has all of; {} matches nobody. The caller itself and pid 1 are never members.
    """

    def __init__(
        self, root: Identity | None, tags: Mapping[str, str], sid: int | None = None, spare: Spare | None = None
    ) -> None:
        this_boot = root is None or root.boot_id == boot_id()
        # 0 is no number of ours: it is the parent and the session of whatever came from outside of our pid namespace.
        self.root = root if this_boot and root is not None and root.pid > 0 else None
        self._sid = sid if this_boot and sid else None
        self._oldest_ticks = 0 if self.root is None else self.root.start_ticks
        self._spare = spare
        self._tags = tuple(f"\0{key}={value}\0".encode(errors="surrogateescape") for key, value in tags.items())
        self._keys = tuple(f"\0{key}=".encode() for key in tags)
        self._home = f"\0{HOME_TAG}={tags[HOME_TAG]}\0".encode(errors="surrogateescape") if HOME_TAG in tags else None

    def scan(self) -> Scan:
        """One look at every process."""
        young: dict[int, Stat] = {}
        for pid in newest_first(all_pids()):
            stat = self._candidate(pid)
            if stat is not None:
                young[pid] = stat
        members: set[int] = set()
        unsure = False
        for pid, stat in young.items():
            mine = self._marked(stat)
            if mine:
                members.add(pid)
            unsure = unsure or mine is None
        _add_children(members, young, self.another_home)
        here = boot_id()
        return Scan([Identity(pid, stat.start_ticks, here) for pid, stat in young.items() if pid in members], unsure)

    def newborn(self, pid: int, parents: set[int]) -> Identity | None:
        """The identity of a pid that has just appeared, if it belongs; `parents` are members seen before."""
        stat = self._candidate(pid)
        if stat is None or not (self._marked(stat) or stat.ppid in parents):
            return None
        return Identity(pid, stat.start_ticks, boot_id())

    def spares(self, pid: int) -> bool:
        """Whether the caller of all this wants that pid left alone."""
        return pid <= 1 or pid == os.getpid() or (self._spare is not None and self._spare(pid))

    def another_run(self, pid: int) -> bool:
        """Whether its environment names another run of the same home (an orphan of another kernel), or another home."""
        return self._names_another(_environment(pid))

    def another_home(self, pid: int) -> bool:
        """Whether its environment names another home: nothing of ours, whoever its parent is."""
        return self._names_another_home(_environment(pid))

    def _names_another_home(self, block: bytes) -> bool:
        return self._home is not None and _HOME_KEY in block and self._home not in block

    def _names_another(self, block: bytes) -> bool:
        if self._names_another_home(block):
            return True
        if self._home is None or self._home not in block:
            return False
        return all(key in block for key in self._keys) and not all(tag in block for tag in self._tags)

    def _candidate(self, pid: int) -> Stat | None:
        stat = read_stat(pid)
        if stat is None or stat.dead or stat.kernel_thread or stat.start_ticks < self._oldest_ticks:
            return None
        return None if self.spares(pid) else stat

    def _marked(self, stat: Stat) -> bool | None:
        """None: there is no telling yet."""
        root = self.root
        if root is not None and stat.pid == root.pid:
            return stat.start_ticks == root.start_ticks
        if not self._tags and self._sid is None:
            return False
        block = _environment(stat.pid)
        if self._tags and all(tag in block for tag in self._tags):
            return True
        if self._sid is not None and stat.session == self._sid and self._sid_stands():
            return not self._names_another(block)
        return None if self._tags and block == _NO_ENVIRONMENT and _in_exec(stat.pid) else False

    def _sid_stands(self) -> bool:
        """False once the number of the session belongs to another process than root: that session has ended."""
        root = self.root
        return root is None or root.pid != self._sid or stat_of(root) is not None or read_stat(root.pid) is None


_HOME_KEY = f"\0{HOME_TAG}=".encode()
_NO_ENVIRONMENT = b"\0\0"


def _in_exec(pid: int) -> bool:
    """In the middle of an exec neither words nor environment show; with an empty environment alone the words do."""
    try:
        return slurp(f"/proc/{pid}/cmdline") == b""
    except OSError:
        return True


def _environment(pid: int) -> bytes:
    """The first environment with a NUL on both sides of every entry; b"" when it may not be read."""
    try:
        return b"\0" + slurp(f"/proc/{pid}/environ") + b"\0"
    except OSError as error:
        unless_short(error)
        return b""


def _add_children(members: set[int], stats: Mapping[int, Stat], foreign: Callable[[int], bool]) -> None:
    """A child of a member is one, also when it has washed off every mark; not one that bears another home's."""
    below: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        below.setdefault(stat.ppid, []).append(pid)
    layer = list(members)
    while layer:
        children = [child for parent in layer for child in below.get(parent, ()) if child not in members]
        layer = [child for child in children if not foreign(child)]
        members.update(layer)


# --- births


@cache
def pid_max() -> int:
    """Pids are below this."""
    return int(slurp("/proc/sys/kernel/pid_max"))


@cache
def _births_are_shown() -> bool:
    """False where a container puts a file of its own over /proc/loadavg, which may be seconds old."""
    try:
        return os.stat("/proc/loadavg").st_dev == os.stat("/proc/self").st_dev
    except OSError:
        return False


def last_pid() -> int | None:
    """The pid given out last in this pid namespace, threads included; None when that cannot be known."""
    if not _births_are_shown():
        return None
    return int(slurp("/proc/loadavg").rsplit(None, 1)[1])


def newest_first(pids: list[int]) -> list[int]:
    """By order of birth, as pids are given out in a circle."""
    last = last_pid()
    if last is None:
        return sorted(pids, reverse=True)
    size = pid_max()
    return sorted(pids, key=lambda pid: (last - pid) % size)


def born_between(earlier: int, later: int, limit: int) -> list[int]:
    """Pids given out after `earlier` up to `later`, newest first, at most `limit`."""
    size = pid_max()
    count = min((later - earlier) % size, limit)
    return [pid for n in range(count) if (pid := (later - n) % size) > 1]


# --- one look, for adoption and signals


def members_of(
    tags: Mapping[str, str], sid: int | None = None, root: Identity | None = None, spare: Spare | None = None
) -> list[Identity]:
    """Who belongs now, newest first; see Belonging. Zombies do not count."""
    return Belonging(root, tags, sid, spare).scan().members


def find_by_log(inode: tuple[int, int], among: Iterable[int] | None = None) -> list[int]:
    """Pids (`among` them, else of all) whose stdout or stderr is the file (st_dev, st_ino).

    A kernel that washed its environment keeps its log.
    """
    pids = all_pids() if among is None else among
    return [pid for pid in pids if any(_opens(pid, fd, inode) for fd in (1, 2))]


def inode_of(path: str) -> tuple[int, int] | None:
    """What `find_by_log` takes; None when there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _opens(pid: int, fd: int, inode: tuple[int, int]) -> bool:
    try:
        found = os.stat(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == inode
