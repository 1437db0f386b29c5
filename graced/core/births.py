"""The spawner's rules for members: one newborn a role, and the start intensity of starts that did not become healthy.

A member that was healthy and dies is started again at once, however often. Only starts that never became healthy
count: they back off, and past `max_restarts` in the window they are tried every `backoff.max`. A forced birth (the
emergency) skips and resets the count. Kept in the one process that gives birth, so that no number of restarters
gets around it.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.core.intensity import History, Policy, weigh
from graced.core.vocabulary import Action, Birth, Born, Event, Unborn

NEWBORN_INTERVALS: Final = 10.0  # a newborn that is not healthy after that is killed; at least NEWBORN_FLOOR_S
NEWBORN_FLOOR_S: Final = 5.0


class Start(Struct, frozen=True):
    """The last start of one role. `healthy` once its heartbeat said so; `again_at`: no start before."""

    pid: int = 0
    at: float = 0.0
    alive: bool = False
    healthy: bool = False
    killed: bool = False
    failures: int = 0
    history: History = History()
    again_at: float = 0.0
    reason: str = ""
    spent: bool = False


class Fork(Action, frozen=True):
    """Fork the member; the shell reports its pid with `forked`."""

    role: str
    request: str
    floor: int


class Answer(Action, frozen=True):
    """Tell whoever asked for `request`."""

    request: str
    event: Event


class KillNewborn(Action, frozen=True):
    role: str
    pid: int


StartAction = Fork | Answer | KillNewborn
Starts = dict[str, Start]
Step = tuple[Starts, tuple[StartAction, ...]]


def ask(starts: Starts, birth: Birth, now: float, *, holder: int = 0) -> Step:
    """Somebody under the restart lock wants `birth.target`. `holder`: pid of a live holder above the floor, or 0."""
    role, start = birth.target, starts.get(birth.target, Start())
    if holder:
        return starts, (Answer(birth.request, Born(role, holder)),)
    if start.alive and not start.healthy and not start.killed:
        return starts, (Answer(birth.request, Born(role, start.pid)),)
    if birth.force:
        starts = {**starts, role: replace(start, history=History(), again_at=0.0, spent=False)}
    elif now < start.again_at:
        return starts, (Answer(birth.request, Unborn(role, start.reason, start.again_at)),)
    return starts, (Fork(role, birth.request, birth.floor),)


def forked(starts: Starts, role: str, pid: int, now: float) -> Starts:
    old = starts.get(role, Start())
    return {**starts, role: replace(old, pid=pid, at=now, alive=True, healthy=False, killed=False)}


def healthy(starts: Starts, role: str, pid: int) -> Starts:
    """A heartbeat said so: what failed before is forgotten."""
    start = starts.get(role)
    if start is None or start.pid != pid or start.healthy:
        return starts
    return {**starts, role: Start(pid=pid, at=start.at, alive=True, healthy=True)}


def died(starts: Starts, role: str, pid: int, reason: str, policy: Policy, now: float, noise: float = 0.0) -> Starts:
    """A child of the role ended. `reason` in words, with the last line of its log."""
    start = starts.get(role)
    if start is None or start.pid != pid:
        return starts
    if start.healthy:
        return {**starts, role: replace(start, alive=False, reason=reason)}
    verdict = weigh(start.history, policy, 0.0, now, noise)
    wait = policy.max if verdict.spent else verdict.wait
    return {
        **starts,
        role: replace(
            start, alive=False, failures=start.failures + 1, history=verdict.history, again_at=now + wait,
            reason=reason, spent=verdict.spent,
        ),
    }  # fmt: skip


def overdue(starts: Starts, interval: float, now: float, heard: Callable[[str], bool]) -> Step:
    """Newborns that had their time and are not healthy are killed; their death is then counted.

    `heard`: does anybody else hear that role? Then it is this spawner that is deaf, and the quorum judges.
    """
    limit = max(NEWBORN_FLOOR_S, NEWBORN_INTERVALS * interval)
    late = {r: s for r, s in starts.items() if s.alive and not s.healthy and not s.killed and now - s.at > limit}
    late = {r: s for r, s in late.items() if not heard(r)}
    if not late:
        return starts, ()
    marked = {r: replace(s, killed=True) for r, s in late.items()}
    return {**starts, **marked}, tuple(KillNewborn(r, s.pid) for r, s in late.items())


def failing(starts: Starts) -> dict[str, str]:
    """Roles whose starts do not become healthy, with the reason: `failed` in status."""
    return {role: s.reason for role, s in starts.items() if s.failures and not s.healthy and not s.alive}
