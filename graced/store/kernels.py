"""One row for each kernel that ever was: by it a newborn knows which processes to adopt."""

from typing import Any, Final, Literal

import msgspec

from graced.store.db import Store
from graced.store.text import words

Exit = dict[str, int] | Literal["unknown"] | None
"""As in `status`: {"code": 0}, {"signal": 9}, "unknown", or None while there was no exit."""


class KernelRow(msgspec.Struct, frozen=True):
    """The last that is known of a kernel. `pid` and `start_ticks` are of run `run`, in the boot `boot_id`.

    `memory`: what self_healing itself wants to know again, in its own words.
    """

    name: str
    run: int
    pid: int | None
    start_ticks: int | None
    boot_id: str
    state: str
    reason: str
    exit: Exit
    restarts: int
    started_at: str | None
    stopped_by_person: bool
    rung: str | None
    memory: str = ""


_FIELDS: Final = KernelRow.__struct_fields__
_EXIT: Final = _FIELDS.index("exit")
_COLUMNS: Final = ", ".join(_FIELDS)
_SAVE: Final = (
    f"INSERT INTO kernels ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT (name) DO UPDATE SET "
    + ", ".join(f"{field} = excluded.{field}" for field in _FIELDS[1:])
    + " WHERE excluded.run >= kernels.run"
)


def save_kernel(
    store: Store,
    name: str,
    run: int,
    pid: int | None,
    start_ticks: int | None,
    boot_id: str,
    state: str,
    reason: str = "",
    exit: Exit = None,
    restarts: int = 0,
    started_at: str | None = None,
    stopped_by_person: bool = False,
    rung: str | None = None,
    memory: str = "",
) -> bool:
    """Keeps the row of a kernel, unless a later run is kept already; True when written."""
    row = KernelRow(
        name, run, pid, start_ticks, boot_id, state, words(reason), exit, restarts, started_at, stopped_by_person, rung,
        memory,
    )  # fmt: skip
    waiting: KernelRow | None = store.waiting(("kernel", name))
    if waiting is not None and waiting.run > run:
        return store.flush()

    def effect(rows: dict[Any, Any]) -> None:
        if name not in rows or rows[name].run <= run:
            rows[name] = row

    params = msgspec.structs.astuple(row)
    exit_json = msgspec.json.encode(exit).decode()
    return store.write(
        _SAVE,
        (*params[:_EXIT], exit_json, *params[_EXIT + 1 :]),
        key=("kernel", name),
        table="kernels",
        effect=effect,
        note=row,
    )


def kernels(store: Store) -> dict[str, KernelRow]:
    """All rows by name, with what waits in this process; also of kernels that the configuration no longer has."""
    rows: dict[str, KernelRow] = {}
    for read in store.read(f"SELECT {_COLUMNS} FROM kernels ORDER BY name"):
        row = dict(zip(_FIELDS, read, strict=True))
        row |= {"exit": msgspec.json.decode(row["exit"]), "stopped_by_person": bool(row["stopped_by_person"])}
        rows[row["name"]] = KernelRow(**row)
    for effect in store.effects("kernels"):
        effect(rows)
    return rows
