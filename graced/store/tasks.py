"""The coding agent's queue: one task for each broken file, from found to mended, undone or given up."""

import sqlite3
from typing import Any, Final, Literal

import msgspec

from graced.store.db import Store
from graced.store.text import path_in, path_out, words

TASKS_KEPT: Final = 10_000
"""Tasks older than the newest by more than this are deleted once they are over (`original` is the caller's to keep)."""

QUEUED_MAX: Final = 1000
"""Tasks of the queue that are looked at in one go; the others wait for those."""

RETRIED_MAX: Final = 1000
"""Tasks that are tried again in one go."""

TaskState = Literal["queued", "running", "done", "failed", "undone", "suggested"]
Retry = Literal["", "later", "when_applied"]
STATES: Final[tuple[TaskState, ...]] = ("queued", "running", "done", "failed", "undone", "suggested")


class Task(msgspec.Struct, frozen=True):
    """As JSON, an element of `graced tasks --json`. Times are ISO 8601 UTC."""

    id: str
    path: str
    state: TaskState
    error: str
    created_at: str
    finished_at: str | None


class TaskRecord(Task, frozen=True):
    """All that is kept of a task. `agent` claimed it; `original` is where the bytes from before the fix are kept.

    `sha256_before` is of the file as it was found or read, `sha256_after` of what the fix left. `retry`: whether the
    very same bytes are tried again: `later`, as what stood in the way may pass, or once `apply` is `fix`.
    """

    agent: str | None
    sha256_before: str | None
    sha256_after: str | None
    original: str | None
    superseded: bool
    retry: Retry


_FIELDS: Final = Task.__struct_fields__
_ALL: Final = ", ".join(TaskRecord.__struct_fields__)


def add_task(store: Store, id: str, path: str, error: str, created_at: str, sha256_before: str | None = None) -> bool:
    """Queues a task in place of every earlier one of the same path, which is not listed any more; True when written.

    The same id twice is one task.
    """
    stored = path_in(path)
    return store.write_all(
        (
            ("UPDATE tasks SET superseded = 1 WHERE path = ? AND superseded = 0 AND id <> ?", (stored, id)),
            (
                "INSERT INTO tasks (id, path, state, error, created_at, sha256_before)"
                " VALUES (?, ?, 'queued', ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (id, stored, words(error), created_at, sha256_before),
            ),
            (
                "DELETE FROM tasks WHERE n <= (SELECT max(n) FROM tasks) - ?"
                " AND state <> 'running' AND (superseded = 1 OR state <> 'queued')",
                (TASKS_KEPT,),
            ),
        ),
        key=("task", stored),
    )


def claim_next(store: Store, agent: str, id: str | None = None) -> TaskRecord | None:
    """Takes the oldest queued task for `agent` (a text that no other process ever has, such as pid and start time).

    With `id` only that one. None when there is none, or when it cannot be written that it is taken.
    """

    def claim(conn: sqlite3.Connection) -> TaskRecord | None:
        which = "state = 'queued' AND superseded = 0 AND (?1 IS NULL OR id = ?1)"
        row = conn.execute(f"SELECT {_ALL} FROM tasks WHERE {which} ORDER BY n LIMIT 1", (id,)).fetchone()
        if row is None:
            return None
        found = _record(row)
        conn.execute("UPDATE tasks SET state = 'running', agent = ? WHERE id = ?", (agent, found.id))
        return msgspec.structs.replace(found, state="running", agent=agent)

    return store.transact(claim)


def finish_task(
    store: Store,
    id: str,
    state: TaskState,
    finished_at: str | None,
    *,
    error: str | None = None,
    sha256_before: str | None = None,
    sha256_after: str | None = None,
    original: str | None = None,
    retry: Retry = "",
) -> bool:
    """Says what became of a task; what is None stays as it was (but `finished_at`). True when written."""
    sql = (
        "UPDATE tasks SET state = ?, finished_at = ?, retry = ?, error = coalesce(?, error),"
        " sha256_before = coalesce(?, sha256_before), sha256_after = coalesce(?, sha256_after),"
        " original = coalesce(?, original) WHERE id = ?"
    )
    kept = None if original is None else path_in(original)
    text = None if error is None else words(error)
    return store.write(sql, (state, finished_at, retry, text, sha256_before, sha256_after, kept, id))


