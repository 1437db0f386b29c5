"""trigger: the second, independent watcher of critical kernels. Its rule is graced.core.second_watcher.

It sees their deaths by its own pidfds, and acts only where nobody else can: self_healing is not healthy, the standing
order did not bring the kernel back, and the watchdog has lent it `restart_kernel`.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from graced.core.kernels import memory
from graced.core.second_watcher import Row, Watched, counts, died, out_of_hands, seen_alive, waits
from graced.core.vocabulary import Happened, Perform
from graced.home.slots import identity_of
from graced.members import runs
from graced.members.delegates import Delegate
from graced.members.duty import Handler
from graced.members.emergency_restart import EmergencyRestart
from graced.members.process import policy_of
from graced.members.shell import Shell
from graced.spec.replicas import expand_replicas
from graced.store import tables

if TYPE_CHECKING:
    from graced.members.outside import Watch

SEND_TIMEOUT_S: Final = 1.0
POWER: Final = "restart_kernel"


class Trigger(Delegate):
    """Looks for newer runs once an interval while a critical kernel is not alive."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        specs = expand_replicas(shell.config)
        self._specs = {name: spec for name, spec in specs.items() if spec.critical}
        self._watched = {name: Watched() for name in self._specs}
        self._watches: dict[str, Watch] = {}
        self._next = 0.0 if self._specs else float("inf")

    def wake_at(self) -> float:
        return self._next

    def tend(self, now: float) -> None:
        if now < self._next:
            return
        for name, watched in self._watched.items():
            if not watched.alive:
                self._look(name, now)
        alive = all(w.alive for w in self._watched.values())
        self._next = float("inf") if alive else now + self.shell.interval

    def detail(self) -> dict[str, Any]:
        return {"critical": sum(w.alive for w in self._watched.values())} if self._watched else {}

    def _look(self, name: str, now: float) -> None:
        """Is there a newer run? Else, may it be started?"""
        watched, slot = self._watched[name], self.shell.slots.read(name)
        if slot is None:
            return
        run = slot.run
        if run.pid and run.run >= watched.run:
            watch = self.shell.processes.watch(identity_of(run), partial(self._died, name))
            if watch is not None:
                self._watches[name] = watch
                self._watched[name] = seen_alive(watched, run.run)
                return
        if self.shell.state.held and not waits(watched, self.shell.interval, now):
            self._start(name, run.run, now)

    def _died(self, name: str) -> None:
        self._watches.pop(name, None)
        self._watched[name] = died(self._watched[name], self.shell.now())
        self._next = 0.0

    def handlers(self) -> Mapping[str, Handler]:
        return {**super().handlers(), "approve": runs.approval(self.shell)}

    def perform(self, action: Perform) -> None:
        """`restart_kernel`, for kernels that it watches: those are the ones that it may restart at all."""
        spec = self._specs.get(str(action.args.get("kernel")))
        if action.uses != POWER or spec is None:
            super().perform(action)
            return
        EmergencyRestart(self.shell, action, spec, lambda how: self.shell.playbooks.done(action, how)).look()

    def _run_playbooks(self, name: str, run: int) -> None:
        """What `kernel.crashed` starts, in the place of self_healing, by the power to run playbooks."""
        facts = {"evidence": "exit", "run": run}
        for incident in tuple(self.shell.state.held):
            key = f"{name}-run{run}"
            self.shell.take(Happened("kernel.crashed", name, key, incident, facts, grant=incident))

    def _start(self, name: str, run: int, now: float) -> None:
        """`run`: the newest, which is dead."""
        shell = self.shell
        stored = tables.kernels(shell.store).get(name)
        row = None
        if stored is not None:
            counted = memory.restarts_of(stored.memory, shell.identity.boot_id)
            row = Row(stored.state, stored.stopped_by_person, counted)
        healthy = shell.state.peers["self_healing"].state == "healthy"
        if row is None or not out_of_hands(row, healer_healthy=healthy):
            return
        self._run_playbooks(name, run)
        policy = policy_of(self._specs[name].restarts or shell.config.restarts)
        started = counts(self._watched[name], row, policy, now)
        if started is None or not self.may(POWER, name):
            return
        self._watched[name] = started
        shell.send("spawner", "kernel.start", {"kernel": name, "run": run + 1}, SEND_TIMEOUT_S)
