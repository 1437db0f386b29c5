"""Users' actions: those of installed packages, by the entry point group `graced.actions`. What comes with graced is in
`graced.spec.actions`.

NAME = "module:function", where the function's first parameter takes the context (`perform.Context`), the other ones,
annotated, are the arguments of the step, and it gives a `perform.Outcome`, or True or None for success, False for
failure, a str or dict with what came out. Attributes of the function: `power` names the power that it needs;
`repeatable = True` says that it may be done again where nobody knows whether it was done.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from graced.spec.actions import BUILT_IN, KNOWN_POWERS, ActionSpec

GROUP: Final = "graced.actions"


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
    repeatable = bool(getattr(function, "repeatable", False))
    return ActionSpec(name, args, "worker", power, repeatable=repeatable, function=function)
