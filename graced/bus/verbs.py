"""Every command of the bus: its verb, its arguments as a struct, and which members take it.

A message whose arguments do not fit is answered with what is wrong with them; past that point every error is our own.
Numbers have a range, since what decodes need not fit elsewhere: 2^63 kills SQLite, an infinite timeout a timer.
"""

import os
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from graced.core.orders import Order, Running
from graced.core.vocabulary import Lease
from graced.spec.roles import MEMBERS

COUNT_MAX: Final = 2**53
PATH_MAX: Final = 65536

Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Seconds = Annotated[float, Meta(ge=-1e12, le=1e12)]
Name = Annotated[str, Meta(max_length=4096, pattern=r"\A[^\x00]*\Z")]
Path = Annotated[str, Meta(min_length=1, max_length=PATH_MAX, pattern=r"\A[^\x00]*\Z")]
"""Without a NUL, which no file name has."""


class Nothing(Struct, frozen=True):
    """No arguments."""


class BeatSent(Struct, frozen=True):
    """`beat`: an encoded Beat."""

    beat: bytes


class Reason(Struct, frozen=True):
    reason: str = "asked to"


class Vote(Struct, frozen=True):
    vote: Name
    target: Name
    incarnation: Count


class BirthAsked(Struct, frozen=True):
    target: Name
    request: Name
    floor: Count
    force: bool


class KernelRun(Struct, frozen=True):
    kernel: Name
    run: Count


class Sync(Struct, frozen=True):
    """`incarnation`: of the self_healing that listens from now on."""

    incarnation: Count


class NewsItem(Struct, frozen=True):
    """A report of graced.core.orders, numbered from 1 by each spawner."""

    n: Count
    what: str
    running: Running
    at: Seconds
    text: str
    by_order: bool
    wanting: bool = False


class News(Struct, frozen=True):
    items: tuple[NewsItem, ...]


class Names(Struct, frozen=True):
    names: tuple[Name, ...]


class KernelsLookedAt(Struct, frozen=True):
    """`all`: of kernels that are not meant to run too."""

    names: tuple[Name, ...]
    all: bool = False


class RunWanted(Struct, frozen=True):
    request: Name
    playbook: Name
    tier: Annotated[int, Meta(ge=1, le=3)]
    by: Name
    target: Name = ""
    vars: dict[str, Any] = {}


class Answer(Struct, frozen=True):
    """A person's answer to an approval."""

    id: Name
    approve: bool
    by: Name


class Request(Struct, frozen=True):
    request: Name


class SignedLease(Struct, frozen=True):
    """See graced.members.leasing. `expires` by CLOCK_BOOTTIME."""

    lease: Lease
    expires: Seconds
    boot_id: str
    mac: str


class Incident(Struct, frozen=True):
    incident: Name


class Paths(Struct, frozen=True):
    paths: tuple[Path, ...]


class Crash(Struct, frozen=True):
    """`at`: when the run of `kernel` began that fell over `path`, seconds since 1970, 0 when not known."""

    path: Path
    error: str
    kernel: Name
    at: Seconds = 0.0


class File(Struct, frozen=True):
    """`path`: as bytes when it is no UTF-8, else as text; msgspec has no word for that."""

    path: Any

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, bytes)) or not self.path or len(self.path) > PATH_MAX:
            raise ValueError("Expected a path, as text or as bytes")
        if "\0" in os.fsdecode(self.path):
            raise ValueError("Expected a path without a NUL")


class TaskId(Struct, frozen=True):
    id: Name


HEALER: Final = frozenset({"self_healing", "coding_agent"})
DELEGATE: Final = frozenset({"architect", "parliament", "trigger"})
EVERYONE: Final = frozenset(MEMBERS)


class Verb(Struct, frozen=True):
    """`args` as the sender fills them; `takers`: who has a handler; `answer`: what `data` of the Reply is."""

    args: type[Struct]
    takers: frozenset[str]
    answer: str = ""


def _of(*roles: str) -> frozenset[str]:
    return frozenset(roles)


VERBS: Final[dict[str, Verb]] = {
    "status": Verb(Nothing, EVERYONE, "View"),
    "beat": Verb(BeatSent, EVERYONE, "none: a newborn's first heartbeat"),
    "resign": Verb(Reason, EVERYONE, "the member ends itself, the others bring it back"),
    "vote": Verb(Vote, EVERYONE, "{down}"),
    "birth": Verb(BirthAsked, _of("spawner"), "{pid} | {pid: 0, reason, retry_at}"),
    "kernel.start": Verb(KernelRun, _of("spawner"), "the outcome comes as news"),
    "kernel.order": Verb(Order, _of("spawner")),
    "kernel.end": Verb(KernelRun, _of("spawner"), "as its `stop` says; the exit comes as news"),
    "kernel.sync": Verb(Sync, _of("spawner"), "{runs, news}: all runs, and what nobody has taken"),
    "kernel.news": Verb(News, _of("self_healing"), "births and exits"),
    "kernels.start": Verb(Names, _of("self_healing"), "{names, runs, unsaved}: by a person"),
    "kernels.stop": Verb(Names, _of("self_healing"), "{names, runs, unsaved}: by a person"),
    "kernels.restart": Verb(Names, _of("self_healing"), "{names, runs, unsaved}: by a person"),
    "kernel.mended": Verb(Paths, _of("self_healing"), "they compile now; rows as of kernel.look"),
    "kernel.look": Verb(KernelsLookedAt, _of("self_healing"), "{NAME: {run: Run, state, alive, reason, meant}}"),
    "kernel.renew": Verb(Names, _of("self_healing"), "the next run begins, as the sources were mended"),
    "run": Verb(RunWanted, HEALER, "{accepted}"),
    "run.result": Verb(Request, HEALER, "{running, steps}, and once it is over {ok, text}"),
    "approve": Verb(Answer, HEALER | {"trigger"}, "{id, playbook, run}: a person's answer"),
    "grant": Verb(SignedLease, DELEGATE, "{held}"),
    "revoke": Verb(Incident, DELEGATE, "{held: false}"),
    "task.crashed": Verb(
        Crash, _of("coding_agent"), "{}: a kernel fell over it; if it is queued, its quiet time is over"
    ),
    "task.mend": Verb(Crash, _of("coding_agent"), "{id, state, text}: a kernel crashes over it"),
    "task.add": Verb(File, _of("coding_agent"), "{id}"),
    "task.undo": Verb(TaskId, _of("coding_agent"), "{path}: the bytes from before the fix are back"),
    "task.accept": Verb(TaskId, _of("coding_agent"), "{path}: it has what the task suggested"),
    "task.decline": Verb(TaskId, _of("coding_agent"), "{path}: it is left as it is, whatever the task suggests"),
}
