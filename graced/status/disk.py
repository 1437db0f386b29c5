"""What the disk of a home tells when its members do not: kernels, counts, the end of the audit log. Only reads."""

from typing import Final

from msgspec import Struct

from graced.audit.read import head
from graced.bus.protocol import KernelView
from graced.home.paths import Home
from graced.home.slots import Slot, identity_of
from graced.posix import proc
from graced.spec.config import Kernel
from graced.spec.roles import RECOVERY_PLAYBOOKS
from graced.status.approvals import open_approvals
from graced.status.facts import RunFact
from graced.status.structs import ALIVE, Code, Recoveries, Tasks
from graced.store import tables
from graced.store.db import Store

PATIENCE_S: Final = 0.2
"""How long a command waits for the database, which a stopped process may hold."""

RUNNING: Final = ALIVE | {"backoff", "failed"}


class Stored(Struct, frozen=True):
    """What the database says for the status. Every field is empty where the database cannot be read."""

    kernels: dict[str, KernelView] = {}
    identities: dict[str, proc.Identity] = {}
    unfinished: dict[str, tuple[str, ...]] = {}
    recoveries: Recoveries = Recoveries()
    code: Code = Code()
    tasks: Tasks = Tasks()
    approvals: int = 0


def reader(home: Home) -> Store:
    """A store for a command: it waits PATIENCE_S for other processes, and never makes a file."""
    return Store(home.db, readonly=True, patience_s=PATIENCE_S)


def trouble_of_store(home: Home) -> str:
    """Why state.db cannot be read, in a sentence; "" when it can."""
    store = reader(home)
    try:
        tables.counters(store)
        return store.trouble
    finally:
        store.close()


def run_facts(found: dict[str, Slot]) -> dict[str, RunFact]:
    """The same runs, each with whether its process lives."""
    return {
        name: RunFact(slot.run, bool(slot.run.pid) and proc.alive(identity_of(slot.run)))
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
        if run.playbook in RECOVERY_PLAYBOOKS:
            unfinished[run.executor] = (*unfinished.get(run.executor, ()), *run.target.split())
    return Stored(
        {name: _view(row, specs.get(name)) for name, row in rows.items()},
        {name: identity_of(row.run) for name, row in rows.items() if ours and row.run.pid > 0},
        unfinished,
        Recoveries(*(counts.get(f"recoveries.{kind}", 0) for kind in ("mutual", "emergency", "kernel"))),
        Code(files, broken),
        Tasks(*(tasks.get(state, 0) for state in ("queued", "running", "done", "failed", "undone"))),
        len(open_approvals(runs)),
    )


def _view(row: tables.KernelRow, spec: Kernel | None) -> KernelView:
    autostart = spec is not None and spec.autostart and spec.schedule is None
    wanted = not row.stopped_by_person and row.state != "exited" and (row.state in RUNNING or autostart)
    critical = spec is not None and spec.critical
    return KernelView(
        row.run, row.state, row.reason, row.restarts, row.exit, critical, row.rung, wanted, row.stopped_by_person, 0.0
    )


def audit_end(home: Home) -> tuple[int, str]:
    """(records, hash of the last); zeros where there is no log to be read."""
    try:
        return head(home.audit)
    except OSError:
        return head("")
