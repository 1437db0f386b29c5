"""What goes wrong around a member and passes: no descriptor, no memory, a file that cannot be opened, missing code.

None of it ends a member. It is told once, with its reason, when it lasts; what was to be done is tried again.
"""

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import zmq

from graced.posix.shortage import OUT_OF_FILES

if TYPE_CHECKING:
    from graced.members.outside import Reserve

PASSING: Final = (OSError, ImportError, MemoryError, zmq.ZMQError)
"""Errors of the world, not of ours. An ImportError: the installation is being replaced, or was removed."""

TOLD_MAX: Final = 64
"""Troubles that are remembered; more at once are told again."""


def words(error: BaseException) -> str:
    """One line: "No such file or directory: /srv/x"."""
    if isinstance(error, ImportError):
        return f"{error.msg}: the installation is incomplete, or being replaced"
    if isinstance(error, OSError | zmq.ZMQError):
        name = getattr(error, "filename", None)
        where = f": {os.fsdecode(name)}" if isinstance(name, str | bytes) else ""
        return f"{error.strerror or os.strerror(error.errno or errno.EIO)}{where}"
    return type(error).__name__


class Troubles:
    """tell: called with a sentence, once for each trouble that lasts `patience_s`."""

    def __init__(
        self, tell: Callable[[str], None], patience_s: float, now: Callable[[], float], reserve: "Reserve"
    ) -> None:
        self._tell, self._patience_s, self._now = tell, patience_s, now
        self._since: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()
        self._reserve = reserve
        self._reserve.hold()

    def meet(self, what: str, error: BaseException) -> str:
        """It is met again, or for the first time; the sentence about it."""
        if getattr(error, "errno", None) in OUT_OF_FILES:
            self._reserve.release()
        why = f"{what}: {words(error)}"
        key = (what, why)
        while len(self._since) >= TOLD_MAX and key not in self._since:
            oldest = next(iter(self._since))
            del self._since[oldest]
            self._told.discard(oldest)
        since = self._since.setdefault(key, self._now())
        if key not in self._told and self._now() - since >= self._patience_s:
            self._told.add(key)
            self._tell(why)
        return why

    def over(self, what: str) -> None:
        """It went well: the next trouble with it is a new one."""
        for key in [key for key in self._since if key[0] == what]:
            del self._since[key]
            self._told.discard(key)

    def tend(self) -> None:
        """At each heartbeat: the reserve is filled up again as soon as that is possible."""
        self._reserve.hold()
