"""Real processes for the tests of the OS layer, each ended by pid when its test ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from graced.posix import proc, spawn

DEADLINE_S = 20.0


class Nursery:
    """Starts processes as kernels are started and ends them, whatever the test did to them."""

    def __init__(self) -> None:
        self._born: list[proc.Identity] = []
        self._null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def launch(self, *argv: str, env: dict[str, str] | None = None, **wish: object) -> int:
        wish.setdefault("log_fd", self._null)
        pid = spawn.launch(
            spawn.Launch(name="kernel", argv=list(argv), env=dict(os.environ) | (env or {}), **wish)  # type: ignore[arg-type]
        )
        self.adopt(pid)
        return pid

    def python(self, code: str, *args: str, **rest: object) -> int:
        return self.launch(sys.executable, "-c", code, *args, **rest)  # type: ignore[arg-type]

    def adopt(self, pid: int) -> proc.Identity:
        """Has this process ended with the test too."""
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
            wait_for(lambda identity=identity: not proc.alive(identity))  # type: ignore[misc]
        os.close(self._null)


def wait_for(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come true"
        time.sleep(0.002)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    born = Nursery()
    yield born
    born.end()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits for a condition."""
    return wait_for


@pytest.fixture
def run_script() -> Callable[..., str]:
    """Runs Python code in a process of its own to its end; what it printed. A failed assertion in it fails the test."""

    def run(code: str, *args: str, **rest: object) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **rest,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    return run
