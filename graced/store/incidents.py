"""Incidents: each failure, how it was found, what was done, how long it took."""

from typing import Final, Literal

import msgspec

from graced.store.db import Store
from graced.store.text import words

INCIDENTS_KEPT: Final = 10_000
"""Incidents younger than the newest by more than this are dropped once closed, with their steps."""

STEPS_MAX: Final = 500
"""Steps of one incident; later ones are not kept (an incident that stays open retries for ever)."""

LISTED: Final = 1000
"""Incidents that are given when nobody says how many."""

Kind = Literal["member", "kernel", "code"]
IncidentState = Literal["open", "recovered", "escalated"]


class IncidentStep(msgspec.Struct, frozen=True):
    at: str
    step: str
    ok: bool
    text: str


class Incident(msgspec.Struct, frozen=True):
    """One failure; as JSON, an element of `graced incidents --json`. `at` is ISO 8601 UTC, when it was found."""

    id: str
    at: str
    subject: str
    kind: Kind
    evidence: str
    tier: int | None
    steps: list[IncidentStep]
    duration_s: float | None
    state: IncidentState


def open_incident(
    store: Store, id: str, at: str, subject: str, kind: Kind, evidence: str, tier: int | None = None
) -> bool:
    """Begins an incident; of one that is there only the tier rises. True when written."""
    return store.write_all(
        (
            (
                "INSERT INTO incidents (id, at, subject, kind, evidence, tier) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET tier = nullif(max(coalesce(tier, 0), coalesce(excluded.tier, 0)), 0)",
                (id, at, words(subject), kind, words(evidence), tier),
            ),
            (
                "DELETE FROM incidents WHERE state <> 'open' AND n <= (SELECT max(n) FROM incidents) - ?",
                (INCIDENTS_KEPT,),
            ),
        )
    )


def add_step(store: Store, id: str, at: str, step: str, ok: bool, text: str) -> bool:
    """Adds what was done about an incident; True when written."""
    sql = (
        "INSERT INTO steps (incident, at, step, ok, text) SELECT ?, ?, ?, ?, ?"
        " WHERE (SELECT count(*) FROM steps WHERE incident = ?) < ?"
    )
    return store.write(sql, (id, at, words(step), ok, words(text), id, STEPS_MAX))


def close_incident(store: Store, id: str, state: IncidentState, duration_s: float, tier: int | None = None) -> bool:
    """Says how an incident ended, and the tier that ended it where it is another; True when written."""
    sql = "UPDATE incidents SET state = ?, duration_s = ?, tier = coalesce(?, tier) WHERE id = ?"
    return store.write(sql, (state, round(duration_s, 6), tier, id))


def incidents(store: Store, id: str | None = None, limit: int = LISTED) -> list[Incident]:
    """The newest `limit` incidents, oldest first; with an `id` that one, or []."""
    chosen = "SELECT id FROM incidents WHERE id = ?" if id else "SELECT id FROM incidents ORDER BY n DESC LIMIT ?"
    which = (id or limit,)
    steps: dict[str, list[IncidentStep]] = {}
    for of, at, step, ok, text in store.read(
        f"SELECT incident, at, step, ok, text FROM steps WHERE incident IN ({chosen}) ORDER BY n", which
    ):
        steps.setdefault(of, []).append(IncidentStep(at, step, bool(ok), text))
    rows = store.read(
        "SELECT id, at, subject, kind, evidence, tier, duration_s, state FROM incidents"
        f" WHERE id IN ({chosen}) ORDER BY n",
        which,
    )
    return [
        Incident(of, at, subject, kind, evidence, tier, steps.get(of, []), duration_s, state)
        for of, at, subject, kind, evidence, tier, duration_s, state in rows
    ]
