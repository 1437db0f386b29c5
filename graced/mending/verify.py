"""The user's `verify` command: it must exit 0 before a fix stands.

It sees the tree as it would be. Where the kernel lets us (mount_namespaces(7)), the repaired file is bind-mounted over
the broken one in a namespace that only the command lives in, so nobody else ever sees a fix that fails; elsewhere the
caller puts the fix in place first, and takes it back.
"""

import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

TIMEOUT_S: Final = 300.0
TAIL_BYTES: Final = 2000
OUTPUT_MAX_BYTES: Final = 64 * 1024 * 1024
"""Of the command's output, kept in a file without a name; it is killed past it (SIGXFSZ)."""

_NEWNS: Final = 0x00020000
_NEWUSER: Final = 0x10000000
_BIND: Final = 4096
_PRIVATE: Final = 1 << 18
_REC: Final = 16384


class Verifier(Struct, frozen=True):
    """The command, the folder that relative paths in it are relative to, and how long it may take."""

    command: tuple[str, ...]
    folder: str
    timeout_s: float = TIMEOUT_S


def verify(verifier: Verifier, path: str, after: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """None when the command exits 0; else what it said, in a line. Its whole process group is gone afterwards.

    `after` names a file that stands in for the one at `path` while it runs; None: what is at `path` is meant.
    """
    import subprocess

    out = os.memfd_create("verify", os.MFD_CLOEXEC)
    env = {**(os.environ if environ is None else environ), "GRACED_FILE": path}

    def child() -> None:
        import resource

        end_with_parent()
        resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_MAX_BYTES, OUTPUT_MAX_BYTES))
        if after is not None:
            _stand_in(after, os.path.realpath(path))

    try:
        process = subprocess.Popen(
            verifier.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=verifier.folder, env=env,
            start_new_session=True, preexec_fn=child,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        os.close(out)
        return f"verify cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        code = process.wait(verifier.timeout_s)
    except subprocess.TimeoutExpired:
        return f"verify took longer than {verifier.timeout_s:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said = _tail(out)
        os.close(out)
    if code == 0:
        return None
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    return f"verify: {how}" + (f": {said}" if said else "")


def end_with_parent() -> None:
    """In a command's process: it is killed when the worker that began it is."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _tail(fd: int) -> str:
    """The last line that is not blank."""
    size = os.fstat(fd).st_size
    data = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES)).decode("utf-8", "replace")
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def can_stand_in() -> bool:
    """Whether this process may have mount namespaces of its own; tried in a child."""
    pid = os.fork()
    if not pid:
        code = 1
        with contextlib.suppress(BaseException):
            _own_namespace()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _stand_in(after: str, path: str) -> None:
    """In the command's process: `after` is seen at `path`. Raises OSError."""
    _own_namespace()
    _mount(after, path, _BIND)


def _own_namespace() -> None:
    import ctypes

    uid, gid = os.geteuid(), os.getegid()
    if _unshare(_NEWNS):
        _mount("none", "/", _REC | _PRIVATE)
        return
    if not _unshare(_NEWUSER | _NEWNS):
        raise OSError(ctypes.get_errno(), "no mount namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    _mount("none", "/", _REC | _PRIVATE)


def _unshare(flags: int) -> bool:
    import ctypes

    return bool(ctypes.CDLL(None, use_errno=True).unshare(flags) == 0)


def _mount(source: str, target: str, flags: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), "mount", target)
