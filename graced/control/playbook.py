"""A playbook by a person: what it would do, and having self_healing run it."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from graced.bus.client import ask
from graced.control.errors import Refusal, not_running
from graced.control.people import ANSWER_S, insist
from graced.home.paths import Home
from graced.home.presence import anyone
from graced.posix.clock import monotonic
from graced.spec.expression import ExpressionError, render
from graced.spec.playbook import Playbook

EXECUTOR: Final = "self_healing"
POLL_S: Final = 0.1
SLO_FACTOR: Final = 10.0
"""A run that takes so many times its SLO is not waited for any longer."""

SILENCE_S: Final = 60.0
ENDED: Final = frozenset({"ok", "failed", "skipped"})

Tell = Callable[[dict[str, Any]], None]


def dry_steps(playbook: Playbook, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every step with its arguments filled in, as far as they are known before it runs."""
    rows = []
    for step in playbook.steps:
        given = {key: _filled(value, variables) for key, value in step.with_.items()}
        rows.append(
            {
                "name": step.name, "uses": step.uses, "with": given, "when": step.when, "until": step.until,
                "retries": step.retries, "parallel": step.parallel, "power": step.power, "approve": step.approve,
            }
        )  # fmt: skip
    return rows


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    try:
        return render(value, variables)
    except ExpressionError:  # it depends on an earlier step
        return value


def run_playbook(home: Home, playbook: Playbook, variables: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Has self_healing run the playbook. Returns {request, playbook, ok, text, steps} once the run has ended.

    tell: called with each step ({step, state, text}) as it ends. Raises Refusal when the run is refused, or when its
    executor died and another member went on with it.
    """
    request = f"person-{os.urandom(6).hex()}"
    target = variables.get("target")
    args = {
        "request": request, "playbook": playbook.name, "target": str(target) if target else "", "tier": 1,
        "by": "person", "vars": dict(variables),
    }  # fmt: skip
    insist(home, EXECUTOR, "run", args)  # the same request twice is one run
    deadline = monotonic() + SLO_FACTOR * playbook.slo_s
    heard = monotonic()
    told: dict[str, dict[str, Any]] = {}
    while monotonic() < deadline:
        reply = ask(home, EXECUTOR, "run.result", {"request": request}, ANSWER_S)
        if reply is not None and not reply.ok:
            raise Refusal(f"the run is not known any more ({reply.error}); `graced audit` tells how far it got")
        if reply is not None:
            heard = monotonic()
            for step in reply.data.get("steps", ()):
                if step["state"] in ENDED and step["step"] not in told:
                    told[step["step"]] = dict(step)
                    tell(told[step["step"]])
            if not reply.data["running"]:
                result = {"ok": bool(reply.data["ok"]), "text": str(reply.data["text"])}
                return {"request": request, "playbook": playbook.name, **result, "steps": list(told.values())}
        elif not anyone(home):
            raise not_running(home.root)
        elif monotonic() - heard > SILENCE_S:
            raise Refusal(f"{EXECUTOR} has not answered for {SILENCE_S:g} s; `graced audit` tells how far it got")
        time.sleep(POLL_S)
    raise Refusal(f"{playbook.name} has not ended within {SLO_FACTOR * playbook.slo_s:g} s; it is still running")
