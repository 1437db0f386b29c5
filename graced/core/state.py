"""The state of one member's core: its view of the others, and the work it has under way."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from graced.core.engine import Run
from graced.core.intensity import Policy
from graced.core.leases import Grant, Held
from graced.core.liveness import Peer
from graced.core.restart import Restart
from graced.core.vocabulary import MemberAction, RunNote, Timing
from graced.core.votes import Vote
from graced.spec.playbook import Playbook
from graced.spec.roles import MEMBERS

INFINITY = float("inf")


class Setback(Struct, frozen=True):
    """Runs on a target that did not bring it back: no new one before `until`."""

    count: int
    until: float
    text: str


class Emergency(Struct, frozen=True):
    """The watchdog's open emergency. `failures`: attempts of its run that did not bring both healers back."""

    incident: str
    since: float
    failures: int = 0


class State(Struct, frozen=True):
    """Everything that `graced.core.member.step` decides from."""

    me: str
    pid: int
    incarnation: int
    timing: Timing
    policy: Policy
    playbooks: dict[str, Playbook]
    born: float
    fresh: bool  # part of a first start: the spawner is starting everyone, silence is no news yet
    peers: dict[str, Peer]
    due: float = INFINITY  # when the shell was asked to call again; later than that is our own lateness
    ready: bool = False
    looked: bool = False  # a fresh member's second look at roles that nobody holds
    stopping: bool = False
    runs: dict[str, Run] = {}
    restarts: dict[str, Restart] = {}
    votes: dict[str, Vote] = {}
    vote_after: dict[str, float] = {}
    told: dict[str, tuple[int, float]] = {}  # healer that is down -> the incarnation that its peer was told of, when
    setbacks: dict[str, Setback] = {}
    emergency: Emergency | None = None
    grants: dict[str, Grant] = {}
    held: dict[str, Held] = {}
    taken: dict[str, float] = {}  # incident -> when its powers were taken back: an older grant that comes late is void
    orphans: tuple[RunNote, ...] = ()  # runs of this role, or its dead predecessor, that did not see their target back
    fired: tuple[tuple[str, str, float], ...] = ()  # (playbook, target, when) of runs that triggers started lately
    limited: dict[str, float] = {}  # playbook and target that are over their rate limit -> until when that was told
    requests: tuple[str, ...] = ()  # the last requests taken: a repeat is harmless
    said: tuple[Any, ...] = ()  # what the last heartbeat told, to see when the next is due at once


Stepped = tuple[State, tuple[MemberAction, ...]]


def new_state(
    me: str, pid: int, incarnation: int, timing: Timing, policy: Policy, playbooks: dict[str, Playbook], now: float,
    *, fresh: bool = False,
) -> State:  # fmt: skip
    peers = {m: Peer(m, since=now) for m in MEMBERS if m != me}
    return State(me, pid, incarnation, timing, policy, playbooks, now, fresh, peers)


def with_peer(state: State, peer: Peer) -> State:
    if state.peers[peer.name] is peer:
        return state
    return replace(state, peers={**state.peers, peer.name: peer})


def with_run(state: State, run: Run) -> State:
    if state.runs.get(run.id) is run:
        return state
    return replace(state, runs={**state.runs, run.id: run})


def without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in table.items() if k != key}


def down(state: State, member: str) -> bool:
    """Does this process hold `member` for dead? It never holds itself for dead."""
    return member != state.me and state.peers[member].down


def healthy(state: State, member: str) -> bool:
    return state.ready if member == state.me else state.peers[member].state == "healthy"


def incarnation(state: State, member: str) -> int:
    return state.incarnation if member == state.me else state.peers[member].incarnation
