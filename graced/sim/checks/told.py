"""What happened to kernels is in the audit log once, whoever died meanwhile; and no row runs ahead of its record."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from graced.sim.breach import Breach
from graced.sim.checks.base import Check
from graced.store import tables

if TYPE_CHECKING:
    from graced.sim.disk import Entry
    from graced.sim.member import Member
    from graced.sim.world import World

KINDS: Final = ("kernel.started", "kernel.exited")


class Told(Check):
    def begin(self, world: "World") -> None:
        super().begin(world)
        self.told: Counter[tuple[str, str, int]] = Counter()
        self.launched_runs: set[tuple[str, int]] = set()
        self.unborn: set[tuple[str, int]] = set()
        self.fixes: set[str] = set()

    def launched(self, kernel: str, run: int) -> None:
        self.launched_runs.add((kernel, run))
        if self.world.clock.now < self.world.manners[kernel].missing:
            self.unborn.add((kernel, run))  # it ends without having started

    def recorded(self, entry: "Entry") -> None:
        if entry.kind == "fix.applied":
            if entry.data["task"] in self.fixes:
                raise Breach("told", f"{entry.member}[{entry.pid}] tells of the fix of {entry.data['task']} once more")
            self.fixes.add(entry.data["task"])
        if entry.kind not in KINDS:
            return
        key = (entry.kind, entry.data["kernel"], entry.data["run"])
        self.told[key] += 1
        if self.told[key] > 1 and key[1:] in self.launched_runs:
            raise Breach("told", f"{entry.member}[{entry.pid}] tells of {key} once more")

    def stored(self, member: "Member") -> None:
        """A row is written after the record: that a run lives, that a file was mended."""
        if member.role == "coding_agent":
            self._tasks()
        if member.role != "self_healing":
            return
        for name, row in tables.kernels(self.world.reader).items():
            run = row.run
            if run.pid and (name, run.run) in self.launched_runs and not self.told["kernel.started", name, run.run]:
                raise Breach("told", f"the row of {name} says run {run.run}, and no record tells of its start")

    def _tasks(self) -> None:
        for task in tables.tasks(self.world.reader):
            record = tables.get_task(self.world.reader, task.id)
            if record is not None and record.original is not None and task.id not in self.fixes:
                raise Breach("told", f"the row of task {task.id} says that it was mended, and no record does")

    def asked(self, what: str, names: tuple[str, ...]) -> None:
        """A person's start from nothing begins anew: what ended while nobody was there is not told of."""
        if what == "anew":
            self.launched_runs.clear()

    def settled(self) -> None:
        alive = {p.marks for p in self.world.kernels.values()}
        missing = [
            (kind, kernel, run)
            for kernel, run in sorted(self.launched_runs)
            for kind in KINDS
            if not self.told[kind, kernel, run]
            and ((kernel, run) not in self.unborn if kind == "kernel.started" else (kernel, str(run)) not in alive)
        ]
        if len(missing) > self.world.crashes:
            raise Breach("told", f"nobody told of {missing}")
