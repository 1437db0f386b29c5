"""Quorum: silence alone kills nobody. The asker counts; each voter answers from what it hears itself.

The electorate is the members that hold their role and are not known down, heard or not, minus the target. No answer
within two intervals is no vote. An electorate of one decides on its own evidence.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.core.liveness import Peer
from graced.core.vocabulary import Timing

VOTE_INTERVALS: Final = 2.0


class Vote(Struct, frozen=True):
    """A vote that this process asked for. `ballots`: voter -> does it hold the target for dead?"""

    id: str
    target: str
    incarnation: int
    voters: tuple[str, ...]
    deadline: float
    ballots: dict[str, bool] = {}


def ask(me: str, target: Peer, peers: dict[str, Peer], timing: Timing, now: float) -> Vote:
    voters = tuple(p.name for p in peers.values() if p.name != target.name and not p.down and p.pid)
    id = f"{target.name}-{target.incarnation}-{me}-{int(now * 1000)}"
    return Vote(id, target.name, target.incarnation, voters, now + VOTE_INTERVALS * timing.interval, {me: True})


def cast(vote: Vote, voter: str, down: bool) -> Vote:
    return vote if voter not in vote.voters else replace(vote, ballots={**vote.ballots, voter: down})


def decided(vote: Vote, now: float) -> bool | None:
    """True: dead. False: not. None: wait on."""
    electorate = len(vote.voters) + 1
    yes = sum(vote.ballots.values())
    no = len(vote.ballots) - yes
    if 2 * yes > electorate:
        return True
    if 2 * no >= electorate or now >= vote.deadline or len(vote.ballots) == electorate:
        return False
    return None


def answer(peer: Peer, incarnation: int, timing: Timing, now: float) -> bool:
    """This process's own ballot: does it hold that incarnation for dead?"""
    if peer.down and peer.incarnation <= incarnation:
        return True
    return peer.incarnation == incarnation and now - peer.since > timing.timeout / 2


def outnumbered(vote: Vote) -> bool:
    """Others hear what the asker does not: the asker is the deaf one."""
    no = sum(1 for voter in vote.voters if vote.ballots.get(voter) is False)
    return 2 * no > len(vote.voters) and no >= 2
