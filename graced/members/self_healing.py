"""self_healing: the user's kernels. What it decides is graced.core.kernels; here that meets the spawner and people."""

import random
from typing import Any, Final

import msgspec

from graced.bus.protocol import Ask, KernelView, Reply, View, to_plain
from graced.core import kernels, ladder
from graced.core.intensity import History, recent
from graced.core.kernel import Climb, Evidence, Examine
from graced.core.kernels import End, GiveOrder, Kernel, Kernels, Save, Start
from graced.core.orders import Exit, Running
from graced.core.vocabulary import Action, Beat, CloseIncident, Perform
from graced.members import runs
from graced.members.duty import Duty
from graced.members.kernel_actions import KernelActions
from graced.members.process import policy_of
from graced.members.rungs import Rungs
from graced.members.shell import Shell
from graced.members.told import Told, runs_told, told_of
from graced.posix.clock import monotonic, wall_iso
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Config
from graced.spec.config import Kernel as Spec
from graced.spec.replicas import expand_replicas
from graced.store import tables

SYNC_TIMEOUT_S: Final = 0.5
SEND_TIMEOUT_S: Final = 1.0


class SelfHealing(Duty):
    """Adopts what runs, keeps it running, leaves the orders for the next exits with the spawner."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.kernels: Kernels = {}
        self._synced = 0  # incarnation of the spawner whose news we have
        self._syncing = False
        self._seen = 0  # number of the last news taken
        self._parallel = shell.config.restarts.parallel
        self._rungs = Rungs(shell, lambda: self.kernels, self._do)
        self._actions = KernelActions(shell)
        self._generation = 0  # of the database that has the kernels' rows
        self._told: set[Told] = set() if shell.state.fresh else runs_told(shell.home.audit)

    # --- birth

    def setup(self) -> None:
        config, shell = self.shell.config, self.shell
        rows = tables.kernels(shell.store)
        for name, spec in expand_replicas(config).items():
            kernel = self.kernels[name] = _from_row(spec, config, rows.get(name), shell.state.fresh)
            if shell.state.fresh:
                self._remember_none(name, rows.get(name))
            elif rows.get(name) is not None:
                self.kernels[name] = remembered(kernel, rows[name].memory, shell.identity.boot_id, monotonic())
            if self.kernels[name].state == "failed":
                self.acted(Examine(name, kernel.run))
        self._sync()

    def _remember_none(self, name: str, row: Any) -> None:
        """A start by a person begins anew: what was open before is closed."""
        if row is not None:
            open_incident = remembered(self.kernels[name], row.memory, "", 0.0).incident
            if open_incident:
                self.shell.act(CloseIncident(open_incident, "recovered", 0.0, 1))

    def heard(self, beat: Beat) -> None:
        if beat.member == "spawner" and beat.incarnation != self._synced:
            self._sync()

    def _sync(self) -> None:
        """Ask the spawner for all runs and for the news that nobody has taken."""
        if self._syncing:
            return
        self._syncing = True
        wanted = self.shell.state.peers["spawner"].incarnation
        self.shell.bus.connect("spawner")

        def answered(reply: Reply | None) -> None:
            self._syncing = False
            if reply is None or not reply.ok:
                return
            self._synced = wanted or self.shell.state.peers["spawner"].incarnation
            self._seen = 0
            self._news(reply.data["news"])
            for plain in reply.data["runs"]:
                self._do(kernels.adopt(self.kernels, msgspec.convert(plain, Running), monotonic()))

        self.shell.send("spawner", "kernel.sync", {"incarnation": self.shell.incarnation}, SYNC_TIMEOUT_S, answered)

    # --- commands

    def ask(self, ask: Ask, address: bytes) -> Reply | None:
        reply = runs.asked(self.shell, ask)
        if reply is not None:
            return reply
        match ask.verb:
            case "kernel.news":
                self._news(ask.args["items"])
                return Reply(ask.id, True)
            case "kernels.start":
                return self._by_person(ask, kernels.person_start)
            case "kernels.stop":
                return self._by_person(ask, kernels.person_stop)
            case "kernels.restart":
                return self._by_person(ask, kernels.person_restart)
            case "kernel.mended":
                self._rungs.mended(tuple(str(path) for path in ask.args["paths"]))
                return Reply(ask.id, True, self._rows(self.kernels))
            case "kernel.look":
                return Reply(ask.id, True, self._rows(ask.args["names"]))
            case "kernel.renew":
                self._do(ladder.renew(self.kernels, tuple(str(n) for n in ask.args["names"]), monotonic()))
                return Reply(ask.id, True)
        return super().ask(ask, address)

    def _by_person(self, ask: Ask, change: Any) -> Reply:
        names = tuple(str(n) for n in ask.args["names"])
        unknown = [n for n in names if n not in self.kernels]
        if unknown:
            return Reply(ask.id, False, error=f"no kernel {unknown[0]}")
        runs_before = {n: self.kernels[n].run for n in names}
        self._do(change(self.kernels, names, monotonic()))
        self.tend(monotonic())
        self.shell.store.flush()
        unsaved = self.shell.store.trouble if self.shell.store.pending else ""
        return Reply(ask.id, True, {"names": list(names), "runs": runs_before, "unsaved": unsaved})

    def _rows(self, names: Any) -> dict[str, Any]:
        """Of those of the kernels that are meant to run."""
        return {
            k.name: {"run": k.run, "state": k.state, "started": k.started, "alive": k.alive, "reason": k.reason}
            for k in (self.kernels[n] for n in names if n in self.kernels)
            if kernels.meant(k)
        }

    def _news(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            if int(item["n"]) <= self._seen:
                continue
            self._seen = int(item["n"])
            running = msgspec.convert(item["running"], Running)
            at = float(item["at"])
            match item["what"]:
                case "born":
                    step = kernels.born(self.kernels, running, at)
                case "exited":
                    step = kernels.exited(
                        self.kernels,
                        running,
                        at,
                        by_order=bool(item["by_order"]),
                        noise=random.uniform(-1, 1),
                        stopping=self.shell.stopping,
                        text=str(item["text"]),
                    )
                case _:
                    step = kernels.refused(self.kernels, running, at)
            self._do(step)

    # --- what follows

    def tend(self, now: float) -> None:
        self._keep_rows()
        if self._synced and not self.shell.state.stopping:
            self._do(kernels.tend(self.kernels, now, parallel=self._parallel))
            self._rungs.tend(now)

    def _keep_rows(self) -> None:
        """Another database than before: what a person stopped, and all else of the kernels, is written into it."""
        generation = self.shell.store.generation
        if generation != self._generation:
            if self._generation:
                for kernel in self.kernels.values():
                    self._save(kernel)
            self._generation = generation

    def wake_at(self) -> float:
        idle = not self._synced or self.shell.state.stopping
        return float("inf") if idle else min(kernels.wake_at(self.kernels, monotonic()), self._rungs.wake_at())

    def _do(self, step: tuple[Kernels, tuple[Action, ...]]) -> None:
        self.kernels, actions = step
        for action in actions:
            if told_of(action) not in self._told:
                self.shell.act(action)

    def acted(self, action: Action) -> bool:
        match action:
            case Start():
                self._tell("kernel.start", {"kernel": action.kernel, "run": action.run})
            case GiveOrder():
                self._tell("kernel.order", to_plain(action.order))
            case End():
                args = {"kernel": action.kernel, "run": action.run, "signal": action.signal, "timeout": action.timeout}
                self._tell("kernel.end", args)
            case Save():
                self._save(action.kernel)
            case _:
                return self._rungs.acted(action)
        return True

    def perform(self, action: Perform) -> None:
        match action.uses:
            case "restart_kernel":
                self._actions.restart(action)
            case _:
                super().perform(action)

    def _tell(self, verb: str, args: dict[str, Any]) -> None:
        self.shell.send("spawner", verb, args, SEND_TIMEOUT_S)

    def _save(self, kernel: Kernel) -> None:
        started = wall_iso() if kernel.pid else None
        tables.save_kernel(
            self.shell.store,
            kernel.name,
            kernel.run,
            kernel.pid,
            kernel.start_ticks,
            self.shell.identity.boot_id,
            kernel.state,
            kernel.reason,
            kernels.exit_data(kernel.exit),
            kernel.restarts,
            started,
            kernel.held,
            kernel.rung,
            memory_of(kernel, self.shell.identity.boot_id),
        )

    def extend(self, view: View) -> View:
        return msgspec.structs.replace(view, kernels={name: _view(k) for name, k in self.kernels.items()})


def _view(k: Kernel) -> KernelView:
    return KernelView(
        k.pid,
        k.start_ticks,
        k.state,
        k.run,
        k.reason,
        k.started if k.alive else 0.0,
        k.restarts,
        kernels.exit_data(k.exit),
        k.spec.critical,
        k.rung,
        kernels.meant(k),
        k.held,
        k.due,
    )


def _from_row(spec: Spec, config: Config, row: Any, fresh: bool) -> Kernel:
    """A kernel as the store remembers it: what a person stopped stays stopped, what was given up stays given up."""
    kernel = Kernel(
        spec,
        policy_of(spec.restarts or config.restarts),
        wanted=spec.autostart,
        state="backoff" if spec.autostart else "stopped",
    )
    if row is None:
        return kernel
    kernel = msgspec.structs.replace(kernel, run=row.run, restarts=row.restarts, exit=_exit(row.exit))
    if row.stopped_by_person:
        return msgspec.structs.replace(kernel, wanted=False, held=True, state="stopped", reason=row.reason)
    if fresh:
        return kernel
    if row.state in ("failed", "exited"):
        return msgspec.structs.replace(kernel, wanted=True, state=row.state, reason=row.reason, rung=row.rung)
    if row.pid:
        return msgspec.structs.replace(
            kernel, wanted=True, pid=row.pid, start_ticks=row.start_ticks, state="starting", rung=row.rung
        )
    return msgspec.structs.replace(
        kernel, wanted=spec.autostart or row.state == "backoff", rung=row.rung, reason=row.reason
    )


def _exit(data: Any) -> Exit | None:
    if data is None:
        return None
    if isinstance(data, dict):
        return Exit(code=data.get("code"), signal=data.get("signal"))
    return Exit()


class Memory(msgspec.Struct, frozen=True):
    """What a kernel's row keeps beside what everybody may read. Times are of CLOCK_MONOTONIC, good within one boot."""

    boot_id: str
    restarts: tuple[float, ...] = ()
    short: tuple[float, ...] = ()
    due: float = 0.0
    ended_at: float = 0.0
    incident: str = ""
    climb: Climb = ""
    tried: tuple[str, ...] = ()
    evidence: Evidence | None = None


def memory_of(kernel: Kernel, boot_id: str) -> str:
    history = kernel.history
    memory = Memory(
        boot_id, history.restarts, history.short, kernel.due, kernel.ended_at, kernel.incident,
        kernel.climb, kernel.tried, kernel.evidence,
    )  # fmt: skip
    return msgspec.json.encode(memory).decode()


def remembered(kernel: Kernel, memory: str, boot_id: str, now: float) -> Kernel:
    """The kernel with its restart intensity, its backoff and its open incident; after a reboot only the incident."""
    try:
        known = msgspec.json.decode(memory.encode(), type=Memory)
    except UNDECODABLE:
        return kernel
    kernel = msgspec.structs.replace(kernel, incident=known.incident, tried=known.tried, evidence=known.evidence)
    if known.climb and kernel.wanted and not kernel.alive:  # the rung that it was at is taken again
        due = now + ladder.LIMIT_S[known.climb]
        return msgspec.structs.replace(kernel, state="backoff", climb=known.climb, due=due)
    if known.boot_id != boot_id:
        return kernel
    history = recent(History(known.restarts, known.short), kernel.policy, now)
    return msgspec.structs.replace(kernel, history=history, due=known.due, ended_at=known.ended_at)
