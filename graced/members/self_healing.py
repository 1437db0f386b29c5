"""self_healing: the user's kernels. What it decides is graced.core.kernels; here that meets the spawner and people."""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, Literal, assert_never

import msgspec

from graced.bus.protocol import Asked as AskedBy
from graced.bus.protocol import KernelView, Reply, View, to_plain
from graced.bus.verbs import Names, News, NewsItem, Paths
from graced.core.kernels import memory, view
from graced.core.kernels.exits import exit_data
from graced.core.kernels.machine import Kernels, Taken
from graced.core.kernels.state import Failed, Kernel, Stopped, Tally, new_kernel
from graced.core.kernels.vocabulary import (
    Asked,
    BeginRung,
    CountRestart,
    End,
    Examine,
    GiveOrder,
    Keep,
    KernelAction,
    RunBorn,
    RunEnded,
    Save,
    SourcesRenewed,
    Start,
    Told,
)
from graced.core.orders import Exit, Order, Running
from graced.core.vocabulary import Beat, Bump, CloseIncident, EndRun, NoteStep, OpenIncident, Perform, Record
from graced.members import runs
from graced.members.duty import Duty, Handler
from graced.members.kernel_actions import KernelActions
from graced.members.process import policy_of
from graced.members.rungs import Rungs
from graced.members.shell import Shell
from graced.members.told import FAR_LOOK_BYTES, runs_told, told_of
from graced.members.told import Told as TellTale
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Config
from graced.spec.config import Kernel as Spec
from graced.spec.replicas import expand_replicas
from graced.spec.run import Run
from graced.store import tables

SYNC_TIMEOUT_S: Final = 0.5
SEND_TIMEOUT_S: Final = 1.0


