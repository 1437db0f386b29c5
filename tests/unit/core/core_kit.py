"""Builders for tests of the pure core: a member that knows everyone, beats, and steps that collect actions."""

from typing import Any, TypeVar

from msgspec.structs import replace

from graced.core.intensity import Policy
from graced.core.member import step
from graced.core.state import State, new_state
from graced.core.vocabulary import Action, Beat, Event, Heard, Ready, RunNote, Timing
from graced.playbooks.load import shipped
from graced.spec.roles import others

TIMING = Timing(0.1, 1.0, 1.0, 0.5)
POLICY = Policy()
PLAYBOOKS = shipped()
NOW = 1000.0

T = TypeVar("T", bound=Action)


def pid_of(member: str, incarnation: int = 1) -> int:
    return 100 * incarnation + sum(map(ord, member)) % 100


def beat(
    member: str, incarnation: int = 1, *, phase: str = "healthy", runs: tuple[RunNote, ...] = (),
    hears: dict[str, int] | None = None, leases: tuple[str, ...] = (), pid: int = 0,
) -> Beat:  # fmt: skip
    pid = pid or pid_of(member, incarnation)
    hears = dict.fromkeys(others(member), 1) if hears is None else hears
    return Beat(member, pid, pid * 10, incarnation, 1, phase, 0.0, NOW, hears, runs, leases)


def newborn(me: str, now: float = NOW, *, fresh: bool = False) -> State:
    return new_state(me, pid_of(me), 1, TIMING, POLICY, PLAYBOOKS, now, fresh=fresh)


def member(me: str, now: float = NOW) -> State:
    """A healthy member that has been up for long and hears everyone, all in incarnation 1, at `now`."""
    state = newborn(me, now - 100.0)
    state, _ = run(state, Ready(), now=now - 99.0)
    for name in others(me):
        state, _ = run(state, Heard(beat(name)), now=now)
    return replace(state, due=now + TIMING.interval)


def run(state: State, *events: Event, now: float = NOW) -> tuple[State, list[Action]]:
    """Take events in at one moment; all actions in order."""
    actions: list[Action] = []
    for event in events:
        state = replace(state, due=max(state.due, now))  # awake in time
        state, more = step(state, event, now)
        actions += more
    return state, actions


def of(actions: list[Action], wanted: type[T], /, **fields: Any) -> list[T]:
    """The actions of one kind whose fields are as given."""
    found = [a for a in actions if isinstance(a, wanted)]
    return [a for a in found if all(getattr(a, k) == v for k, v in fields.items())]


def only(actions: list[Action], wanted: type[T], /, **fields: Any) -> T:
    """The one action of a kind."""
    (found,) = of(actions, wanted, **fields)
    return found


def records(actions: list[Action]) -> list[str]:
    """The kinds of the audit records, in order."""
    from graced.core.vocabulary import Record

    return [a.kind for a in actions if isinstance(a, Record)]
