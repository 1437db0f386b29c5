"""The actions that a worker process carries out for a playbook: commands, requests, waiting, telling.

Each is bounded in time and in what it keeps of the output. Whatever goes wrong outside is an Outcome, not an exception.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from graced.spec.actions import (
    BUILT_IN,
    ActionSpec,
    HttpGetArgs,
    HttpRequestArgs,
    MessageArgs,
    RunCommandArgs,
    SleepArgs,
)

TIMEOUT_S: Final = 60.0
"""Of an action whose step has no `timeout`."""

OUTPUT_LIMIT_BYTES: Final = 64 * 1024
TEXT_LIMIT_CHARS: Final = 500


class Context(Struct, frozen=True):
    """`folder`: relative paths are relative to it. `environ`: of commands. `notify`: the URLs of graced.yaml.

    `timeout_s`: of this attempt. `variables`: those of the playbook. `home`: its folder. `run`: of the playbook, by
    name. `target`: what it works on, `incident`: what it is a part of, `by`: who or what started it; empty for none.
    """

    folder: str = "/"
    environ: dict[str, str] = {}
    notify: tuple[str, ...] = ()
    timeout_s: float = TIMEOUT_S
    playbook: str = ""
    step: str = ""
    variables: dict[str, Any] = {}
    home: str = ""
    run: str = ""
    target: str = ""
    incident: str = ""
    by: str = ""


class Outcome(Struct, frozen=True):
    """`text`: one line for people. `output`: what later steps may refer to. `applies` false: it had nothing to do."""

    ok: bool
    text: str = ""
    output: dict[str, Any] = {}
    applies: bool = True


def perform(
    name: str, args: Mapping[str, Any], ctx: Context, known: Mapping[str, ActionSpec] = BUILT_IN, again: bool = False
) -> Outcome:
    """Carry out one action with arguments that are filled in already. Wrong arguments are a failed Outcome.

    again: it was begun before, by a process that died: then it is only done if doing it twice does no harm.
    """
    spec = known.get(name)
    if spec is None or spec.by != "worker":
        return Outcome(False, f"{name} is no action that a worker carries out")
    try:
        typed = msgspec.convert(dict(args), spec.args)
    except msgspec.ValidationError as wrong:
        return Outcome(False, f"{name}: {wrong}")
    if again and not (spec.repeatable or getattr(typed, "repeatable", False)):
        return Outcome(False, "the process that did it died; whether it was done is not known", {"interrupted": True})
    if spec.function is not None:
        return _users(spec, typed, ctx)
    return _PERFORM[name](typed, ctx)


def _sleep(args: SleepArgs, ctx: Context) -> Outcome:
    if not 0 <= args.seconds <= ctx.timeout_s:
        return Outcome(False, f"{args.seconds:g} s is not between 0 and the step's timeout, {ctx.timeout_s:g} s")
    time.sleep(args.seconds)
    return Outcome(True, f"waited {args.seconds:g} s")


def _log(args: MessageArgs, ctx: Context) -> Outcome:
    """One line to standard error, which is the log of the member whose worker this is."""
    text = _line(args.message)
    os.write(2, f"{ctx.playbook or 'playbook'}: {text}\n".encode(errors="replace"))
    return Outcome(True, text)


def _run_command(args: RunCommandArgs, ctx: Context) -> Outcome:
    from graced.playbooks.command import run  # subprocess and selectors: only here

    cwd = os.path.join(ctx.folder, args.cwd) if args.cwd else ctx.folder
    return run(args.command, cwd, {**ctx.environ, **args.env}, ctx.timeout_s, OUTPUT_LIMIT_BYTES)


def _http_get(args: HttpGetArgs, ctx: Context) -> Outcome:
    from graced.playbooks.web import get  # urllib: only here

    return get(args.url, args.expect, ctx.timeout_s, OUTPUT_LIMIT_BYTES)


def _http_request(args: HttpRequestArgs, ctx: Context) -> Outcome:
    from graced.playbooks.web import send

    return send(args, ctx.timeout_s, OUTPUT_LIMIT_BYTES)


def _notify(args: MessageArgs, ctx: Context) -> Outcome:
    from graced.playbooks.web import tell

    title = f"graced: {ctx.playbook}" if ctx.playbook else "graced"
    return tell(ctx.notify, title, args.message, ctx.timeout_s)


_PERFORM: Final[dict[str, Callable[[Any, Context], Outcome]]] = {
    "run_command": _run_command,
    "http_get": _http_get,
    "http_request": _http_request,
    "sleep": _sleep,
    "log": _log,
    "notify": _notify,
}


def _users(spec: ActionSpec, args: Struct, ctx: Context) -> Outcome:
    """Call a user's action; see `actions` for what it may give back."""
    assert spec.function is not None
    try:
        given = spec.function(ctx, **{name: getattr(args, name) for name in args.__struct_fields__})
    except Exception as error:  # a stranger's code: what it raises is the outcome of the step
        return Outcome(False, _line(f"{type(error).__name__}: {error}"))
    match given:
        case Outcome():
            return given
        case None | bool():
            return Outcome(given is not False, "done" if given is not False else "failed")
        case dict():
            return Outcome(True, "done", given)
        case _:
            return Outcome(True, _line(str(given)))


def _line(text: str) -> str:
    """One line, not too long."""
    text = " ".join(text.split())
    return text if len(text) <= TEXT_LIMIT_CHARS else text[: TEXT_LIMIT_CHARS - 1] + "…"
