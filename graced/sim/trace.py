"""What a seed did, line by line, for `scripts/simulate --trace`."""

from collections.abc import Callable

from graced.core.vocabulary import (
    Event,
    Heard,
    MemberAction,
    NoteStep,
    OpenIncident,
    Probe,
    SaveRun,
    Seen,
    SendBeat,
    Tick,
)
from graced.sim.member import Member
from graced.sim.world import World

QUIET_EVENTS = (Tick, Seen)
QUIET_ACTIONS = (SendBeat, NoteStep, SaveRun, OpenIncident, Probe)


def tracer(world: World, say: Callable[[str], None]) -> None:
    """Have everything of note told, with the virtual time in milliseconds since the start."""
    zero = world.clock.now

    def tell(text: str) -> None:
        say(f"{(world.clock.now - zero) * 1000:10.1f}  {text}")

    def trace(member: Member, event: Event, actions: tuple[MemberAction, ...]) -> None:
        told = [a for a in actions if not isinstance(a, QUIET_ACTIONS)]
        if isinstance(event, QUIET_EVENTS) and not told:
            return
        if isinstance(event, Heard) and not told:
            return
        tell(f"{member!r:22} {_event(event)}" + "".join(f"\n{'':35}-> {a}" for a in told))

    world.say, world.trace = tell, trace


def _event(event: Event) -> str:
    if isinstance(event, Heard):
        beat = event.beat
        return f"Heard({beat.member}[{beat.pid}] {beat.incarnation} {beat.phase} runs={[r.id for r in beat.runs]})"
    return str(event)
