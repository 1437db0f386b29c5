"""How a member is brought back: lock, look again, kill, wait for the death, give birth, wait for its heartbeat.

One machine for all tiers. Invariants 1, 2 and 4 of the project rest on its order: nothing is started while
the restart lock is not held, nothing is killed that the look under the lock did not show to be the one that is
down, and nothing is started before the predecessor's tree is known dead.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.core.liveness import GONE, Peer
from graced.core.vocabulary import (
    Actions,
    Birth,
    Born,
    Died,
    DropLock,
    Event,
    Kill,
    LockBusy,
    LockTaken,
    MemberAction,
    TakeLock,
    Timing,
    TreeDead,
    Unborn,
    Watch,
)

Phase = Literal["locking", "killing", "birthing", "awaiting", "done", "failed"]

BIRTH_INTERVALS: Final = 10.0  # a newborn that is not healthy by then is killed; at least BIRTH_FLOOR_S
BIRTH_FLOOR_S: Final = 5.0
BIRTHS: Final = 3  # in one attempt: a newborn that dies of something else than itself is followed at once
VERDICT_INTERVALS: Final = 4.0  # a quorum's word is no longer good after that: silence is no fact
RETRY_INTERVALS: Final = 0.05  # pause before a busy lock or a lost request is tried again
RETRY_FLOOR_S: Final = 0.005


class Restart(Struct, frozen=True):
    """One attempt of this process to bring `target` back; `dead` is the incarnation that is down."""

    target: str
    request: str
    dead: int
    force: bool
    phase: Phase = "locking"
    locked: bool = False
    pid: int = 0  # of whom is being killed, later of the newborn
    again_at: float = 0.0
    deadline: float = 0.0
    births: int = 0
    text: str = ""

    @property
    def over(self) -> bool:
        return self.phase in ("done", "failed")


Step = tuple[Restart, Actions]


def begin(target: str, request: str, dead: int, force: bool) -> Step:
    return Restart(target, request, dead, force), (TakeLock(target),)


def finish(restart: Restart, phase: Phase, text: str) -> Step:
    """End the attempt; the lock is dropped with it."""
    drop: Actions = (DropLock(restart.target),) if restart.locked else ()
    return replace(restart, phase=phase, text=text, locked=False), drop


def _pause(timing: Timing) -> float:
    return max(RETRY_FLOOR_S, RETRY_INTERVALS * timing.interval)


def _birth(restart: Restart, peer: Peer) -> MemberAction:
    force = restart.force and not restart.births  # what dies at each start meets the intensity again
    return Birth(restart.target, restart.request, max(restart.dead, peer.incarnation), force)


def _locked(restart: Restart, event: LockTaken, peer: Peer, timing: Timing, now: float) -> Step:
    held = replace(restart, locked=True)
    if event.stopping:
        return finish(held, "failed", "graced is being stopped")
    if peer.evidence == "heartbeat" and now - peer.down_at > VERDICT_INTERVALS * timing.interval:
        return finish(held, "failed", "the vote was long ago")
    # The look again: whoever held the lock before us may have brought it back already.
    known_down = event.pid == peer.pid and peer.down
    if event.incarnation > restart.dead and event.status not in GONE and not known_down:
        return replace(held, phase="awaiting", pid=event.pid, text="already back"), ()
    if event.pid == peer.pid and not known_down and event.status not in GONE:
        return finish(held, "done", "alive again by itself")
    held = replace(held, dead=max(held.dead, event.incarnation))
    if event.pid and event.status not in GONE:
        return replace(held, phase="killing", pid=event.pid), (Kill(restart.target, event.pid, event.start_ticks),)
    if peer.down and not peer.ended and peer.start_ticks:  # a newborn that stopped before it took its role
        return replace(held, phase="killing", pid=peer.pid), (Kill(restart.target, peer.pid, peer.start_ticks),)
    return replace(held, phase="birthing"), (_birth(held, peer),)


def _in_vain(restart: Restart, text: str, timing: Timing, now: float) -> Step:
    """The newborn is dead. Under the lock that we hold nobody else can have begun another."""
    if restart.births >= BIRTHS:
        return finish(restart, "failed", text)
    return replace(restart, phase="birthing", pid=0, again_at=now + _pause(timing), text=text), ()


def react(restart: Restart, event: Event, peer: Peer, timing: Timing, now: float) -> Step:
    """What the shell reports about this attempt."""
    if restart.over:
        return restart, (DropLock(restart.target),) if isinstance(event, LockTaken) else ()
    match event:
        case LockTaken() if restart.phase == "locking":
            locked, actions = _locked(restart, event, peer, timing, now)
            return replace(locked, deadline=now + max(BIRTH_FLOOR_S, BIRTH_INTERVALS * timing.interval)), actions
        case LockBusy() if restart.phase == "locking":
            return replace(restart, again_at=now + _pause(timing), text=event.reason), ()
        case TreeDead() if restart.phase == "killing" and event.pid == restart.pid:
            return replace(restart, phase="birthing", pid=0), (_birth(restart, peer),)
        case Born() if restart.phase in ("birthing", "awaiting"):
            awaiting = replace(restart, phase="awaiting", pid=event.pid, again_at=0.0, births=restart.births + 1)
            return awaiting, (Watch(restart.target, event.pid, event.start_ticks),)
        case Died() if restart.phase == "awaiting" and event.pid == restart.pid:
            return _in_vain(restart, f"pid {event.pid} ended while it was starting", timing, now)
        case Unborn() if restart.phase == "birthing":
            if event.retry_at == 0.0:
                return replace(restart, again_at=now + _pause(timing), text=event.reason), ()
            return finish(restart, "failed", event.reason)
    return restart, ()


def advance(restart: Restart, peer: Peer, timing: Timing, now: float) -> Step:
    """What the observer's view of the target, and time, do to the attempt."""
    if restart.over:
        return restart, ()
    if peer.state == "healthy" and peer.incarnation > restart.dead and peer.heard:
        return finish(restart, "done", f"healthy as incarnation {peer.incarnation}, pid {peer.pid}")
    if restart.phase == "awaiting" and restart.pid == peer.pid and peer.ended:
        return _in_vain(restart, f"pid {restart.pid} ended while it was starting", timing, now)
    if restart.phase == "awaiting" and restart.pid == peer.pid and peer.down:
        return replace(restart, phase="killing"), (Kill(restart.target, peer.pid, peer.start_ticks),)
    if restart.deadline and now >= restart.deadline:
        return finish(restart, "failed", restart.text or f"not healthy in time ({restart.phase})")
    if restart.again_at and now >= restart.again_at:
        action: MemberAction = TakeLock(restart.target) if restart.phase == "locking" else _birth(restart, peer)
        return replace(restart, again_at=0.0), (action,)
    return restart, ()
