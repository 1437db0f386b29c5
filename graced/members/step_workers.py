"""Steps of playbooks in workers that outlive their member: no death of an executor undoes a step or does it twice.

Each attempt has a file, `steps/RUN/STEP.ATTEMPT`. Its worker holds the flock of it while it works, marks it as begun,
and writes its outcome into it at the end. Who performs an attempt looks there first, so one attempt is performed once.
The file is locked: somebody is at it, and is waited for. It holds an outcome: that is it. It was begun, and nobody
holds it: the worker died, and only what may be repeated is done again.
"""

import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.core.vocabulary import Perform
from graced.members import workers
from graced.posix.files import make_dir, write_whole
from graced.posix.flock import open_locked
from graced.posix.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 0.05
"""Between two looks at a worker that a dead executor has started."""

SPARE_S: Final = 2.0
"""An action bounds itself by the step's timeout; a worker that takes longer by this is killed."""

ANSWER_BYTES: Final = 64 * 1024
BEGUN: Final = b"\xc0"
"""MessagePack's nil: begun, without an outcome."""


class StepOutcome(msgspec.Struct, frozen=True):
    """How an attempt ended. `applies` false: there was nothing for it to do."""

    ok: bool
    text: str = ""
    output: dict[str, Any] = {}
    applies: bool = True


Done = Callable[[StepOutcome], None]


class StepWorkers:
    """One for each member; `perform` calls `done` in the loop, once."""

    def __init__(self, shell: "Shell") -> None:
        self._shell = shell
        self._root = os.path.join(shell.home.root, "steps")
        self._busy: set[str] = set()

    def perform(self, action: Perform, work: Callable[[bool], StepOutcome], done: Done) -> None:
        """`work(again)` is called in a worker; again: it was begun before, and nobody knows how far it came."""
        path = os.path.join(self._folder(action.run), f"{action.step}.{action.attempt}")
        if path in self._busy:
            return
        self._busy.add(path)

        def over(outcome: StepOutcome) -> None:
            self._busy.discard(path)
            done(outcome)

        self._look(path, action.timeout, work, over)

    def note(self, action: Perform, number: int) -> None:
        """Put down what a successor must know of an attempt that the duty performs."""
        path = self._note_path(action)
        with contextlib.suppress(OSError):
            make_dir(self._root, 0o700)
            make_dir(os.path.dirname(path), 0o700)
            write_whole(path, str(number).encode(), durable=False)

    def noted(self, action: Perform) -> int | None:
        """What was put down of this very attempt, by us or by a dead executor."""
        try:
            with open(self._note_path(action), "rb") as file:
                return int(file.read(32))
        except (OSError, ValueError):
            return None

    def _note_path(self, action: Perform) -> str:
        return os.path.join(self._folder(action.run), f"{action.step}.{action.attempt}.note")

    def forget(self, run: str) -> None:
        """The run is over."""
        shutil.rmtree(self._folder(run), ignore_errors=True)

    def forget_all(self) -> None:
        """At a start from nothing."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _folder(self, run: str) -> str:
        return os.path.join(self._root, hashlib.blake2b(run.encode(errors="replace"), digest_size=12).hexdigest())

    def _look(self, path: str, left_s: float, work: Callable[[bool], StepOutcome], over: Done) -> None:
        try:
            make_dir(self._root, 0o700)
            make_dir(os.path.dirname(path), 0o700)
            fd = open_locked(path)
        except OSError as error:
            over(StepOutcome(False, f"no worker can be started: {error.strerror}"))
            return
        if fd is None:  # of a dead executor: its worker is still at it
            if left_s + SPARE_S <= 0:
                over(StepOutcome(False, "the worker of a dead executor gave no result in time"))
            else:
                self._shell.after(LOOK_S, lambda: self._look(path, left_s - LOOK_S, work, over))
            return
        try:
            data = os.pread(fd, ANSWER_BYTES, 0)
            if len(data) > 1:
                over(outcome_of(data) or StepOutcome(False, "its outcome cannot be read"))
                return
            self._start(fd, path, left_s, lambda: work(data == BEGUN), over)
        finally:
            os.close(fd)

    def _start(self, fd: int, path: str, left_s: float, work: Callable[[], StepOutcome], over: Done) -> None:
        def inside(pipe: int) -> None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, max(0.1, left_s) + SPARE_S)  # also when nobody waits any more
            os.pwrite(fd, BEGUN, 0)
            outcome = work()
            data = msgspec.msgpack.encode(outcome)
            if len(data) > ANSWER_BYTES:
                data = msgspec.msgpack.encode(msgspec.structs.replace(outcome, output={}))
            os.pwrite(fd, data, 0)

        def ended(data: bytes) -> None:
            try:
                with open(path, "rb") as file:
                    found = outcome_of(file.read(ANSWER_BYTES))
            except OSError:
                found = None
            over(found or StepOutcome(False, f"no result within {left_s:g} s, or its worker died"))

        if not workers.run(self._shell, inside, left_s + SPARE_S, ended, keep=(fd,), outlives=True):
            over(StepOutcome(False, "no worker could be started"))


def outcome_of(data: bytes) -> StepOutcome | None:
    """What a worker has written; None for a mark that it had begun."""
    if len(data) <= 1:
        return None
    with contextlib.suppress(*UNDECODABLE):
        return msgspec.msgpack.decode(data, type=StepOutcome)
    return None
