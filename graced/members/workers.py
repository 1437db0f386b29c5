"""Long work of a member in a process of its own: titled `graced: MEMBER worker`, no role, ends with its member."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.core.vocabulary import Perform
from graced.home import titles
from graced.members.troubles import PASSING, words
from graced.posix import proc
from graced.posix.descriptors import close_all_but
from graced.posix.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from graced.members.shell import Shell

READ_BYTES: Final = 1 << 20


def start(title: str, work: Callable[[int], None]) -> tuple[int, int]:
    """Fork a worker of this process title that calls `work(fd)` and ends; what it writes to fd is read from the
    descriptor returned.

    The worker dies with its member: it is told so by the kernel (PR_SET_PDEATHSIG). Returns (pid, fd); raises OSError.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(writer)
        os.set_blocking(reader, False)
        return pid, reader
    try:
        proc.set_title(title)
        signal.set_wakeup_fd(-1)
        close_all_but((writer,))
        _die_with(parent)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        work(writer)
    except PASSING as error:
        os.write(2, f"{title}: {words(error)}\n".encode(errors="replace"))
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


def run(shell: "Shell", work: Callable[[int], None], timeout: float, done: Callable[[bytes], None]) -> bool:
    """Start a worker whose answer goes to `done` (empty when it gave none); False when it cannot be forked."""
    try:
        pid, fd = start(titles.of_worker(shell.home.root, shell.me), work)
    except OSError:
        return False
    collect(shell, pid, fd, timeout, done)
    return True


def perform(shell: "Shell", action: Perform) -> None:
    """Run one step of a user's playbook in a worker and report its outcome."""

    def work(fd: int) -> None:
        from graced.playbooks.actions import all_actions
        from graced.playbooks.perform import Context
        from graced.playbooks.perform import perform as do

        config = shell.config
        context = Context(config.folder, dict(os.environ), config.notify, action.timeout)
        outcome = do(action.uses, action.args, context, all_actions())
        answer(fd, {"ok": outcome.ok, "text": outcome.text, "output": outcome.output})

    def done(data: bytes) -> None:
        outcome: dict[str, Any] = {"ok": False, "text": f"no result within {action.timeout:g} s", "output": {}}
        with contextlib.suppress(*UNDECODABLE):
            outcome = msgspec.msgpack.decode(data)
        shell.step_done(
            action.run, action.step, action.attempt, bool(outcome["ok"]), str(outcome["text"]), outcome["output"]
        )

    if not run(shell, work, action.timeout, done):
        shell.step_done(action.run, action.step, action.attempt, False, "no worker could be started", {})
