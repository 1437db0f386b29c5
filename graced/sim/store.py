"""What is on disk and outlives everyone: audit log, unfinished runs, incidents, counters, kernels' rows and slots."""

from typing import Any, Final

from msgspec import Struct

from graced.core.kernels import memory
from graced.core.kernels.vocabulary import CountRestart, Save
from graced.core.orders import Running
from graced.core.vocabulary import (
    Action,
    Bump,
    CloseIncident,
    EndRun,
    NoteStep,
    OpenIncident,
    RunNote,
    SaveRun,
)

BOOT: Final = "boot"  # of the simulated machine, which never starts anew


class Entry(Struct, frozen=True):
    """One audit record."""

    at: float
    member: str
    pid: int
    incarnation: int
    kind: str
    data: dict[str, Any]


class Incident(Struct):
    subject: str
    kind: str
    opened: float
    state: str = "open"
    counted: bool = False


class Store:
    """The shared state of a home, each write whole and at once."""

    def __init__(self) -> None:
        self.audit: list[Entry] = []
        self.runs: dict[str, tuple[str, RunNote]] = {}  # id -> executor, progress
        self.incidents: dict[str, Incident] = {}
        self.counters: dict[str, int] = {}
        self.counted: dict[str, int] = {}  # kernel -> the newest run that was counted as a restart
        self.rows: dict[str, str] = {}
        self.slots: dict[str, Running] = {}

    def runs_of(self, executor: str) -> tuple[RunNote, ...]:
        return tuple(note for role, note in self.runs.values() if role == executor)

    def write(self, role: str, action: Action, now: float) -> None:
        match action:
            case SaveRun():
                self.runs[action.note.id] = (role, action.note)
            case EndRun():
                self.runs.pop(action.run, None)
            case OpenIncident():
                self.incidents.setdefault(action.id, Incident(action.subject, action.kind, now))
            case CloseIncident():
                if action.id in self.incidents:
                    self.incidents[action.id].state = action.state
            case Bump():
                incident = self.incidents.get(action.incident)
                if incident is not None and not incident.counted:
                    incident.counted = True
                    self.counters[action.counter] = self.counters.get(action.counter, 0) + 1
            case CountRestart():
                if action.run > self.counted.get(action.kernel, 0):
                    self.counted[action.kernel] = action.run
                    self.counters["recoveries.kernel"] = self.counters.get("recoveries.kernel", 0) + 1
            case Save():
                self.rows[action.kernel.name] = memory.of(action.kernel, BOOT)
            case NoteStep():
                pass
            case _:
                raise TypeError(f"the store cannot write {action!r}")