def put_back(store: Store, id: str) -> bool:
    """A task that was claimed waits again; True when written."""
    return store.write("UPDATE tasks SET state = 'queued', agent = NULL WHERE id = ? AND state = 'running'", (id,))


def take_up(store: Store, id: str, agent: str) -> bool:
    """A suggestion that a person accepted is being put in place by `agent`; True when written."""
    sql = "UPDATE tasks SET state = 'running', agent = ? WHERE id = ? AND state = 'suggested'"
    return store.write(sql, (agent, id))


def queued_tasks(store: Store) -> list[TaskRecord]:
    """What waits to be done, oldest first, at most QUEUED_MAX."""
    where = "state = 'queued' AND superseded = 0"
    rows = store.read(f"SELECT {_ALL} FROM tasks WHERE {where} ORDER BY n LIMIT {QUEUED_MAX}")
    return [_record(row) for row in rows]


def disowned_texts(store: Store, path: str) -> tuple[str, ...]:
    """Hashes of what fixes left in the file that were taken back."""
    sql = "SELECT DISTINCT sha256_after FROM tasks WHERE path = ? AND state = 'undone' AND sha256_after IS NOT NULL"
    return tuple(row[0] for row in store.read(sql, (path_in(path),)))


def resume(store: Store, agent: str) -> int | None:
    """Puts back in the queue what runs under any other agent: there is one at a time, so that one is dead.

    How many tasks that were; None when it cannot be written now.
    """

    def requeue(conn: sqlite3.Connection) -> int:
        sql = "UPDATE tasks SET state = 'queued', agent = NULL WHERE state = 'running' AND agent IS NOT ?"
        return conn.execute(sql, (agent,)).rowcount

    return store.transact(requeue)


def tasks(store: Store) -> list[Task]:
    """All tasks but the superseded, oldest first."""
    rows = store.read(f"SELECT {', '.join(_FIELDS)} FROM tasks WHERE superseded = 0 ORDER BY n")
    return [Task(row[0], path_out(row[1]), *row[2:]) for row in rows]


def to_retry(store: Store) -> list[TaskRecord]:
    """Tasks that are to be tried again though nobody touches their files, oldest first, at most RETRIED_MAX."""
    where = "superseded = 0 AND state IN ('failed', 'suggested') AND retry <> ''"
    rows = store.read(f"SELECT {_ALL} FROM tasks WHERE {where} ORDER BY n LIMIT {RETRIED_MAX}")
    return [_record(row) for row in rows]


def task_counts(store: Store) -> dict[TaskState, int]:
    """How many tasks are in each state, the superseded left out."""
    found = dict(store.read("SELECT state, count(*) FROM tasks WHERE superseded = 0 GROUP BY state"))
    return {state: found.get(state, 0) for state in STATES}


def get_task(store: Store, id: str) -> TaskRecord | None:
    """One task, also a superseded one (its fix can still be undone)."""
    rows = store.read(f"SELECT {_ALL} FROM tasks WHERE id = ?", (id,))
    return _record(rows[0]) if rows else None


def task_of(store: Store, path: str) -> TaskRecord | None:
    """The task of a file that is listed. One that is `undone` or `failed` says by `sha256_before` which bytes of the
    file are to be left alone (but see `to_retry`)."""
    rows = store.read(f"SELECT {_ALL} FROM tasks WHERE path = ? AND superseded = 0", (path_in(path),))
    return _record(rows[0]) if rows else None


def _record(row: tuple[Any, ...]) -> TaskRecord:
    fields = dict(zip(TaskRecord.__struct_fields__, row, strict=True))
    original = fields["original"]
    fields |= {"path": path_out(fields["path"]), "superseded": bool(fields["superseded"])}
    return TaskRecord(**fields | {"original": None if original is None else path_out(original)})
