"""When is a member called dead? One observer's view of its peers, and the rules that change it.

A death is a fact (a pidfd, a role lock without a process, state Z). `stopped` past two intervals is a
fact too. Silence past the timeout is a suspicion that needs a quorum (core/votes.py) unless facts join.
A watcher that was itself late does not judge: it moves every deadline by its own lateness.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.core.vocabulary import Beat, MemberAction, Probe, Timing, Watch
from graced.spec.roles import Member

State = Literal["unknown", "starting", "healthy", "suspect", "down"]
Evidence = Literal["", "exit", "zombie", "stopped", "heartbeat"]

SUSPECT_INTERVALS: Final = 2.0  # silence that makes a peer suspect: one missed beat, and the time of the next
STOPPED_INTERVALS: Final = 2.0  # stopped for that long is a fact like death
PROBE_INTERVALS: Final = 0.25  # between two looks at a suspect
LATE_INTERVALS: Final = 0.5  # a tick later than this makes the watcher itself the suspect

GONE: Final = frozenset({"gone", "zombie"})


class Peer(Struct, frozen=True):
    """What one observer knows of one member. `since`: the start of the silence that is being measured."""

    name: Member
    state: State = "unknown"
    evidence: Evidence = ""
    pid: int = 0
    start_ticks: int = 0
    incarnation: int = 0
    since: float = 0.0
    stopped_at: float | None = None
    probed_at: float = 0.0
    down_at: float = 0.0
    heard: bool = False  # this incarnation has been heard by us
    beat: Beat | None = None

    @property
    def down(self) -> bool:
        """Down: by a fact, or by a quorum's word."""
        return self.state == "down"

    @property
    def ended(self) -> bool:
        """Known to be no more; what is only stopped or silent may still come back."""
        return self.state == "down" and self.evidence in ("exit", "zombie")


Heard = tuple[Peer, tuple[MemberAction, ...]]


def hear(peer: Peer, beat: Beat, now: float) -> Heard:
    """A heartbeat: news of a newer incarnation replaces what was known; an older one is ignored."""
    if beat.incarnation < peer.incarnation:
        return peer, ()
    newer = beat.incarnation > peer.incarnation or beat.pid != peer.pid
    if beat.incarnation == peer.incarnation and (peer.ended if not newer else beat.start_ticks < peer.start_ticks):
        return peer, ()  # a beat that was on its way when the sender died
    if not newer and peer.beat is not None and peer.beat.pid == beat.pid and beat.seq < peer.beat.seq:
        return peer, ()  # overtaken: a newborn's first comes by two ways
    state: State = "healthy" if beat.phase == "healthy" else "starting"
    heard = replace(
        peer,
        state=state,
        evidence="",
        pid=beat.pid,
        start_ticks=beat.start_ticks,
        incarnation=beat.incarnation,
        since=now,
        stopped_at=None,
        heard=True,
        beat=beat,
    )
    return heard, (Watch(peer.name, beat.pid, beat.start_ticks),) if newer else ()


def die(peer: Peer, pid: int, evidence: Evidence, now: float) -> Peer:
    """A fact about `pid`; it says nothing about a successor that has another pid."""
    if pid != peer.pid or peer.ended:
        return peer
    down_at = peer.down_at if peer.down else now
    return replace(peer, state="down", evidence=evidence, down_at=down_at, stopped_at=None)


def bear(peer: Peer, pid: int, start_ticks: int, now: float) -> Peer:
    """A successor was born: judged from its birth on, as its predecessor's incarnation until it says its own."""
    if not peer.down or not start_ticks or pid == peer.pid:
        return peer
    return replace(
        peer, state="starting", evidence="", pid=pid, start_ticks=start_ticks, since=now, stopped_at=None, heard=False
    )


def find(peer: Peer, pid: int, start_ticks: int, incarnation: int, status: str, now: float) -> Heard:
    """What the role's lock file says: who holds the role, and whether that process lives."""
    if incarnation < peer.incarnation or (incarnation == peer.incarnation and peer.heard):
        return peer, ()
    known = replace(peer, pid=pid, start_ticks=start_ticks, incarnation=incarnation, heard=False)
    if status in GONE:
        return replace(known, state="down", evidence="exit", down_at=now), ()
    return replace(known, state="starting", evidence="", since=now, stopped_at=None), (
        Watch(peer.name, pid, start_ticks),
    )


def see(peer: Peer, pid: int, status: str, timing: Timing, now: float) -> Peer:
    """Evidence about a suspect: gone and zombie are facts; so is stopped, seen at least two intervals apart."""
    if pid != peer.pid or peer.ended:
        return peer
    if status in GONE:
        return die(peer, pid, "zombie" if status == "zombie" else "exit", now)
    if status == "stopped":
        if peer.stopped_at is None:
            return replace(peer, stopped_at=now)
        long = now - peer.stopped_at >= STOPPED_INTERVALS * timing.interval
        return replace(peer, state="down", evidence="stopped", down_at=now) if long and not peer.down else peer
    if peer.evidence == "stopped":  # it was continued: its silence is measured anew
        return replace(peer, state="suspect", evidence="", stopped_at=None, since=now)
    return peer if peer.stopped_at is None else replace(peer, stopped_at=None)


def judge(peer: Peer, timing: Timing, now: float) -> Heard:
    """The passing of time: healthy -> suspect, and looks at it. Silence past the timeout is left to a vote."""
    if peer.evidence == "stopped":
        return _probe(peer, timing, now)  # it may be continued
    if peer.state in ("down", "unknown"):
        return peer, ()
    if now - peer.since <= SUSPECT_INTERVALS * timing.interval:
        return peer, ()
    return _probe(peer if peer.state != "healthy" else replace(peer, state="suspect"), timing, now)


def _probe(peer: Peer, timing: Timing, now: float) -> Heard:
    if not peer.pid or now - peer.probed_at < PROBE_INTERVALS * timing.interval:
        return peer, ()
    return replace(peer, probed_at=now), (Probe(peer.name, peer.pid, peer.start_ticks),)


def judge_all(peers: dict[str, Peer], timing: Timing, now: float) -> tuple[dict[str, Peer], list[MemberAction], bool]:
    """`judge` for everyone. The last: is anything amiss, or is every peer healthy and in time?"""
    actions: list[MemberAction] = []
    amiss = False
    edge = now - SUSPECT_INTERVALS * timing.interval
    for peer in tuple(peers.values()):
        if peer.state == "healthy" and peer.since >= edge and peer.stopped_at is None:
            continue
        amiss = True
        judged, more = judge(peer, timing, now)
        actions += more
        if judged is not peer:
            peers = {**peers, peer.name: judged}
    return peers, actions, amiss


def outvoted(peer: Peer, now: float) -> Peer:
    """A quorum holds the peer for dead."""
    return replace(peer, state="down", evidence="heartbeat", down_at=now) if not peer.down else peer


def acquitted(peer: Peer) -> Peer:
    """What a quorum held for dead is only suspect again."""
    return replace(peer, state="suspect", evidence="")


def silent(peer: Peer, timing: Timing, now: float) -> bool:
    """Silent past the timeout, without a fact: a kill needs a quorum."""
    return peer.state in ("suspect", "starting") and now - peer.since >= timing.timeout


def excuse(peer: Peer, late: float) -> Peer:
    """Move the peer's deadlines by the watcher's own lateness (seconds). Who was stopped is looked at once more."""
    if peer.evidence == "stopped":
        peer = replace(peer, state="suspect", evidence="")
    stopped_at = None if peer.stopped_at is None else peer.stopped_at + late
    return replace(peer, since=peer.since + late, stopped_at=stopped_at)
