"""trigger: the second, independent watcher of critical kernels.

It sees their deaths by its own pidfds, and acts only where nobody else can: self_healing is not healthy, the standing
order did not bring the kernel back, and the watchdog has lent it `restart_kernel`.
"""

import os
from typing import Any, Final

from graced.core.intensity import History, weigh
from graced.core.vocabulary import Happened, Perform
from graced.home.slots import identity_of, read
from graced.members.delegates import Delegate
from graced.members.emergency_restart import EmergencyRestart
from graced.members.process import policy_of
from graced.members.shell import Shell
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.spec.config import Kernel
from graced.spec.replicas import expand_replicas
from graced.store import tables

SEND_TIMEOUT_S: Final = 1.0
MEANT_TO_RUN: Final = ("starting", "ready", "healthy", "unhealthy", "backoff")
GRACE_INTERVALS: Final = 2.0  # for the standing order, and for self_healing's return


class Watched:
    """One critical kernel: the run that is watched, and since when it is dead (0: it lives, or never did)."""

    def __init__(self, spec: Kernel) -> None:
        self.spec = spec
        self.run = 0
        self.fd = -1
        self.dead_at = 0.0
        self.history = History()


class Trigger(Delegate):
    """Looks for newer runs once an interval while a critical kernel is not alive."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        kernels = expand_replicas(shell.config)
        self._kernels = {name: Watched(spec) for name, spec in kernels.items() if spec.critical}
        self._next = 0.0 if self._kernels else float("inf")

    def wake_at(self) -> float:
        return self._next

    def tend(self, now: float) -> None:
        if now < self._next:
            return
        for watched in self._kernels.values():
            if watched.fd < 0:
                self._look(watched, now)
        alive = all(w.fd >= 0 for w in self._kernels.values())
        self._next = float("inf") if alive else now + self.shell.interval

    def detail(self) -> dict[str, Any]:
        return {"critical": sum(w.fd >= 0 for w in self._kernels.values())} if self._kernels else {}

    def _look(self, watched: Watched, now: float) -> None:
        """Is there a newer run? Else, may it be started?"""
        slot = read(self.shell.home.slot(watched.spec.name))
        if slot is None:
            return
        run = slot.run
        if run.pid and run.run >= watched.run:
            fd = proc.open_pidfd(identity_of(run))
            if fd is not None:
                watched.run, watched.fd, watched.dead_at = run.run, fd, 0.0
                self.shell.add_reader(fd, lambda: self._dead(watched))
                return
        if watched.dead_at and now - watched.dead_at > GRACE_INTERVALS * self.shell.interval:
            self._restart(watched, run.run, now)

    def _dead(self, watched: Watched) -> None:
        self.shell.drop_reader(watched.fd)
        os.close(watched.fd)
        watched.fd = -1
        watched.dead_at = monotonic()
        self._next = 0.0

    def perform(self, action: Perform) -> None:
        """`restart_kernel`, for kernels that it watches: those are the ones that it may restart at all."""
        watched = self._kernels.get(str(action.args.get("kernel")))
        if action.uses != "restart_kernel" or watched is None:
            super().perform(action)
            return
        EmergencyRestart(self.shell, action, watched.spec, lambda how: self.shell.playbooks.done(action, how)).look()

    def _run_playbooks(self, watched: Watched, run: int) -> None:
        """What `kernel.crashed` starts, in the place of self_healing, by the power to run playbooks."""
        facts = {"evidence": "exit", "run": run}
        for incident in tuple(self.shell.state.held):
            key = f"{watched.spec.name}-run{run}"
            self.shell.take(Happened("kernel.crashed", watched.spec.name, key, incident, facts, grant=incident))

    def _restart(self, watched: Watched, run: int, now: float) -> None:
        name = watched.spec.name
        if self.shell.state.peers["self_healing"].state == "healthy" or not self.shell.state.held:
            return
        row = tables.kernels(self.shell.store).get(name)
        if row is None or row.stopped_by_person or row.state not in MEANT_TO_RUN:
            return
        self._run_playbooks(watched, run)
        policy = policy_of(watched.spec.restarts or self.shell.config.restarts)
        verdict = weigh(watched.history, policy, 0.0, now)
        if verdict.spent or now < watched.dead_at + verdict.wait or not self.may("restart_kernel", name):
            return
        watched.history = verdict.history
        self.shell.send("spawner", "kernel.start", {"kernel": name, "run": run + 1}, SEND_TIMEOUT_S)
