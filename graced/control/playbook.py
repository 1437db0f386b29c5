"""A playbook by a person: what it would do, and having self_healing run it."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from graced.audit.read import tail
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

RECORDS_LOOK: Final = 5000
"""Of the audit log's end, in which the end of a run is looked up."""

Tell = Callable[[dict[str, Any]], None]


def dry_steps(playbook: Playbook, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every step with its arguments filled in, as far as they are known before it runs."""
    rows = []
    for step in playbook.steps:
        given = {key: _filled(value, variables) for key, value in step.with_.items()}
        rows.append(
            {
                "name": step.name, "uses": step.uses, "with": given, "when": step.when, "until": step.until,
                "retries": step.retries, "parallel": step.parallel, "power": step.power,
                "approve": step.approve is not None, "on_failure": step.on_failure,
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
    target = variables.get("target", playbook.vars.get("target"))
    args = {
        "request": request, "playbook": playbook.name, "target": str(target) if target else "", "tier": 1,
        "by": "person", "vars": dict(variables),
    }  # fmt: skip
    insist(home, EXECUTOR, "run", args)  # the same request twice is one run
    deadline = monotonic() + SLO_FACTOR * playbook.slo_s
    heard = monotonic()
    told: dict[str, dict[str, Any]] = {}
    waiting: set[str] = set()
    while monotonic() < deadline:
        reply = ask(home, EXECUTOR, "run.result", {"request": request}, ANSWER_S)
        if reply is not None and not reply.ok:  # its executor died after the end of the run
            ended = _ended_by_audit(home, request)
            if ended is None:
                raise Refusal(f"the run is not known any more ({reply.error}); `graced audit` tells how far it got")
            for step in ended[1]:
                if step["step"] not in told:
                    told[step["step"]] = step
                    tell(step)
            return {"request": request, "playbook": playbook.name, **ended[0], "steps": list(told.values())}
        if reply is not None:
            heard = monotonic()
            for step in reply.data.get("steps", ()):
                if step["state"] in ENDED and step["step"] not in told:
                    told[step["step"]] = dict(step)
                    tell(told[step["step"]])
                elif step["state"] == "waiting" and step["step"] not in waiting:
                    waiting.add(step["step"])
                    tell(dict(step))
            if any(step["state"] == "waiting" for step in reply.data.get("steps", ())):
                deadline = monotonic() + SLO_FACTOR * playbook.slo_s  # a person takes the time that a person takes
            if not reply.data["running"]:
                result = {"ok": bool(reply.data["ok"]), "text": str(reply.data["text"])}
                return {"request": request, "playbook": playbook.name, **result, "steps": list(told.values())}
        elif not anyone(home):
            raise not_running(home.root)
        elif monotonic() - heard > SILENCE_S:
            raise Refusal(f"{EXECUTOR} has not answered for {SILENCE_S:g} s; `graced audit` tells how far it got")
        time.sleep(POLL_S)
    raise Refusal(f"{playbook.name} has not ended within {SLO_FACTOR * playbook.slo_s:g} s; it is still running")


def _ended_by_audit(home: Home, run: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """({ok, text}, steps) of a run that the audit log has the end of."""
    mine = [record for record in tail(home.audit, RECORDS_LOOK) if record.get("data", {}).get("run") == run]
    end = next((record["data"] for record in mine if record["kind"] == "playbook.finished"), None)
    if end is None:
        return None
    steps: dict[str, dict[str, Any]] = {}
    for record in mine:
        if record["kind"] == "playbook.step" and record["data"].get("step") != "takeover":
            data = record["data"]
            steps[data["step"]] = {
                "step": data["step"],
                "state": "ok" if data["ok"] else "failed",
                "text": data["text"],
            }
    return {"ok": bool(end["ok"]), "text": str(end.get("text", ""))}, list(steps.values())