class SelfHealing(Duty):
    """Adopts what runs, keeps it running, leaves the orders for the next exits with the spawner."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.kernels = Kernels()
        self._synced = 0  # incarnation of the spawner whose news we have
        self._syncing = False
        self._alone_since = 0.0  # since when there is no spawner; 0: there is one
        self._seen = 0  # number of the last news taken
        self._rungs = Rungs(shell, lambda: self.kernels, self._take)
        self._actions = KernelActions(shell, self._rungs.restart)
        self._generation = 0  # of the database that has the kernels' rows
        self._told: set[TellTale] = set() if shell.state.fresh else runs_told(shell.audit.lately)

    # --- birth

    def setup(self) -> None:
        config, shell = self.shell.config, self.shell
        rows = tables.kernels(shell.store)
        if shell.store.degraded and not shell.state.fresh:  # no rows: the log is asked for all that it may know
            self._told = runs_told(shell.audit.lately, FAR_LOOK_BYTES)
        specs = expand_replicas(config)
        known = [self._recalled(spec, config, rows.get(name)) for name, spec in specs.items()]
        self.kernels = Kernels(known, config.restarts.parallel)
        for name, row in rows.items():
            incident = memory.open_incident(row.memory) if shell.state.fresh and name in specs else ""
            if incident:  # a start by a person begins anew: what was open before is closed
                shell.act(CloseIncident(incident, "recovered", 0.0, 1))
        for kernel in known:
            if isinstance(kernel.phase, Failed):
                self._act(Examine(kernel.name, kernel.run.run))
        self._sync()

    def _recalled(self, spec: Spec, config: Config, row: tables.KernelRow | None) -> Kernel:
        policy = policy_of(spec.restarts or config.restarts)
        fresh, boot_id = self.shell.state.fresh, self.shell.identity.boot_id
        if row is None:
            return new_kernel(spec, policy)
        try:
            return memory.recalled(spec, policy, row.memory, boot_id, self.shell.now(), fresh=fresh)
        except UNDECODABLE:  # another version's words: what everybody may read of the row must do
            kernel = new_kernel(spec, policy)
            run = msgspec.structs.replace(row.run, pid=0, start_ticks=0)
            kernel = msgspec.structs.replace(kernel, run=run, tally=Tally(row.restarts), exit=_exit(row.exit))
            by_person = {"phase": Stopped(), "wanted": False, "stopped_by_person": True}
            return msgspec.structs.replace(kernel, **by_person) if row.stopped_by_person else kernel

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
            self._news(msgspec.convert(reply.data["news"], tuple[NewsItem, ...]))
            for plain in reply.data["runs"]:
                self._take(Told(msgspec.convert(plain, Running), since=self._alone_since), self.shell.now())
            self._alone_since = 0.0

        self.shell.send("spawner", "kernel.sync", {"incarnation": self.shell.incarnation}, SYNC_TIMEOUT_S, answered)

    # --- commands

    def handlers(self) -> Mapping[str, Handler]:
        mine: dict[str, Handler] = {
            "kernel.news": self._news_told,
            "kernels.start": lambda args, asked: self._by_person(args, asked, "start"),
            "kernels.stop": lambda args, asked: self._by_person(args, asked, "stop"),
            "kernels.restart": lambda args, asked: self._by_person(args, asked, "restart"),
            "kernel.mended": self._mended,
            "kernel.look": lambda args, asked: Reply(asked.id, True, self._rows(args.names, args.all)),
            "kernel.renew": self._renew,
        }
        return {**mine, **runs.handlers(self.shell)}

    def _news_told(self, args: News, asked: AskedBy) -> Reply:
        self._news(args.items)
        return Reply(asked.id, True)

    def _mended(self, args: Paths, asked: AskedBy) -> Reply:
        self._rungs.mended(args.paths)
        return Reply(asked.id, True, self._rows(self.kernels))

    def _renew(self, args: Names, asked: AskedBy) -> Reply:
        self._take(SourcesRenewed(args.names), self.shell.now())
        return Reply(asked.id, True)

    def _by_person(self, args: Names, asked: AskedBy, what: Literal["start", "stop", "restart"]) -> Reply:
        names = args.names
        unknown = [n for n in names if n not in self.kernels]
        if unknown:
            return Reply(asked.id, False, error=f"no kernel {unknown[0]}")
        runs_before = {n: self.kernels[n].run.run for n in names}
        self._take(Asked(what, names), self.shell.now())
        self.tend(self.shell.now())
        self.shell.write_down()
        unsaved = self.shell.store.trouble if self.shell.store.pending else ""
        return Reply(asked.id, True, {"names": list(names), "runs": runs_before, "unsaved": unsaved})

    def _rows(self, names: Iterable[str], everyone: bool = False) -> dict[str, Any]:
        """Of those of the kernels that are meant to run; `everyone`: of the others too."""
        return {
            k.name: {
                "run": to_plain(k.run), "state": view.state(k), "alive": k.alive, "reason": view.reason(k),
                "meant": view.meant(k),
            }
            for k in (self.kernels[n] for n in names if n in self.kernels)
            if everyone or view.meant(k)
        }  # fmt: skip

    def _news(self, items: Iterable[NewsItem]) -> None:
        for item in items:
            if item.n <= self._seen:
                continue
            self._seen = item.n
            running = item.running
            event: Taken
            match item.what:
                case "born":
                    event = RunBorn(running.run)
                case "exited":
                    if running.exit is not None and running.exit.code and not item.by_order:
                        self._rungs.crashed(running.run)
                    event = RunEnded(
                        running.run, running.exit or Exit(), item.by_order, self.shell.random.uniform(-1, 1),
                        self.shell.stopping, item.text, item.wanting,
                    )  # fmt: skip
                case _:
                    event = Told(running, refused=True)
            self._take(event, item.at)

    # --- what follows

    def tend(self, now: float) -> None:
        self._keep_rows()
        if self.shell.state.peers["spawner"].down:
            self._alone_since = self._alone_since or now
        if self._synced and not self.shell.state.stopping:
            self._do(self.kernels.tend(now))
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
        return float("inf") if idle else min(self.kernels.wake_at(), self._rungs.wake_at())

    def _take(self, event: Taken, now: float) -> None:
        self._do(self.kernels.take(event, now))

    def _do(self, actions: tuple[KernelAction, ...]) -> None:
        for action in actions:
            if told_of(action) not in self._told:
                self._act(action)

    def _act(self, action: KernelAction) -> None:
        match action:
            case Start():
                self._tell("kernel.start", {"kernel": action.kernel, "run": action.run})
            case GiveOrder():
                self._give(action.order)
            case End():
                self._tell("kernel.end", {"kernel": action.kernel, "run": action.run})
            case Save():
                self._save(action.kernel)
            case CountRestart():
                tables.count_restart(self.shell.store, action.kernel, action.run)
            case Examine() | BeginRung() | Keep():
                self._rungs.do(action)
            case Record() | OpenIncident() | NoteStep() | CloseIncident() | Bump():
                self.shell.act(action)
            case _:
                assert_never(action)

    def perform(self, action: Perform) -> None:
        match action.uses:
            case "mend_source":
                self._rungs.mend(action)
            case "restore_source":
                self._rungs.restore(action)
            case "snapshot_source":
                self._rungs.snapshot(action)
            case _ if not self._actions.performs(action):
                super().perform(action)

    def own_subjects(self) -> Container[str]:
        return {kernel.name for kernel in self.kernels.values()}

    def run_ended(self, end: EndRun) -> None:
        self._rungs.run_ended(end)

    def _tell(self, verb: str, args: dict[str, Any]) -> None:
        self.shell.send("spawner", verb, args, SEND_TIMEOUT_S)

    def _give(self, order: Order) -> None:
        """To the spawner, until it has the order or the order no longer holds; a new spawner's sync gives it anew."""
        spawner = self._synced

        def answered(reply: Reply | None) -> None:
            kernel = self.kernels.get(order.kernel)
            lost = reply is None and kernel is not None and kernel.order == order and self._synced == spawner
            if lost and not self.shell.state.peers["spawner"].down:
                self._give(order)

        self.shell.send("spawner", "kernel.order", to_plain(order), SEND_TIMEOUT_S, answered)

    def _save(self, kernel: Kernel) -> None:
        run = kernel.run if kernel.alive else msgspec.structs.replace(kernel.run, pid=0, start_ticks=0)
        boot_id = self.shell.identity.boot_id
        row = tables.KernelRow(
            msgspec.structs.replace(run, boot_id=boot_id), view.state(kernel), view.reason(kernel),
            exit_data(kernel.exit), kernel.tally.restarts, self.shell.wall_iso() if kernel.alive else None,
            kernel.stopped_by_person, kernel.tally.rung, memory.of(kernel, boot_id),
        )  # fmt: skip
        tables.save_kernel(self.shell.store, row)

    def extend(self, view: View) -> View:
        return msgspec.structs.replace(view, kernels={k.name: _view(k) for k in self.kernels.values()})


def _view(k: Kernel) -> KernelView:
    run = k.run if k.alive else Run(k.name, k.run.run)
    return KernelView(
        run, view.state(k), view.reason(k), k.tally.restarts, exit_data(k.exit), k.spec.critical, k.tally.rung,
        view.meant(k), k.stopped_by_person, view.due(k),
    )  # fmt: skip


def _exit(data: Any) -> Exit | None:
    if data is None:
        return None
    if isinstance(data, dict):
        return Exit(code=data.get("code"), signal=data.get("signal"))
    return Exit()
