"""Long work of a member in a process of its own: titled `graced: MEMBER worker`, no role, ends with its member
unless it is told to outlive it."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.posix import proc
from graced.posix.descriptors import close_all_but

if TYPE_CHECKING:
    from graced.members.shell import Shell

READ_BYTES: Final = 1 << 20


def start(
    member: str, work: Callable[[int], None], keep: tuple[int, ...] = (), outlives: bool = False
) -> tuple[int, int]:
    """Fork a worker that calls `work(fd)` and ends; what it writes to fd is read from the descriptor returned.

    The worker dies with its member, unless it `outlives` it: the kernel tells it (PR_SET_PDEATHSIG). `keep`: further
    descriptors that it has. Returns (pid, fd); raises OSError.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writer)
        os.set_blocking(reader, False)
        return pid, reader
    try:
        proc.set_title(f"graced: {member} worker")
        signal.set_wakeup_fd(-1)
        close_all_but((writer, *keep))
        if not outlives:
            _die_with(parent)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        work(writer)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _die_with(parent: int) -> None:
    proc.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def collect(shell: "Shell", pid: int, fd: int, timeout: float, done: Callable[[bytes], None]) -> None:
    """Read a worker's output in the loop; `done` gets all of it at its end, what came so far after `timeout`."""
    parts: list[bytes] = []
    over = [False]

    def finish() -> None:
        if not over[0]:
            over[0] = True
            shell.drop_reader(fd)
            os.close(fd)
            done(b"".join(parts))

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(fd, READ_BYTES)
            if data:
                parts.append(data)
            else:
                finish()

    def late() -> None:
        if not over[0]:
            identity = proc.identify(pid)
            if identity is not None and proc.parent_of(pid) == os.getpid():
                proc.signal_identity(identity, 9)
            finish()

    shell.add_reader(fd, readable)
    if timeout > 0:
        shell.after(timeout, late)


def answer(fd: int, result: Any) -> None:
    """In a worker: send the result, a struct, as one MessagePack value."""
    data = memoryview(msgspec.msgpack.encode(result))
    while data:
        data = data[os.write(fd, data) :]


def run(
    shell: "Shell", work: Callable[[int], None], timeout: float, done: Callable[[bytes], None],
    keep: tuple[int, ...] = (), outlives: bool = False,
) -> bool:  # fmt: skip
    """Start a worker whose answer goes to `done` (empty when it gave none); False when it cannot be forked."""
    try:
        pid, fd = start(shell.me, work, keep, outlives)
    except OSError:
        return False
    collect(shell, pid, fd, timeout, done)
    return True
