"""What the disk of a home tells when its members do not: kernels, counts, the end of the audit log. Only reads."""

import contextlib
import os
from typing import Final

import msgspec
from msgspec import Struct

from graced.bus.protocol import KernelView
from graced.home.paths import Home
from graced.posix import proc
from graced.posix.padded_record import read_slot
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Kernel
from graced.status.facts import ALIVE, Code, Recoveries, RunFact, Tasks
from graced.store import tables
from graced.store.db import Store

PATIENCE_S: Final = 0.2
"""How long a command waits for the database, which a stopped process may hold."""

RUNNING: Final = ALIVE | {"backoff", "failed"}


class Slot(Struct, frozen=True):
    """A kernel's newest run, as the spawner stores it. `pid` 0: it was about to be born."""

    kernel: str
    run: int
    pid: int
    start_ticks: int
    boot_id: str

    @property
    def identity(self) -> proc.Identity:
        return proc.Identity(self.pid, self.start_ticks, self.boot_id)


class Stored(Struct, frozen=True):
    """All that state.db says for `status`; empty where it cannot be read."""

    kernels: dict[str, KernelView] = {}
    identities: dict[str, proc.Identity] = {}
    unfinished: dict[str, tuple[str, ...]] = {}
    recoveries: Recoveries = Recoveries()
    code: Code = Code()
    tasks: Tasks = Tasks()


def reader(home: Home) -> Store:
    """The store of a home for a command: it waits a little, and makes no file."""
    return Store(home.db, readonly=True, patience_s=PATIENCE_S)


def slots(home: Home) -> dict[str, Slot]:
    """The newest run of every kernel that ever was, by name; what cannot be read is left out.

    In a copy of a home they are runs of the other: only their numbers are told.
    """
    ours = home.is_ours()
    try:
        names = sorted(os.listdir(home.kernels))
    except OSError:
        return {}
    found: dict[str, Slot] = {}
    for name in names:
        data = read_slot(os.path.join(home.kernels, name)) if name.endswith(".slot") else None
        if data is not None:
            with contextlib.suppress(*UNDECODABLE):
                slot = msgspec.json.decode(data, type=Slot)
                found[slot.kernel] = slot if ours else Slot(slot.kernel, slot.run, 0, 0, "")
    return found


def run_facts(found: dict[str, Slot]) -> dict[str, RunFact]:
    """Each with whether that process lives."""
    return {
        name: RunFact(slot.run, slot.pid, slot.start_ticks, bool(slot.pid) and proc.alive(slot.identity))
        for name, slot in found.items()
    }


def stored(home: Home, specs: dict[str, Kernel]) -> Stored:
    store = reader(home)
    try:
        counts = tables.counters(store)
        files, broken = tables.scan_counts(store)
        tasks = tables.task_counts(store)
        rows = tables.kernels(store)
        runs = tables.open_runs(store)
    finally:
        store.close()
    ours = home.is_ours()
    unfinished: dict[str, tuple[str, ...]] = {}
    for run in runs:
        unfinished[run.executor] = (*unfinished.get(run.executor, ()), *run.target.split())
    return Stored(
        {name: _view(row, specs.get(name)) for name, row in rows.items()},
        {
            name: proc.Identity(row.pid, row.start_ticks or 0, row.boot_id)
            for name, row in rows.items()
            if ours and row.pid is not None and row.pid > 0
        },
        unfinished,
        Recoveries(*(counts.get(f"recoveries.{kind}", 0) for kind in ("mutual", "emergency", "kernel"))),
        Code(files, broken),
        Tasks(*(tasks.get(state, 0) for state in ("queued", "running", "done", "failed", "undone"))),
    )


def _view(row: tables.KernelRow, spec: Kernel | None) -> KernelView:
    held = row.stopped_by_person
    autostart = spec is not None and spec.autostart and spec.schedule is None
    wanted = not held and row.state != "exited" and (row.state in RUNNING or autostart)
    critical = spec is not None and spec.critical
    return KernelView(
        row.pid or 0, row.start_ticks or 0, row.state, row.run, row.reason, 0.0, row.restarts, row.exit, critical,
        row.rung, wanted, held, 0.0,
    )  # fmt: skip


def audit_end(home: Home) -> tuple[int, str]:
    """(records, hash of the last); zeros where there is no log to be read."""
    from graced.audit.read import head

    try:
        return head(home.audit)
    except OSError:
        return head("")
