"""What the machine of a kernel takes and asks for: its events and its actions.

Times are seconds of CLOCK_MONOTONIC. Every event and action names the kernel and, where it matters, the run.
"""

from typing import Literal

from graced.core.vocabulary import Action, Event

RungOutcome = Literal["held_on", "not_applicable", "failed"]
"""held_on: the rung did its work. not_applicable: it has nothing to do here, and is passed over without a note."""


# --- events


class RungEnded(Event, frozen=True):
    """How a rung of the ladder ended. `restart`: the kernel is to be started anew, its count cleared.

    One that names another run, incident or rung than the kernel is at is void, so a repeat does no harm.
    """

    kernel: str
    run: int
    incident: str
    rung: str
    outcome: RungOutcome
    text: str = ""
    restart: bool = False


# --- actions


class BeginRung(Action, frozen=True):
    """Take a rung of the ladder -> RungEnded. Repeated until that comes: (kernel, run, incident, rung) is one rung.

    `rung`: a word of the kernel's `ladder`: fix_source, restore_source, notify, or a playbook's name. The core's own
    backoff is the rung `restart`, for which nothing is begun.
    """

    kernel: str
    run: int
    incident: str
    rung: str
