"""Numbers that only grow, over the life of the home.

Names in use: `recoveries.mutual`, `recoveries.emergency`, `recoveries.kernel`, `restarts.MEMBER`, `incarnation.MEMBER`,
`restarted.KERNEL` (the newest run that was counted as a recovery).
"""

from typing import Any, Final

from graced.store.db import Store

RECOVERIES: Final = "recoveries.kernel"


def bump(store: Store, name: str, by: int = 1) -> bool:
    """Adds to a counter. Bumps that wait are one entry of the queue, however many; True when written."""
    key = ("bump", name)
    total: int = by + (store.waiting(key) or 0)

    def effect(rows: dict[Any, Any]) -> None:
        rows[name] = rows.get(name, 0) + total

    sql = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
    return store.write(sql, (name, total), key=key, table="counters", effect=effect, note=total)


def bump_once(store: Store, name: str, incident: str) -> bool:
    """Adds one to a counter unless that was done for this incident before, by whatever process; True when written."""
    counted = (
        ("INSERT OR IGNORE INTO counters VALUES (?, 0)", (name,)),
        (
            "UPDATE counters SET value = value + 1 WHERE name = ?"
            " AND EXISTS (SELECT 1 FROM incidents WHERE id = ? AND counted = 0)",
            (name, incident),
        ),
        ("UPDATE incidents SET counted = 1 WHERE id = ?", (incident,)),
    )
    return store.write_all(counted, table="counters")


def count_restart(store: Store, kernel: str, run: int) -> bool:
    """Counts a run as one recovery of a kernel, unless it or a later one was counted before; True when written."""
    newest = f"restarted.{kernel}"
    counted = (
        ("INSERT OR IGNORE INTO counters VALUES (?, 0)", (RECOVERIES,)),
        ("INSERT OR IGNORE INTO counters VALUES (?, 0)", (newest,)),
        (
            "UPDATE counters SET value = value + 1 WHERE name = ?"
            " AND EXISTS (SELECT 1 FROM counters WHERE name = ? AND value < ?)",
            (RECOVERIES, newest, run),
        ),
        ("UPDATE counters SET value = max(value, ?) WHERE name = ?", (run, newest)),
    )
    return store.write_all(counted, table="counters")


def raise_to(store: Store, name: str, value: int) -> bool:
    """Makes a counter at least `value`; True when written."""
    key = ("raise", name)
    least: int = max(value, store.waiting(key) or 0)

    def effect(rows: dict[Any, Any]) -> None:
        rows[name] = max(rows.get(name, 0), least)

    sql = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
    return store.write(sql, (name, least), key=key, table="counters", effect=effect, note=least)


def counters(store: Store) -> dict[str, int]:
    """Every counter by name, with the writes that wait in this process. A counter that was never raised is missing."""
    rows: dict[str, int] = dict(store.read("SELECT name, value FROM counters"))
    for effect in store.effects("counters"):
        effect(rows)
    return rows
