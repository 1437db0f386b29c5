"""Kernels that run code which was just mended: restarted once all of it is, watched, and the fixes taken back if they
made things worse.

A trial is of one kernel and all fixes of its sources since the last one. It begins when nothing broken is left to be
mended there, and ends well when the new run was ready for SETTLE_S. Of a kernel whose old run was not ready for so long
nothing is asked of the new one: it may have been dying for another reason all the time.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from graced.bus.protocol import Reply
from graced.core.kernels.ladder import inside
from graced.core.trials import GOOD, SETTLE_S, Row, verdict, well
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Kernel
from graced.spec.replicas import expand_replicas
from graced.store.text import is_valid

if TYPE_CHECKING:
    from graced.members.shell import Shell

LOOK_S: Final = 0.1
SPARE_S: Final = 10.0
"""Beyond `ready.timeout` and SETTLE_S, for the end of the old run and the birth of the new one."""
SEND_TIMEOUT_S: Final = 1.0


class Trial:
    """`run`: the one that ran the old code. `tasks`: whose fixes it is about. `resumed`: a dead agent asked for the
    restart."""

    def __init__(self, spec: Kernel, run: int, resumed: bool) -> None:
        self.spec, self.run, self.resumed = spec, run, resumed
        self.tasks: list[str] = []
        self.patience = 0.0  # until when a young run may show that it was well; 0: not looked at yet
        self.since = 0.0  # when the restart was asked for; 0: not yet
        self.looking = False


class Trials:
    """`waiting(kernel)`: is there still something to be mended in its sources, or broken for good (None: that)?
    `over(task, reason)`: the task's fix stands, or with a reason is to be taken back."""

    def __init__(
        self,
        shell: "Shell",
        waiting: Callable[[Kernel], bool | None],
        over: Callable[[str, str], None],
    ) -> None:
        self._shell, self._waiting, self._over = shell, waiting, over
        self._specs = [spec for spec in expand_replicas(shell.config).values() if spec.sources]
        self._trials: list[Trial] = []
        self._pending: dict[str, set[str]] = {}  # task -> kernels that it waits for
        self._notes: dict[str, str] = {}  # task -> a file that names the runs whose end was asked for
        self._next = float("inf")

    def concerned(self, path: str) -> list[str]:
        real = self._shell.files.real(path)
        return [s.name for s in self._specs if inside(path, s.sources) or inside(real, s.sources)]

    def begin(self, task: str, path: str, note: str) -> None:
        """A fix was applied. Whoever was down over the file is started; who runs its code is tried with it.

        `note` is a file that remembers which runs were well and were ended for it, for an agent that goes on with it.
        """
        names = self.concerned(path)
        paths = [path] if is_valid(path) else []

        def answered(reply: Reply | None) -> None:
            if reply is None or not reply.ok:
                if self._shell.now() < give_up:
                    self._shell.after(SEND_TIMEOUT_S, ask)
                else:
                    self._over(task, "")
                return
            rows = {n: msgspec.convert(r, Row) for n, r in reply.data.items() if n in names}
            runs = {n: r.run.run for n, r in rows.items() if r.alive and r.state in GOOD}
            ended = self._read(note)
            self._notes[task] = note
            self._join(task, {**runs, **ended}, frozenset(ended))

        def ask() -> None:
            self._shell.send("self_healing", "kernel.mended", {"paths": paths}, SEND_TIMEOUT_S, answered)

        give_up = self._shell.now() + SPARE_S
        ask()

    def _join(self, task: str, before: dict[str, int], resumed: frozenset[str]) -> None:
        specs = {s.name: s for s in self._specs if s.name in before}
        if not specs:
            self._close(task, "")
            return
        self._pending[task] = set(specs)
        for name, spec in specs.items():
            trial = next((t for t in self._trials if t.spec.name == name and not t.since), None)
            if trial is None:  # or one that is under way: it is of other code
                trial = Trial(spec, before[name], name in resumed)
                self._trials.append(trial)
            trial.tasks.append(task)
        self._next = 0.0

    def tend(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + LOOK_S if self._trials else float("inf")
        for trial in tuple(self._trials):
            if trial.since:
                self._look(trial, now)
                continue
            waiting = self._waiting(trial.spec)
            if waiting is None:
                self._end(trial, "")  # a restart would run onto code that is known to be broken
            elif not waiting and not any(t.since for t in self._trials if t.spec.name == trial.spec.name):
                self._start(trial, now)

    def wake_at(self) -> float:
        return self._next

    def _start(self, trial: Trial, now: float) -> None:
        """Restart the kernel, if its run has kept up; else nothing could be said of the fixes.

        A young run is given the time to show it: one that dies by itself meanwhile is not held against them.
        """
        trial.patience = trial.patience or now + SETTLE_S + 2 * LOOK_S

        def seen(row: Row | None) -> None:
            if trial.resumed and row is not None and row.run.run > trial.run:
                trial.since = now
                return
            was_well = row is not None and well(row, self._shell.now())
            if was_well is None and self._shell.now() < trial.patience:
                return  # looked at again
            if row is None or not was_well:
                self._end(trial, "")
                return
            trial.run, trial.since = row.run.run, now
            self._remember(trial)
            self._renew(trial)

        self._ask(trial, seen)

    def _remember(self, trial: Trial) -> None:
        for task in trial.tasks:
            note = self._notes[task]
            with contextlib.suppress(OSError):  # without it, an agent that goes on tries the kernel anew
                runs = {**self._read(note), trial.spec.name: trial.run}
                self._shell.files.write_note(note, msgspec.json.encode(runs))

    def _look(self, trial: Trial, now: float) -> None:
        deadline = trial.since + trial.spec.ready.timeout_s + SETTLE_S + SPARE_S

        def seen(row: Row | None) -> None:
            if (
                row is not None
                and row.run.run == trial.run
                and row.alive
                and self._shell.now() - trial.since > SEND_TIMEOUT_S
            ):
                self._renew(trial)  # the command may have been lost with a self_healing
            found = verdict(trial.run, row, self._shell.now(), deadline)
            if found:
                worse = f"{trial.spec.name} ran before the fix and does not now: {row.reason}" if row else ""
                self._end(trial, worse if found == "worse" else "")

        self._ask(trial, seen, deadline)

    def _renew(self, trial: Trial) -> None:
        self._shell.send("self_healing", "kernel.renew", {"names": [trial.spec.name]}, SEND_TIMEOUT_S)

    def _ask(self, trial: Trial, seen: Callable[[Row | None], None], deadline: float = float("inf")) -> None:
        """Tell `seen` the kernel's row, None when it is not meant to run; past the deadline the trial is over."""
        if trial.looking:
            return
        name = trial.spec.name

        def answered(reply: Reply | None) -> None:
            trial.looking = False
            if trial not in self._trials:
                return
            if reply is not None and reply.ok:
                seen(msgspec.convert(reply.data[name], Row) if name in reply.data else None)
            elif self._shell.now() >= deadline:
                self._end(trial, "")

        trial.looking = True
        self._shell.send("self_healing", "kernel.look", {"names": [name]}, SEND_TIMEOUT_S, answered)

    def _end(self, trial: Trial, reason: str) -> None:
        self._trials.remove(trial)
        for task in reversed(trial.tasks):
            left = self._pending.get(task)
            if left is None:
                continue
            left.discard(trial.spec.name)
            if reason or not left:
                del self._pending[task]
                self._close(task, reason)

    def _close(self, task: str, reason: str) -> None:
        self._notes.pop(task, None)
        self._over(task, reason)

    def _read(self, note: str) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._shell.files.read_note(note), type=dict[str, int])
        except UNDECODABLE:
            return {}
