"""One row for each kernel that ever was: by it a newborn knows which processes to adopt."""

from typing import Any, Final, Literal

import msgspec

from graced.spec.run import Run
from graced.store.db import Store
from graced.store.text import words

Exit = dict[str, int] | Literal["unknown"] | None
"""As in `status`: {"code": 0}, {"signal": 9}, "unknown", or None while there was no exit."""


class KernelRow(msgspec.Struct, frozen=True):
    """The last that is known of a kernel. A `run.pid` of 0: that run is not alive.

    `memory`: what self_healing itself wants to know again, in its own words.
    """

    run: Run
    state: str
    reason: str = ""
    exit: Exit = None
    restarts: int = 0
    started_at: str | None = None
    stopped_by_person: bool = False
    rung: str | None = None
    memory: str = ""

    @property
    def name(self) -> str:
        return self.run.kernel


_COLUMNS: Final = (
    "name", "run", "pid", "start_ticks", "boot_id", "state", "reason", "exit", "restarts", "started_at",
    "stopped_by_person", "rung", "memory",
)  # fmt: skip
_SAVE: Final = (
    f"INSERT INTO kernels ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    "ON CONFLICT (name) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
    + " WHERE excluded.run >= kernels.run"
)


def save_kernel(store: Store, row: KernelRow) -> bool:
    """Keeps the row of a kernel, unless a later run is kept already; True when written."""
    name, number = row.run.kernel, row.run.run
    row = msgspec.structs.replace(row, reason=words(row.reason))
    waiting: KernelRow | None = store.waiting(("kernel", name))
    if waiting is not None and waiting.run.run > number:
        return store.flush()

    def effect(rows: dict[Any, Any]) -> None:
        if name not in rows or rows[name].run.run <= number:
            rows[name] = row

    run = row.run
    params = (
        name, run.run, run.pid, run.start_ticks, run.boot_id, row.state, row.reason,
        msgspec.json.encode(row.exit).decode(), row.restarts, row.started_at, row.stopped_by_person, row.rung,
        row.memory,
    )  # fmt: skip
    return store.write(_SAVE, params, key=("kernel", name), table="kernels", effect=effect, note=row)


def kernels(store: Store) -> dict[str, KernelRow]:
    """All rows by name, with what waits in this process; also of kernels that the configuration no longer has."""
    rows: dict[str, KernelRow] = {}
    for read in store.read(f"SELECT {', '.join(_COLUMNS)} FROM kernels ORDER BY name"):
        name, number, pid, ticks, boot_id, state, reason, exit, restarts, started_at, by_person, rung, memory = read
        rows[name] = KernelRow(
            Run(name, number, pid or 0, ticks or 0, boot_id), state, reason, msgspec.json.decode(exit), restarts,
            started_at, bool(by_person), rung, memory,
        )  # fmt: skip
    for effect in store.effects("kernels"):
        effect(rows)
    return rows
