"""What a playbook is, once read and checked. Times are seconds."""

from typing import Any, Literal

from msgspec import Struct


class Step(Struct, frozen=True):
    """One step.

    `uses` names an action, `with_` (`with` in YAML) holds its arguments, where strings may contain `{{ EXPRESSION }}`.
    `when` false: the step is skipped. `retries` is the number of attempts in all, `delay_s` the wait between two of
    them, `timeout_s` the limit of each (None: the engine's). An attempt that was performed but leaves `until` false has
    failed. `parallel`: it starts together with the step before it; the steps after them wait for both.
    `on_failure`: after the last attempt, `stop` ends the playbook, `continue` goes on (it has failed all the same).
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
    on_failure: Literal["stop", "continue"] = "stop"
    power: str | None = None
    approve: bool = False


class Playbook(Struct, frozen=True):
    """`on`: names of the triggers that start it. `vars`: names and defaults of what steps may refer to; whoever starts
    it may set them. `slo_s`: it is meant to be over within. `file`: where it was read from, for people."""

    name: str
    description: str = ""
    slo_s: float = 300.0
    on: tuple[str, ...] = ()
    vars: dict[str, Any] = {}
    steps: tuple[Step, ...] = ()
    file: str = ""
