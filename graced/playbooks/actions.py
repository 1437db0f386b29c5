"""What a step may use: the table of actions, their arguments and powers. Light: members import this.

Core actions are carried out by the member core itself; all others by `graced.playbooks.perform`, in a worker process.
Users add their own through the entry point group `graced.actions`: NAME = "module:function", where the function's
first parameter takes the context (`perform.Context`), the other ones, annotated, are the arguments of the step,
and it gives a `perform.Outcome`, or True or None for success, False for failure, a str or dict with what came out.
An attribute `power` of the function names the power that it needs.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from graced.spec.roles import POWERS

GROUP: Final = "graced.actions"
KNOWN_POWERS: Final = tuple(power for powers in POWERS.values() for power in powers)


class ActionSpec(Struct, frozen=True):
    """`args`: a struct with a field for each argument. `core`: carried out by the member core, not in a worker.

    `function`: of a user's action; None for the built-in ones.
    """

    name: str
    args: type[Struct]
    power: str | None = None
    core: bool = False
    function: Callable[..., Any] | None = None


class NoArgs(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class AgentArgs(Struct, frozen=True, forbid_unknown_fields=True):
    agent: str


class TargetArgs(Struct, frozen=True, forbid_unknown_fields=True):
    target: str


class RestartMemberArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`force`: whatever the limits on restarts say."""

    target: str
    force: bool = False


class AgentsArgs(Struct, frozen=True, forbid_unknown_fields=True):
    agents: list[str]


class KernelArgs(Struct, frozen=True, forbid_unknown_fields=True):
    kernel: str


class RunCommandArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """A list, or a string that is split as a shell splits words. `cwd`: relative to the folder of graced.yaml."""

    command: list[str] | str
    cwd: str | None = None
    env: dict[str, str] = {}


class HttpGetArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`expect`: a status code, or a text that the answer must hold."""

    url: str
    expect: int | str = 200


class SleepArgs(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float


class MessageArgs(Struct, frozen=True, forbid_unknown_fields=True):
    message: str


def _table(*specs: ActionSpec) -> dict[str, ActionSpec]:
    return {spec.name: spec for spec in specs}


CORE_ACTIONS: Final = _table(
    ActionSpec("verify_agent", AgentArgs, core=True),
    ActionSpec("restart_member", RestartMemberArgs, core=True),
    ActionSpec("verify_member", TargetArgs, core=True),
    ActionSpec("test_mutual", TargetArgs, core=True),
    ActionSpec("audit", NoArgs, core=True),
    ActionSpec("activate_emergency", NoArgs, core=True),
    ActionSpec("delegate_powers", AgentsArgs, core=True),
    ActionSpec("revoke_powers", NoArgs, core=True),
    ActionSpec("deactivate_emergency", NoArgs, core=True),
    ActionSpec("verify_mutual", NoArgs, core=True),
)

GENERAL_ACTIONS: Final = _table(
    ActionSpec("run_command", RunCommandArgs),
    ActionSpec("http_get", HttpGetArgs),
    ActionSpec("sleep", SleepArgs),
    ActionSpec("log", MessageArgs),
    ActionSpec("restart_kernel", KernelArgs, power="restart_kernel", core=True),
    ActionSpec("notify", MessageArgs),
)

BUILT_IN: Final = {**CORE_ACTIONS, **GENERAL_ACTIONS}


def user_actions() -> tuple[dict[str, ActionSpec], dict[str, str]]:
    """Actions of installed packages, and why others of them cannot be used, both by name. It reads metadata: slow."""
    from importlib.metadata import entry_points

    found: dict[str, ActionSpec] = {}
    broken: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in BUILT_IN or entry.name in found:
            broken[entry.name] = "another action has this name"
            continue
        try:
            found[entry.name] = spec_of(entry.name, entry.load())
        except Exception as error:  # whatever a stranger's module raises when it is imported
            broken[entry.name] = f"{type(error).__name__}: {error}"
    for name in found:
        broken.pop(name, None)
    return found, broken


def all_actions() -> dict[str, ActionSpec]:
    """Built-in and users' actions by name."""
    return {**user_actions()[0], **BUILT_IN}


def spec_of(name: str, function: Callable[..., Any]) -> ActionSpec:
    """The spec of a user's action. Raises TypeError if it is no such function."""
    import inspect

    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    if not parameters:
        raise TypeError("its first parameter must take the context")
    fields: list[Any] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"parameter {parameter.name} must have a name of its own")
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, kind, *default))
    power = getattr(function, "power", None)
    if power is not None and power not in KNOWN_POWERS:
        raise TypeError(f"there is no power {power!r}")
    args = msgspec.defstruct(f"{name}_args", fields, frozen=True, kw_only=True, forbid_unknown_fields=True)
    return ActionSpec(name, args, power, function=function)
