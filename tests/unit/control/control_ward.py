"""Processes that look like those of graced, each ended by pid after its test."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from graced.bus.protocol import Ask, Reply, decode_ask, encode, to_plain
from graced.home.locks import LockRecord
from graced.home.paths import Home
from graced.home.slots import Slot
from graced.posix import proc, spawn
from graced.posix.padded_record import open_slot, write_slot
from graced.spec.run import Run

DEADLINE_S = 20.0

_held: list[int] = []


def wait_for(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come true"
        time.sleep(0.002)


class Ward:
    """Starts processes as graced starts kernels, and ends whoever is left."""

    def __init__(self) -> None:
        self._born: list[proc.Identity] = []
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def python(
        self,
        code: str,
        *args: str,
        env: dict[str, str] | None = None,
        log_fd: int | None = None,
        holds: str | None = None,
    ) -> proc.Identity:
        """holds: the path of a lock file that it has open, as the holder of a role does."""
        argv = [sys.executable, "-c", code, *args]
        environ = {**os.environ, **(env or {})}
        lock_fd = None if holds is None else os.open(holds, os.O_RDWR | os.O_CREAT, 0o600)
        keep = () if lock_fd is None else ((lock_fd, 9),)
        try:
            wish = spawn.Launch("kernel", argv, environ, self._null if log_fd is None else log_fd, keep_fd=keep)
            return self.adopt(spawn.launch(wish))
        finally:
            if lock_fd is not None:
                os.close(lock_fd)

    def kernel(self, home: Home, name: str, code: str, run: int = 1, slot: bool = True) -> proc.Identity:
        """A kernel of a home, as its spawner would have started it."""
        tags = {"GRACED_HOME_ID": home.id(), "GRACED_KERNEL": name, "GRACED_RUN": str(run)}
        identity = self.python(code, env=tags)
        if slot:
            write_run(home, name, run, identity)
        return identity

    def adopt(self, pid: int) -> proc.Identity:
        identity = proc.identify(pid)
        assert identity is not None
        self._born.append(identity)
        return identity

    def end(self) -> None:
        for identity in self._born:
            proc.signal_identity(identity, signal.SIGKILL)
        for identity in self._born:
            if proc.parent_of(identity.pid) == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(identity.pid, 0)
        os.close(self._null)


def write_run(home: Home, name: str, run: int, identity: proc.Identity) -> None:
    fd = open_slot(home.slot(name))
    write_slot(fd, msgspec.json.encode(Slot(Run(name, run, identity.pid, identity.start_ticks, identity.boot_id))), 512)
    os.close(fd)


def write_role(home: Home, member: str, identity: proc.Identity, incarnation: int = 1) -> None:
    """A role's lock file that names this process; the calling one keeps it open, as a holder does."""
    fd = open_slot(home.lock(member))
    write_slot(fd, msgspec.json.encode(LockRecord.of(identity, incarnation)))
    if identity == proc.me():
        _held.append(fd)
    else:
        os.close(fd)


class FakeMember:
    """Answers commands as a member does, from a thread of this process, which holds the role by its record.

    handlers: verb -> function of the args that gives the data of the answer; None is no answer at all, a Reply goes out
    as it is.
    """

    def __init__(self, home: Home, member: str, handlers: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
        self.asked: list[Ask] = []
        self._handlers = handlers
        write_role(home, member, proc.me())
        self._context: zmq.Context[Any] = zmq.Context(1)
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(home.endpoint(member, "cmd"))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            if not self._socket.poll(10):
                continue
            address, data = self._socket.recv_multipart()
            ask = decode_ask(data)
            assert ask is not None
            self.asked.append(ask)
            answer = self._handlers[ask.verb](ask.args) if ask.verb in self._handlers else None
            if isinstance(answer, Reply):
                self._socket.send_multipart((address, encode(msgspec.structs.replace(answer, id=ask.id))))
            elif answer is not None:
                self._socket.send_multipart((address, encode(Reply(ask.id, True, to_plain(answer)))))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._context.destroy(linger=0)
