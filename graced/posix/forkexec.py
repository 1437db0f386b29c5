"""Fork, change oneself step by step, exec; a step that fails is named to the parent."""

import errno
import fcntl
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple, Never

from graced.posix.descriptors import ChildFds

if sys.version_info >= (3, 12):
    # libzmq's threads stay behind in the parent; the child touches nothing of theirs and goes straight to exec.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)

ALL_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
"""Default in every newborn: Python ignores SIGPIPE and SIGXFSZ, and an ignored signal stays so through exec."""

_REPORT_BYTES = 1024
"""Most that a failing child says: less than PIPE_BUF, so that it is one piece."""


class Step(NamedTuple):
    """`words` begin the sentence of its failure; `act` raises OSError or ValueError."""

    words: str
    act: Callable[[], object]


class Image(NamedTuple):
    """What execve(2) gets; with `listen_pid` LISTEN_PID=its pid is added to `env` for sd_listen_fds(3)."""

    path: str
    argv: list[str]
    env: dict[str, str]
    listen_pid: bool


def failed(words: str, code: int | None) -> OSError:
    """An OSError of the right subclass whose `strerror` is "WORDS: reason"."""
    number = code or errno.EIO
    return OSError(number, f"{words}: {os.strerror(number)}")


def fork_exec(image: Image, steps: list[Step], fds: ChildFds) -> int:
    """The pid of a child that has done `steps` and its exec. OSError otherwise; nothing is left then.

    `steps` and all they need are made before, so that the child of a process with threads does little.
    """
    plan = [
        Step("session", os.setsid),
        *steps,
        Step("signals", _Dispositions().reset),
        Step(f"command {image.argv[0]}", lambda: _exec(image)),
    ]
    reader, writer = os.pipe()
    try:
        high = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, fds.above)  # where no descriptor is moved onto it
        os.close(writer)
        writer = high
        null_fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        # No handler of ours may run in the child: signals wait until they are default there.
        before = signal.pthread_sigmask(signal.SIG_SETMASK, ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                _become(plan, fds, null_fd, writer)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(null_fd)
            os.close(writer)
        report = os.read(reader, _REPORT_BYTES)  # nothing: the exec closed the pipe
    finally:
        os.close(reader)
    if not report:
        return pid
    os.waitpid(pid, 0)
    code, _, words = report.partition(b" ")
    raise failed(os.fsdecode(words), int(code))


def _become(plan: list[Step], fds: ChildFds, null_fd: int, report_fd: int) -> Never:
    words = "descriptors"
    code = errno.EIO
    try:
        fds.apply(null_fd)
        for step in plan:
            words = step.words
            step.act()
    except OSError as error:
        code = error.errno or errno.EIO
    except ValueError:  # a NUL byte in a word
        code = errno.EINVAL
    finally:
        os.write(report_fd, f"{code} ".encode() + os.fsencode(words)[: _REPORT_BYTES - 8])
        os._exit(127)


def _exec(image: Image) -> Never:
    if image.listen_pid:
        image.env["LISTEN_PID"] = str(os.getpid())
    os.execve(image.path, image.argv, image.env)


class _Dispositions:
    """The signals that are not default in this process, noted before the fork."""

    def __init__(self) -> None:
        self._changed = [s for s in ALL_SIGNALS if signal.getsignal(s) not in (signal.SIG_DFL, None)]

    def reset(self) -> None:
        for number in self._changed:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
