"""What the audit log was told lately, by whoever held this role before.

A record and the row that says it was written are in two files, and kill -9 falls between them. So the record goes first
(`Shell._flush`), and a successor, whose rows are older then, looks here: before it tells of a run once more, and for
an emergency that was begun, and whose progress was never stored.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from graced.audit.lately import Line
from graced.core.steps import GRANTED, RESTARTED, REVOKED, SUCCEEDED
from graced.core.vocabulary import Action, Record, RunNote
from graced.spec.playbook import TRIGGERS
from graced.spec.roles import EMERGENCY_PLAYBOOK

LOOK_BYTES: Final = 128 * 1024
"""Of the log's end: some 400 records, and a millisecond. Between a death and the successor's birth there are fewer."""

FAR_LOOK_BYTES: Final = 8 * 1024 * 1024
"""The same for tasks, which may wait for long, and for runs without rows: some 25,000 records, and 30 ms."""

OF_RUNS: Final = ("kernel.started", "kernel.exited")
OF_EMERGENCIES: Final = (
    "emergency.activated", "emergency.ended", "delegation.granted", "delegation.revoked", "member.down",
    "playbook.step", "recovery.started", "recovery.succeeded",
)  # fmt: skip


class Told(NamedTuple):
    kind: str
    kernel: str
    run: int


Lately = Callable[[tuple[str, ...], int], Iterator[Line]]
"""Records of some kinds in so many bytes of the log's end, last first."""


def told_of(action: Action) -> Told | None:
    """What a record tells of a run; None of any other action."""
    if not isinstance(action, Record) or action.kind not in OF_RUNS:
        return None
    return Told(action.kind, str(action.data["kernel"]), int(action.data["run"]))


def runs_told(lately: Lately, look_bytes: int = LOOK_BYTES) -> set[Told]:
    """What stands in the last `look_bytes` of the log; what cannot be read was not told."""
    found = ((r.kind, r.data.get("kernel"), r.data.get("run")) for r in lately(OF_RUNS, look_bytes))
    return {Told(kind, kernel, run) for kind, kernel, run in found if isinstance(kernel, str) and isinstance(run, int)}


def fixes_told(lately: Lately) -> set[str]:
    """The tasks whose fix stands in the last FAR_LOOK_BYTES of the log."""
    return {str(r.data.get("task")) for r in lately(("fix.applied",), FAR_LOOK_BYTES)}


def emergency_left(lately: Lately, now: float, wall: float) -> RunNote | None:
    """The last emergency, as far as it got, if its end was not told. now, wall: CLOCK_MONOTONIC and since 1970."""
    try:
        return _emergency_left(lately, now, wall)
    except (ValueError, TypeError, KeyError):  # a record that somebody has touched
        return None


def _emergency_left(lately: Lately, now: float, wall: float) -> RunNote | None:
    records = list(lately(OF_EMERGENCIES, LOOK_BYTES))
    last = next((r for r in records if r.kind in ("emergency.activated", "emergency.ended")), None)
    if last is None or last.kind == "emergency.ended":
        return None
    incident = str(last.data.get("incident"))
    told = [r for r in records if incident in (r.data.get("run"), r.data.get("incident"))]
    dead = {str(r.data["target"]): int(r.data["incarnation"]) for r in told if r.kind == "member.down"}
    began = now - max(0.0, wall - datetime.fromisoformat(last.at).timestamp())
    return RunNote(incident, EMERGENCY_PLAYBOOK, tuple(dead), 3, 0, incident, began, dead, _done(told))


def _done(told: list[Line]) -> tuple[str, ...]:
    """Steps that ended well, and marks."""
    done: list[str] = []
    for record in told:
        match record.kind:
            case "emergency.activated":  # first told, then done
                done.append("activate_emergency")
            case "playbook.step" if record.data.get("ok"):
                done.append(str(record.data.get("step")))
            case "delegation.granted":
                done.append(GRANTED + str(record.data.get("agent")))
            case "delegation.revoked":
                done.append(REVOKED + str(record.data.get("agent")))
            case "recovery.started":
                done.append(RESTARTED)
            case "recovery.succeeded":
                done.append(SUCCEEDED)
    return tuple(dict.fromkeys(done))


def triggered_lately(lately: Lately, now: float, wall: float) -> tuple[tuple[str, str, str, float], ...]:
    """(playbook, target, run, when) of what triggers started, oldest first. now, wall: as for `emergency_left`."""
    found: list[tuple[str, str, str, float]] = []
    for record in lately(("playbook.started",), LOOK_BYTES):
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):  # a record that somebody has touched
            data = record.data
            if data["on"] in TRIGGERS:
                at = now - max(0.0, wall - datetime.fromisoformat(record.at).timestamp())
                found.append((str(data["playbook"]), str(data["targets"][0]), str(data["run"]), at))
    return tuple(reversed(found))


def finished_lately(lately: Lately, run: str) -> dict[str, Any] | None:
    """The data of `playbook.finished` of that run, if it stands in the last LOOK_BYTES of the log."""
    records = lately(("playbook.finished",), LOOK_BYTES)
    return next((record.data for record in records if record.data.get("run") == run), None)
