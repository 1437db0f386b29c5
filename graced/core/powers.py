"""May this member perform that action? Asked once, when a step starts; every power is checked here.

A healer and the watchdog act by their duty, a delegate only with a power that is lent to it: by the very emergency for
which the run was started, unexpired, not taken back. What a step names as its `power` is demanded of everyone.
"""

from graced.core.engine import Run
from graced.core.state import State
from graced.spec.actions import BUILT_IN
from graced.spec.playbook import Step
from graced.spec.roles import DELEGATES


def needed(me: str, step: Step) -> tuple[str, ...]:
    """The powers without which the member may not perform the step."""
    spec = BUILT_IN.get(step.uses)
    by_duty = spec.power if spec is not None and me in DELEGATES else None
    return tuple(dict.fromkeys(power for power in (step.power, by_duty) if power))


def lacking(state: State, run: Run, step: Step, now: float) -> str:
    """A power that the step needs and this member does not hold; empty when it may be performed."""
    return next((p for p in needed(state.me, step) if not holds(state, run.grant, p, now)), "")


def holds(state: State, incident: str, power: str, now: float) -> bool:
    """Is the power lent to this member under that emergency, unexpired and not taken back?"""
    held = state.held.get(incident)
    return held is not None and power in held.lease.powers and now < held.until
