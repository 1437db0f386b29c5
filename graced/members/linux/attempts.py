"""The files of attempts, `steps/RUN/STEP.ATTEMPT`, and the workers that hold them locked; see members/step_workers."""

import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.members.linux.workers import Workers
from graced.members.step_workers import BEGUN, StepWork
from graced.posix.files import make_dir, write_whole
from graced.posix.flock import open_locked

ANSWER_BYTES: Final = 64 * 1024


class Attempt:
    """One attempt whose file this process holds. `data`: what is in it."""

    def __init__(self, fd: int, path: str, workers: Workers) -> None:
        self._fd, self._path, self._workers = fd, path, workers
        self.data = os.pread(fd, ANSWER_BYTES, 0)

    def close(self) -> None:
        os.close(self._fd)

    def start(self, work: StepWork, again: bool, limit_s: float, ended: Callable[[bytes], None]) -> bool:
        """Hand the lock to a worker; `ended` gets what the file has in the end. False when none can be started."""
        fd = self._fd

        def inside(pipe: int) -> None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, limit_s)  # also when nobody waits any more
            os.pwrite(fd, BEGUN, 0)
            outcome = work.perform(again)
            data = msgspec.msgpack.encode(outcome)
            if len(data) > ANSWER_BYTES:
                data = msgspec.msgpack.encode(msgspec.structs.replace(outcome, output={}))
            os.pwrite(fd, data, 0)

        def over(data: bytes) -> None:
            try:
                with open(self._path, "rb") as file:
                    found = file.read(ANSWER_BYTES)
            except OSError:
                found = b""
            ended(found)

        try:
            return self._workers.start(inside, limit_s, over, keep=(fd,), outlives=True)
        finally:
            os.close(fd)


class Attempts:
    def __init__(self, home: Home, workers: Workers) -> None:
        self._root, self._workers = os.path.join(home.root, "steps"), workers

    def take(self, run: str, step: int, attempt: int) -> Attempt | None:
        """None while somebody is at it. Raises OSError."""
        path = self._path(run, step, attempt)
        fd = open_locked(path)
        if fd is None:
            return None
        try:
            return Attempt(fd, path, self._workers)
        except OSError:
            os.close(fd)
            raise

    def write_note(self, run: str, step: int, attempt: int, data: bytes) -> None:
        write_whole(f"{self._path(run, step, attempt)}.note", data, durable=False)

    def read_note(self, run: str, step: int, attempt: int) -> bytes:
        with open(os.path.join(self._folder(run), f"{step}.{attempt}.note"), "rb") as file:
            return file.read(32)

    def forget(self, run: str) -> None:
        shutil.rmtree(self._folder(run), ignore_errors=True)

    def forget_all(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def _folder(self, run: str) -> str:
        return os.path.join(self._root, hashlib.blake2b(run.encode(errors="replace"), digest_size=12).hexdigest())

    def _path(self, run: str, step: int, attempt: int) -> str:
        """With its folder made. Raises OSError."""
        folder = self._folder(run)
        make_dir(self._root, 0o700)
        make_dir(folder, 0o700)
        return os.path.join(folder, f"{step}.{attempt}")
