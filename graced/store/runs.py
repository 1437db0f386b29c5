"""Playbook runs that have not ended: what a takeover goes on with when an executor died."""

from typing import Any, Final

import msgspec

from graced.store.db import Store

BLOB_MAX_BYTES: Final = 1024 * 1024


class PlaybookRun(msgspec.Struct, frozen=True):
    """A run as it was last saved; `blob` is its executor's own encoding of how far it got."""

    id: str
    playbook: str
    target: str
    executor: str
    incident: str
    blob: bytes
    state: str


def save_run(
    store: Store, id: str, playbook: str, target: str, executor: str, incident: str, blob: bytes, state: str
) -> bool:
    """Keeps how far a run got, in place of what was kept of it before; True when written."""
    if len(blob) > BLOB_MAX_BYTES:
        raise ValueError(f"the progress of a run takes at most {BLOB_MAX_BYTES} bytes, not {len(blob)}")
    run = PlaybookRun(id, playbook, target, executor, incident, blob, state)

    def effect(rows: dict[Any, Any]) -> None:
        rows[id] = run

    sql = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)"
    return store.write(sql, msgspec.structs.astuple(run), key=("run", id), table="runs", effect=effect)


def finish_run(store: Store, id: str) -> bool:
    """A run has ended, and is forgotten here (the audit log and its incident tell of it); True when written."""

    def effect(rows: dict[Any, Any]) -> None:
        rows.pop(id, None)

    return store.write("DELETE FROM runs WHERE id = ?", (id,), key=("run", id), table="runs", effect=effect)


def open_runs(store: Store) -> list[PlaybookRun]:
    """Runs that have not ended, by id, with what waits in this process."""
    read = store.read("SELECT id, playbook, target, executor, incident, blob, state FROM runs")
    rows = {row[0]: PlaybookRun(*row) for row in read}
    for effect in store.effects("runs"):
        effect(rows)
    return [rows[id] for id in sorted(rows)]
