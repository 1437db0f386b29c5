"""Every key of a playbook: its shape, default and meaning. Needs YAML; `schema` does not."""

import re
from typing import Any, Final

from graced.spec.actions import KNOWN_POWERS
from graced.spec.expression import ExpressionError, parse_expression
from graced.spec.playbook import NOT_YET, RESERVED, TRIGGERS, Approve, Playbook, Step, Trigger
from graced.yaml_source.node import Node
from graced.yaml_source.problem import clip, nearest
from graced.yaml_source.record import Key, Record
from graced.yaml_source.scalars import Choice, Flag, Text, Written, duration, text_of, whole
from graced.yaml_source.shape import INVALID, Either, ListOf, MapOf, Nullable, Reading, Shape, Spot, is_null

STEPS_LIMIT: Final = 200
RETRIES_LIMIT: Final = 100
SHORTEST_S: Final = 0.001
TIMES_LIMIT: Final = 1000

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))

BUILT_IN_NAMES: Final = ("steps", "event", "result")
"""Variables that are there without being declared: outcomes of earlier steps by name, what the trigger told, and
in `until` the outcome of this step. An outcome is {ok, text, output}."""


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError("needs a name of letters, digits, _ . -")
    return text


def variable_fault(name: str) -> str:
    if not (name.isascii() and name.isidentifier()) or len(name) > 64:
        return "is no name for a variable: letters, digits and _"
    return "is a name that graced sets" if name in BUILT_IN_NAMES else ""


def _expression(text: str) -> str:
    try:
        parse_expression(text)
    except ExpressionError as wrong:
        raise ValueError(str(wrong)) from None
    return text


class AnyValue(Shape):
    """Whatever YAML says; texts may hold `{{ … }}`."""

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind == "scalar" and text_of(spot, reading) is INVALID:
            return INVALID
        return spot.node.value()

    def schema(self) -> dict[str, Any]:
        return {}


class Condition(Shape):
    """An expression; `true` and `false` need no quotes."""

    wants = "an expression such as target == 'trigger'"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind != "scalar" or is_null(spot.node):
            return self.refuse(spot, reading, 'quote it: "{{ … }}"' if spot.node.kind == "mapping" else "")
        return text_of(spot, reading, _expression)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "boolean"]}

    def surface(self, node: Node) -> Any:
        return node.text


def _trigger(name: str) -> str:
    fault, hint = trigger_fault(name)
    if fault:
        raise ValueError(fault, hint)
    return name


def trigger_fault(name: str) -> tuple[str, str]:
    """What is wrong with the name of a trigger, and a hint; both empty when nothing is."""
    if name in TRIGGERS or name in RESERVED:
        return "", ""
    if name in NOT_YET:
        return f"the trigger {name} does not work yet", NOT_YET[name]
    hint = nearest(name, TRIGGERS)
    return f"there is no trigger {clip(name)}", hint or "known are " + ", ".join(TRIGGERS)


_APPROVE: Final = Record(
    Approve,
    [
        Key("timeout", duration(SHORTEST_S), "1d", "how long the answer is waited for"),
        Key("otherwise", Choice("deny", "approve"), "deny", "what is done without an answer"),
        Key("ask", Written(), '""', "the question"),
    ],
    wants="a mapping with `timeout`, `otherwise`, `ask`",
)

_LIMITS: Final = Record(
    dict,
    [
        Key("only", ListOf(Text("a name or a glob")), "[]", "targets that it is for; none: for all"),
        Key("at_most", whole(1, TIMES_LIMIT), "3", "times for one target"),
        Key("within", duration(SHORTEST_S), "10m", "the time for which `at_most` counts"),
    ],
    wants="a mapping with `only`, `at_most`, `within`",
)


class ApproveShape(Either):
    """true, false, or how long a person is waited for and what is done without an answer."""

    def __init__(self) -> None:
        super().__init__(scalar=Flag(), mapping=_APPROVE)
        self.wants = "true, false, or a mapping with `timeout`, `otherwise`, `ask`"

    def read(self, spot: Spot, reading: Reading) -> Any:
        value = super().read(spot, reading)
        return (Approve() if value else None) if isinstance(value, bool) else value


class OnShape(Either):
    """A trigger, a list of them, or a mapping of triggers to whom they are for and how often."""

    def __init__(self) -> None:
        name = Text("the name of a trigger", _trigger)
        limits = MapOf(_LIMITS, lambda name: "")
        super().__init__(scalar=name, sequence=ListOf(name, unique=str), mapping=limits)
        self.wants = "the name of a trigger, or a list of them"

    def read(self, spot: Spot, reading: Reading) -> Any:
        unknown = [(key, node, wrong) for key, node in spot.node.pairs if (wrong := trigger_fault(key.text))[0]]
        for key, node, wrong in unknown:
            reading.fault_key(spot.under(key, node), *wrong)
        value = INVALID if unknown else super().read(spot, reading)
        match value:
            case str():
                return (Trigger(value),)
            case tuple():
                return tuple(Trigger(name) for name in value)
            case dict():
                return tuple(Trigger(name, **limits) for name, limits in value.items())
        return value


STEP: Final = Record(
    Step,
    [
        Key("name", Text("a name", _name), None, "of this step; no other of the playbook has it"),
        Key("uses", Text("the name of an action"), None, "the action"),
        Key("with", MapOf(AnyValue(), lambda name: ""), "{}", "its arguments", field="with_"),
        Key("when", Nullable(Condition()), "null", "false: the step is skipped"),
        Key("retries", whole(1, RETRIES_LIMIT), "1", "attempts in all"),
        Key("delay", duration(), "0", "between two attempts"),
        Key("timeout", Nullable(duration(SHORTEST_S)), "null", "of each attempt"),
        Key("parallel", Flag(), "false", "starts together with the step before it"),
        Key("until", Nullable(Condition()), "null", "an attempt after which this is false has failed"),
        Key(
            "on_failure",
            Text("stop, continue, or the name of a step", _name),
            "stop",
            "what comes after the last attempt failed",
        ),
        Key("power", Nullable(Choice(*KNOWN_POWERS)), "null", "the power without which it may not run"),
        Key("approve", ApproveShape(), "false", "a person is asked first"),
    ],
    {"run": "write uses: run_command, with: {command: ...}", "if": "write `when`", "args": "write `with`"},
)

PLAYBOOK: Final = Record(
    Playbook,
    [
        Key("name", Text("a name", _name), None, "what it is called; overrides a shipped one of this name"),
        Key("description", Written(), '""', "one line for people"),
        Key("slo", duration(SHORTEST_S), "5m", "it is meant to be over within"),
        Key("on", OnShape(), "[]", "the triggers that start it"),
        Key("vars", MapOf(AnyValue(), variable_fault), "{}", "names and defaults of what steps refer to"),
        Key("steps", ListOf(STEP, limit=STEPS_LIMIT, unique=lambda step: step.name), None, "in order"),
    ],
    wants="a mapping with `name` and `steps`",
)
