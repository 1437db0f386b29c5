"""What a playbook is, once read and checked. Times are seconds."""

from typing import Any, Final, Literal

from msgspec import Struct

from graced.spec.roles import EMERGENCY_PLAYBOOK, EMERGENCY_TRIGGER, MUTUAL_PLAYBOOK, MUTUAL_TRIGGER

TRIGGERS: Final[dict[str, str]] = {
    "kernel.crashed": "a run of a kernel failed; the target is the kernel",
    "kernel.ladder": "restarts do not help a kernel any more, its ladder begins; the target is the kernel",
    "member.down": "a member of graced is dead or silent; the target is the member",
    "task.failed": "the coding agent could not mend a file; the target is the file",
}
"""What starts a playbook by itself, and what the target of the run is then."""

NOT_YET: Final[dict[str, str]] = {
    "kernel.unhealthy": "no kernel has a health check yet",
    "schedule": "playbooks have no schedule yet",
}
"""Triggers that a later version will have: refused until then, as one that never fires is worse than none."""

RESERVED: Final[dict[str, str]] = {MUTUAL_TRIGGER: MUTUAL_PLAYBOOK, EMERGENCY_TRIGGER: EMERGENCY_PLAYBOOK}
"""Triggers that start one playbook alone, by graced's own tables."""


class Trigger(Struct, frozen=True):
    """A trigger that starts a playbook, for targets that match one of the globs `only` (none: for all).

    It does so at most `at_most` times for one target within `within_s`.
    """

    name: str
    only: tuple[str, ...] = ()
    at_most: int = 3
    within_s: float = 600.0


class Approve(Struct, frozen=True):
    """A person is asked before a step. `ask`: the question. Without an answer for `timeout_s`, `otherwise` is done."""

    timeout_s: float = 86_400.0
    otherwise: Literal["approve", "deny"] = "deny"
    ask: str = ""


class Step(Struct, frozen=True):
    """One step.

    `uses` names an action, `with_` (`with` in YAML) holds its arguments, where strings may contain `{{ EXPRESSION }}`.
    `when` false: the step is skipped. `retries` is the number of attempts in all, `delay_s` the wait between two of
    them, `timeout_s` the limit of each (None: the engine's). An attempt that was performed but leaves `until` false has
    failed. `parallel`: it starts together with the step before it; the steps after them wait for both.
    `on_failure`: after the last attempt, `stop` ends the playbook, `continue` goes on; the name of another step: that
    one makes up for it, and is done in no other case, then the playbook ends. It has failed in all three.
    `power`: the delegated power without which the step may not run. `approve`: a person is asked first.
    """

    name: str
    uses: str
    with_: dict[str, Any] = {}
    when: str | None = None
    retries: int = 1
    delay_s: float = 0.0
    timeout_s: float | None = None
    parallel: bool = False
    until: str | None = None
    on_failure: str = "stop"
    power: str | None = None
    approve: Approve | None = None


class Playbook(Struct, frozen=True):
    """`on`: the triggers that start it. `vars`: names and defaults of what steps may refer to; whoever starts
    it may set them. `slo_s`: it is meant to be over within. `file`: where it was read from, for people."""

    name: str
    description: str = ""
    slo_s: float = 300.0
    on: tuple[Trigger, ...] = ()
    vars: dict[str, Any] = {}
    steps: tuple[Step, ...] = ()
    file: str = ""
