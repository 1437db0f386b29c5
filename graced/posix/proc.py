"""Who a process is, whether it lives, and how to signal that one and no other.

A pid alone names nobody: it is reused. An `Identity` is pid, start time in clock ticks since boot, and boot id; every
question about life and every signal goes through one. /proc is read directly: a `stat` costs 3 us this way, and no
library of 4 MiB is loaded into every member for it.
"""

import errno
import os
import select
import signal
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import msgspec

from graced.posix.shortage import unless_short

Status = Literal["running", "stopped", "traced", "zombie", "blocked", "gone"]

_STATUS_OF_STATE: dict[str, Status] = {
    "Z": "zombie",
    "X": "zombie",
    "T": "stopped",
    "t": "traced",
    "D": "blocked",
}
"""State letters of proc(5); every other letter is `running`."""

_NO_SUCH_PROCESS = (errno.ESRCH, errno.EINVAL, errno.ENOENT)
"""What pidfd_open(2) says of a pid that is free, not positive, or of a thread that leads no process."""

_PF_KTHREAD = 0x00200000
_PF_EXITING = 0x00000004
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_READ_BYTES = 65536


class Identity(msgspec.Struct, frozen=True):
    """One process for all time: `start_ticks` since boot (1/100 s), `boot_id` as the kernel prints it."""

    pid: int
    start_ticks: int
    boot_id: str


class Stat(NamedTuple):
    """What graced reads of /proc/PID/stat, proc(5)."""

    pid: int
    state: str
    ppid: int
    session: int
    kernel_thread: bool
    exiting: bool  # on its way out: its environment is gone already, its children still hang below it
    threads: int
    start_ticks: int

    @property
    def dead(self) -> bool:
        """Is the process a zombie? A leader that ended before its other threads is shown as Z too, but lives."""
        return self.state in "ZX" and self.threads <= 1


class Usage(NamedTuple):
    """Measurements of one process; `pss_bytes` is None where smaps_rollup may not be read."""

    rss_bytes: int
    pss_bytes: int | None
    cpu_s: float


def slurp(path: str) -> bytes:
    """The whole of a file of /proc; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _READ_BYTES)
        if data:
            # seq_file(9) may stop at any record: only an empty read is the end.
            while more := os.read(fd, _READ_BYTES):
                data += more
        return data
    finally:
        os.close(fd)


@cache
def boot_id() -> str:
    """The random id of this boot."""
    return slurp("/proc/sys/kernel/random/boot_id").decode().strip()


def read_stat(pid: int) -> Stat | None:
    """/proc/PID/stat, or None when there is no such process. Raises OSError only for a shortage of ours."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        unless_short(error)
        return None
    try:
        line = os.read(fd, 4096)
    except OSError:  # ESRCH: it went between open and read
        return None
    finally:
        os.close(fd)
    # The command name stands in parentheses and may itself hold any byte: count from the last one.
    field = line[line.rfind(b")") + 2 :].split()
    if len(field) < 22:
        return None
    return Stat(
        pid=pid,
        state=chr(field[0][0]),
        ppid=int(field[1]),
        session=int(field[3]),
        kernel_thread=bool(int(field[6]) & _PF_KTHREAD),
        exiting=bool(int(field[6]) & _PF_EXITING),
        threads=int(field[17]),
        start_ticks=int(field[19]),
    )


def start_ticks(pid: int) -> int | None:
    """When the process began, in ticks since boot; None when there is none (a zombie still has it)."""
    stat = read_stat(pid)
    return None if stat is None else stat.start_ticks


def identify(pid: int) -> Identity | None:
    """The identity of whoever has this pid now, zombies included."""
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def me() -> Identity:
    """The calling process. Never cached: a fork changes it."""
    identity = identify(os.getpid())
    assert identity is not None, "/proc is not mounted"
    return identity


def stat_of(identity: Identity) -> Stat | None:
    """The stat of exactly this process; None when it is gone, its pid was reused or the boot was another."""
    if identity.boot_id != boot_id():
        return None
    stat = read_stat(identity.pid)
    return stat if stat is not None and stat.start_ticks == identity.start_ticks else None


def status(identity: Identity) -> Status:
    """What /proc says of this very process. A zombie is dead, whoever has yet to reap it."""
    stat = stat_of(identity)
    if stat is None:
        return "gone"
    if stat.state in "ZX" and not stat.dead:
        return "running"
    return _STATUS_OF_STATE.get(stat.state, "running")


def alive(identity: Identity) -> bool:
    """Does exactly this process live: is it neither gone nor a zombie?"""
    stat = stat_of(identity)
    return stat is not None and not stat.dead


def open_pidfd(identity: Identity) -> int | None:
    """A pidfd (O_CLOEXEC) that is provably of this process; None when it is gone, dead or reused.

    Raises OSError only when descriptors run out.
    """
    if identity.boot_id != boot_id():
        return None
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError as error:
        if error.errno in _NO_SUCH_PROCESS:
            return None
        raise
    # The descriptor pins one process. If the pid now has the expected start time and that process is not dead, the
    # pid cannot have changed hands between pidfd_open(2) and this look.
    if start_ticks(identity.pid) == identity.start_ticks and not pidfd_dead(fd):
        return fd
    os.close(fd)
    return None


def pidfd_dead(fd: int) -> bool:
    """True once every thread of the process has ended, reaped or not."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def send(pidfd: int, sig: int) -> bool:
    """Signals the process of the pidfd; False when it is gone. Raises PermissionError for another user's."""
    try:
        signal.pidfd_send_signal(pidfd, sig)
    except ProcessLookupError:
        return False
    return True


