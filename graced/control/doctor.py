"""`graced doctor`: what this machine offers, and what graced does where it offers less. Looks, changes nothing."""

import contextlib
import errno
import os
import resource
import tempfile
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from graced.posix import cgroup, notify, proc

OPEN_FILES_LEAST: Final = 1024
_FALLOC_FL_COLLAPSE_RANGE: Final = 0x08
_FALLOC_FL_KEEP_SIZE_AND_PUNCH: Final = 0x03
_BLOCK: Final = 4096


class Finding(Struct, frozen=True):
    """`ok`: all that graced can make use of is there. `instead`: what it does without; empty where `ok`."""

    name: str
    ok: bool
    found: str
    instead: str = ""


def examine(home: str) -> list[Finding]:
    """In the order of the table. `home`: the folder whose file system is tried; it need not exist."""
    return [check(home) for check in CHECKS]


def _pidfd(_: str) -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return Finding("pidfd", False, f"pidfd_open: {error.strerror}", "nothing: graced needs Linux 5.3 or newer")
    return Finding("pidfd", True, f"Linux {os.uname().release}: every death is seen at once")


def _getfd(_: str) -> Finding:
    from graced.posix.passing import take_from

    reader, writer = os.pipe()
    try:
        copy = take_from(proc.me(), reader)
    finally:
        os.close(reader)
        os.close(writer)
    without = "held sockets survive by the watchdog's copies and systemd's store alone"
    if copy is None:
        return Finding("pidfd_getfd", False, "refused", without)
    os.close(copy)
    with contextlib.suppress(OSError, ValueError):
        scope = int(proc.slurp("/proc/sys/kernel/yama/ptrace_scope"))
        if scope > 0 and os.geteuid() != 0:
            return Finding("pidfd_getfd", False, f"restricted to own children (ptrace_scope {scope})", without)
    return Finding("pidfd_getfd", True, "a new spawner can take sockets back from whoever holds them")


def _cgroup(_: str) -> Finding:
    without = "process trees are killed by subreaper and sweeps, in milliseconds to a third of a second"
    folder = cgroup.own()
    if folder is None:
        return Finding("cgroup v2", False, "not mounted", without)
    if not cgroup.is_delegated(folder):
        return Finding("cgroup v2", False, f"{folder} is not delegated to us", f"{without}; Delegate=yes gives it")
    kill = os.path.exists(os.path.join(folder, "cgroup.kill"))
    return Finding("cgroup v2", kill, folder + ("" if kill else ", without cgroup.kill"), "" if kill else without)


def _namespaces(_: str) -> Finding:
    """Tried, as `verify` does: what sysctls allow, a container or a security module may refuse all the same."""
    from graced.mending.verify import can_stand_in

    with contextlib.suppress(OSError):
        if can_stand_in():
            return Finding("user namespaces", True, "a fix can be tried out where nobody else sees it")
    without = "`verify` sees a fix when it is in place already, and it is taken back if that fails"
    return Finding("user namespaces", False, "refused", without)


def _rotation(home: str) -> Finding:
    """COLLAPSE_RANGE drops the head of a live log; PUNCH_HOLE frees its blocks and leaves its length."""
    folder = home
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 2 * _BLOCK)
            file.flush()
            if _fallocate(file.fileno(), _FALLOC_FL_COLLAPSE_RANGE):
                return Finding(
                    "log rotation", True, f"{folder}: the head of a live log can be dropped (COLLAPSE_RANGE)"
                )
            if _fallocate(file.fileno(), _FALLOC_FL_KEEP_SIZE_AND_PUNCH):
                return Finding(
                    "log rotation", False, f"{folder}: PUNCH_HOLE", "rotated logs free their space, not length"
                )
    except OSError as error:
        return Finding("log rotation", False, f"{folder}: {error.strerror}", "give --home, or make the folder writable")
    return Finding("log rotation", False, f"{folder}: neither COLLAPSE_RANGE nor PUNCH_HOLE", "a live log is not cut")


def _fallocate(fd: int, mode: int) -> bool:
    import ctypes

    call = ctypes.CDLL(None, use_errno=True).fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    return bool(call(fd, mode, 0, _BLOCK) == 0)


def _files(_: str) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= OPEN_FILES_LEAST:
        return Finding("open files", True, f"{soft}, at most {hard}")
    return Finding(
        "open files", False, f"{soft}", f"fewer than {soft // 2} kernels; raise it by ulimit -n or LimitNOFILE="
    )


def _processes(_: str) -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NPROC)
    told = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    ok = soft == resource.RLIM_INFINITY or soft >= 256
    return Finding("processes", ok, told, "" if ok else "births may fail, and are tried again")


def _systemd(_: str) -> Finding:
    if notify.outer():
        unit = notify.unit()
        return Finding("systemd", True, f"we run in {unit[0] if unit else 'a service'}")
    if os.path.isdir("/run/systemd/system"):
        return Finding("systemd", True, "runs here; `graced service install` makes graced a service")
    first = "as the first process of a container, graced reaps and forwards signals"
    if os.getpid() == 1:
        return Finding("systemd", False, "we are the first process", first)
    return Finding("systemd", False, "does not run here", f"nobody restarts graced if all of it is killed; {first}")


def _sockets(home: str) -> Finding:
    """unix(7): a path has 107 bytes."""
    from graced.home.paths import SUN_PATH_BYTES

    longest = len(os.fsencode(os.path.join(os.path.abspath(home), "run", "self_healing.cmd")))
    if longest <= SUN_PATH_BYTES:
        return Finding("socket paths", True, f"{longest} of {SUN_PATH_BYTES} bytes")
    return Finding("socket paths", False, f"{longest} of {SUN_PATH_BYTES} bytes", "reached through /proc/self/fd")


def _unix(_: str) -> Finding:
    """Descriptors are passed over SOCK_SEQPACKET."""
    import socket

    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).close()
    except OSError as error:
        return Finding("seqpacket", False, errno.errorcode.get(error.errno or 0, "?"), "no copies of held sockets")
    return Finding("seqpacket", True, "held sockets can be passed on")


CHECKS: Final[tuple[Callable[[str], Finding], ...]] = (
    _pidfd, _getfd, _cgroup, _namespaces, _rotation, _files, _processes, _sockets, _unix, _systemd,
)  # fmt: skip
