"""What a kernel's stored row keeps for the next self_healing, and the kernel made of it again.

Times are of CLOCK_MONOTONIC, good within one boot; after a reboot nothing of them is used.
"""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graced.core.intensity import History, Policy, recent
from graced.core.kernels import ladder
from graced.core.kernels.state import (
    Climbing,
    Done,
    Ending,
    Failed,
    Kernel,
    Phase,
    Starting,
    Stopped,
    Tally,
    Up,
    Waiting,
    new_kernel,
)
from graced.core.orders import Exit
from graced.spec.config import Kernel as Spec
from graced.spec.run import Run


class Memory(Struct, frozen=True):
    """All of a kernel but its configuration, and what holds only while this self_healing and its spawner live."""

    boot_id: str
    phase: Phase
    wanted: bool
    stopped_by_person: bool
    run: Run
    tally: Tally
    exit: Exit | None = None
    reason: str = ""


def worth_saving(old: Kernel, new: Kernel) -> bool:
    """Has anything changed that the next self_healing needs?"""
    if isinstance(new.phase, Starting) and isinstance(old.phase, Waiting):
        new = replace(new, phase=old.phase)  # what was asked for is asked for again
    return _kept(old) != _kept(new)


def _kept(kernel: Kernel) -> tuple[object, ...]:
    return (
        _stored(kernel.phase), kernel.wanted, kernel.stopped_by_person, kernel.run, kernel.tally, kernel.exit,
        kernel.reason,
    )  # fmt: skip


def _stored(phase: Phase) -> Phase:
    """What was only asked for is asked again."""
    match phase:
        case Starting():
            return Waiting()
        case Waiting(until=until):
            return Waiting("", until)
        case Up():
            return Up()
        case Ending(why=why):
            return Ending(why)
        case Climbing(rung=rung):
            return Climbing(rung)
    return phase


def of(kernel: Kernel, boot_id: str) -> str:
    """The kernel in words for its row."""
    memory = Memory(
        boot_id, _stored(kernel.phase), kernel.wanted, kernel.stopped_by_person, kernel.run, kernel.tally, kernel.exit,
        kernel.reason,
    )  # fmt: skip
    return msgspec.json.encode(memory).decode()


def open_incident(text: str) -> str:
    """The incident that was open when the row was written; empty for none, or where it cannot be read."""
    try:
        return msgspec.json.decode(text.encode(), type=Memory).tally.incident
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""


def restarts_of(text: str, boot_id: str) -> History:
    """The restarts that the row counts; none of another boot, or where it cannot be read."""
    try:
        known = msgspec.json.decode(text.encode(), type=Memory)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return History()
    return known.tally.history if known.boot_id == boot_id else History()


def recalled(spec: Spec, policy: Policy, text: str, boot_id: str, now: float, *, fresh: bool) -> Kernel:
    """The kernel as it was; `fresh`: after a start by a person, who wants everything that was not stopped by name.

    Raises msgspec.DecodeError, ValueError and their kin for what `of` did not write.
    """
    known = msgspec.json.decode(text.encode(), type=Memory)
    base = new_kernel(spec, policy)
    run = replace(known.run, kernel=spec.name)
    base = replace(base, run=run, exit=known.exit, tally=Tally(known.tally.restarts))
    if known.stopped_by_person:
        return replace(base, phase=Stopped(), wanted=False, stopped_by_person=True, reason=known.reason)
    if fresh:
        return base
    same_boot = known.boot_id == boot_id
    tally = known.tally
    history = recent(tally.history, policy, now) if same_boot else Tally().history
    tally = replace(tally, history=history, failed_at=tally.failed_at if same_boot else now)
    phase = _resumed(known.phase, now, same_boot)
    wanted = known.wanted or spec.autostart
    if isinstance(phase, (Stopped, Done)):
        wanted = known.wanted
    return replace(base, phase=phase, wanted=wanted, tally=tally, reason=known.reason)


def _resumed(phase: Phase, now: float, same_boot: bool) -> Phase:
    """What runs is believed to run until the spawner says otherwise; a rung is taken again."""
    match phase:
        case Climbing(rung=rung):
            return Climbing(rung, now, now - ladder.RESEND_S)
        case Waiting(until=until):
            return Waiting("", until if same_boot else 0.0)
        case Failed(until=until) if until is not None and not same_boot:
            return Failed(now)
        case Up():
            return Up(ready=False)
    return phase