def signal_identity(identity: Identity, sig: int) -> bool:
    """Signals exactly this process; False when it is gone, dead or reused, or another user's."""
    fd = open_pidfd(identity)
    if fd is None:
        return False
    try:
        return send(fd, sig)
    except PermissionError:
        return False
    finally:
        os.close(fd)


@cache
def _children_files() -> bool:
    """Whether the kernel has /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN)."""
    return os.path.exists("/proc/thread-self/children")


def has_open(pid: int, path: str) -> bool | None:
    """Whether the process has the file open that `path` names now; None where that may not be looked at.

    Raises OSError only for a shortage of ours.

    The lowest descriptors are looked at first: a lock is among the first things that its holder opens.
    """
    try:
        there = os.stat(path)
        fds = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))
    except PermissionError:
        return None
    except OSError as error:
        unless_short(error)
        return False
    for fd in fds:
        try:
            here = os.stat(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev):
            return True
    return False


def all_pids() -> list[int]:
    """Every pid that /proc shows, zombies included."""
    return [int(name) for name in os.listdir("/proc") if name[0] in "123456789"]


def children(pid: int) -> list[int]:
    """Direct children, zombies included, oldest first within a thread; [] when there is no such process.

    Exact for the caller's own children, as only the caller can take one off the list; of another process one may be
    missed when a sibling is reaped in that instant: look again.
    """
    if not _children_files():
        return [p for p in all_pids() if (stat := read_stat(p)) is not None and stat.ppid == pid]
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError as error:
        unless_short(error)
        return found
    for tid in tasks:
        try:
            found += map(int, slurp(f"/proc/{pid}/task/{tid}/children").split())
        except OSError as error:
            unless_short(error)
            continue
    return found


def own_children() -> list[int]:
    """Children of the calling process, for one whose main thread alone forks.

    An orphan is given to the first living thread of its subreaper, which is the main one.
    """
    if not _children_files():
        return children(os.getpid())
    pid = os.getpid()
    return [int(child) for child in slurp(f"/proc/{pid}/task/{pid}/children").split()]


def descendants(pid: int, spare: Callable[[int], bool] = lambda pid: False) -> list[int]:
    """Children, their children and so on, parents before children; `pid` itself is not in it.

    spare: of which pids neither they nor what hangs below them is wanted.
    """
    found: list[int] = []
    seen = {pid}
    layer = [pid]
    while layer:
        layer = [c for parent in layer for c in children(parent) if c not in seen and not spare(c)]
        seen.update(layer)
        found += layer
    return found


def environ(pid: int) -> dict[str, str]:
    """The first environment of a process, as its last exec got it; {} when it may not be read or is gone."""
    try:
        block = slurp(f"/proc/{pid}/environ")
    except OSError as error:
        unless_short(error)
        return {}
    entries = (entry.partition(b"=") for entry in block.split(b"\0") if entry)
    return {os.fsdecode(key): os.fsdecode(value) for key, equals, value in entries if equals}


def session_of(pid: int) -> int | None:
    """The session of a process, by the pid of its leader."""
    stat = read_stat(pid)
    return None if stat is None else stat.session


def parent_of(pid: int) -> int | None:
    """Parent's pid; 0 when the parent is outside this pid namespace."""
    stat = read_stat(pid)
    return None if stat is None else stat.ppid


def usage(pid: int, pss: bool = True) -> Usage | None:
    """Memory and CPU time of a process; None when there is none. `pss=False` saves its one costly part (some 100 us).

    By psutil, which is imported here: 30 ms and 4 MiB that no member pays, only who measures.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            cpu = process.cpu_times()
            rss = process.memory_info().rss
            try:
                shared = process.memory_full_info().pss if pss else None
            except psutil.AccessDenied:
                shared = None
            return Usage(rss, shared, cpu.user + cpu.system)
    except psutil.Error:
        return None


@cache
def _prctl() -> Callable[[int, int], int]:
    """prctl(2) with one argument; 4 ms the first time, so it is looked up before a fork and not after it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return lambda option, value: 0 if libc.prctl(option, value, 0, 0, 0) == 0 else ctypes.get_errno()


def set_subreaper(on: bool = True) -> None:
    """Orphans below this process become its children (PR_SET_CHILD_SUBREAPER). Not inherited by a fork."""
    code = _prctl()(_PR_SET_CHILD_SUBREAPER, int(on))
    if code:
        raise OSError(code, f"cannot become a subreaper: {os.strerror(code)}")


def die_with_parent(sig: int) -> None:
    """Have `sig` sent to this process when the thread that forked it ends (PR_SET_PDEATHSIG). Not inherited by a fork.

    A parent that is dead already sends nothing: the caller looks at os.getppid() afterwards.
    """
    _prctl()(_PR_SET_PDEATHSIG, sig)


def name(pid: int) -> str:
    """The program's name, at most 15 bytes of it; "?" when there is no such process."""
    try:
        return slurp(f"/proc/{pid}/comm").decode(errors="replace").rstrip("\n")
    except OSError:
        return "?"


def set_title(title: str) -> None:
    """The process title that ps shows, and its first 15 bytes as the name that top shows.

    It overwrites the memory that /proc/PID/environ shows: find such a process by identity, never by environment.
    """
    import setproctitle  # loads logging; only members pay for it

    setproctitle.setproctitle(title)
    setproctitle.setthreadtitle(title.encode()[:15].decode(errors="ignore"))


def reap() -> list[tuple[int, int]]:
    """Every child that has ended by now: (pid, wait status as of os.waitpid). Never blocks."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, wait_status))
