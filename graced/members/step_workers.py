"""Steps of playbooks in workers that outlive their member: no death of an executor undoes a step or does it twice.

Each attempt has a file, which its worker holds locked while it works, marks as begun, and writes its outcome into at
the end. Who performs an attempt looks there first, so one attempt is performed once. The file is locked: somebody is
at it, and is waited for. It holds an outcome: that is it. It was begun, and nobody holds it: the worker died, and only
what may be repeated is done again.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.core.vocabulary import Perform
from graced.posix.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 0.05
"""Between two looks at a worker that a dead executor has started."""

SPARE_S: Final = 2.0
"""An action bounds itself by the step's timeout; a worker that takes longer by this is killed."""

BEGUN: Final = b"\xc0"
"""MessagePack's nil: begun, without an outcome."""


class StepOutcome(msgspec.Struct, frozen=True):
    """How an attempt ended. `applies` false: there was nothing for it to do."""

    ok: bool
    text: str = ""
    output: dict[str, Any] = {}
    applies: bool = True


class StepWork(msgspec.Struct):
    """One attempt as a worker performs it."""

    def perform(self, again: bool) -> StepOutcome:
        """again: it was begun before, and nobody knows how far it came."""
        raise NotImplementedError


Done = Callable[[StepOutcome], None]


class StepWorkers:
    """One for each member; `perform` calls `done` in the loop, once."""

    def __init__(self, shell: "Shell") -> None:
        self._shell, self._attempts = shell, shell.outside.attempts
        self._busy: set[tuple[str, int, int]] = set()
        self.forget = self._attempts.forget
        self.forget_all = self._attempts.forget_all

    def perform(self, action: Perform, work: StepWork, done: Done) -> None:
        key = (action.run, action.step, action.attempt)
        if key in self._busy:
            return
        self._busy.add(key)

        def over(outcome: StepOutcome) -> None:
            self._busy.discard(key)
            done(outcome)

        self._look(key, action.timeout, work, over)

    def note(self, action: Perform, number: int) -> None:
        """Put down what a successor must know of an attempt that the duty performs."""
        with contextlib.suppress(OSError):
            self._attempts.write_note(action.run, action.step, action.attempt, str(number).encode())

    def noted(self, action: Perform) -> int | None:
        """What was put down of this very attempt, by us or by a dead executor."""
        try:
            return int(self._attempts.read_note(action.run, action.step, action.attempt))
        except (OSError, ValueError):
            return None

    def _look(self, key: tuple[str, int, int], left_s: float, work: StepWork, over: Done) -> None:
        try:
            attempt = self._attempts.take(*key)
        except OSError as error:
            over(StepOutcome(False, f"no worker can be started: {error.strerror}"))
            return
        if attempt is None:  # of a dead executor: its worker is still at it
            if left_s + SPARE_S <= 0:
                over(StepOutcome(False, "the worker of a dead executor gave no result in time"))
            else:
                self._shell.after(LOOK_S, lambda: self._look(key, left_s - LOOK_S, work, over))
            return
        data = attempt.data
        if len(data) > 1:
            attempt.close()
            over(outcome_of(data) or StepOutcome(False, "its outcome cannot be read"))
            return

        def ended(found: bytes) -> None:
            over(outcome_of(found) or StepOutcome(False, f"no result within {left_s:g} s, or its worker died"))

        if not attempt.start(work, data == BEGUN, max(0.1, left_s) + SPARE_S, ended):
            over(StepOutcome(False, "no worker could be started"))


def outcome_of(data: bytes) -> StepOutcome | None:
    """What a worker has written; None for a mark that it had begun."""
    if len(data) <= 1:
        return None
    with contextlib.suppress(*UNDECODABLE):
        return msgspec.msgpack.decode(data, type=StepOutcome)
    return None
