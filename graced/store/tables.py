"""All tables of state.db in one place: typed functions over a `Store`, plain structs in and out.

A writer returns True once it is in the database, False while it waits in memory (`Store.flush`). A reader works with a
store opened `readonly` and no member alive, makes no file, and gives what is empty where there is nothing to read.
"""

from graced.store.counters import bump, bump_once, count_restart, counters, raise_to
from graced.store.incidents import Incident, IncidentStep, add_step, close_incident, incidents, open_incident
from graced.store.kernels import KernelRow, kernels, save_kernel
from graced.store.leases import LeaseRow, is_revoked, revoke_leases, save_lease
from graced.store.runs import PlaybookRun, finish_run, open_runs, save_run
from graced.store.scanned import Scanned, forget_scanned, good_versions, save_scanned, scan_counts, scanned
from graced.store.tasks import (
    Task,
    TaskRecord,
    add_task,
    claim_next,
    disowned_texts,
    finish_task,
    get_task,
    put_back,
    queued_tasks,
    resume,
    take_up,
    task_counts,
    task_of,
    tasks,
    to_retry,
)

__all__ = [
    "Incident",
    "IncidentStep",
    "KernelRow",
    "LeaseRow",
    "PlaybookRun",
    "Scanned",
    "Task",
    "TaskRecord",
    "add_step",
    "add_task",
    "bump",
    "bump_once",
    "claim_next",
    "close_incident",
    "count_restart",
    "counters",
    "disowned_texts",
    "finish_run",
    "finish_task",
    "forget_scanned",
    "get_task",
    "good_versions",
    "incidents",
    "is_revoked",
    "kernels",
    "open_incident",
    "open_runs",
    "put_back",
    "queued_tasks",
    "raise_to",
    "resume",
    "revoke_leases",
    "save_kernel",
    "save_lease",
    "save_run",
    "save_scanned",
    "scan_counts",
    "scanned",
    "take_up",
    "task_counts",
    "task_of",
    "tasks",
    "to_retry",
]
