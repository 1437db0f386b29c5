"""The spawner in the simulator: births of members and kernels by the pure rules, reports of exits, adoption."""

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graced.core import births, duty, orders
from graced.core.orders import EndTree, Exit, Launch, Order, Report, Running
from graced.core.vocabulary import Action, Birth, Born, Event, Heard, Unborn
from graced.sim.machine import Process
from graced.sim.member import Member
from graced.sim.store import BOOT
from graced.spec.roles import START_ORDER
from graced.spec.run import Run

if TYPE_CHECKING:
    from graced.sim.healing import Healing
    from graced.sim.world import World

REAP_S: Final = (0.0003, 0.0015)
ROW_S: Final = 0.005  # between two looks whether a row of the first start is born

News = tuple[int, Report]


class Spawner(Member):
    """`news`: reports that self_healing has not taken yet."""

    def __init__(self, world: "World", role: str, process: Process, floor: int, fresh: bool) -> None:
        super().__init__(world, role, process, floor, fresh)
        self.starts: births.Starts = {}
        self.runs: orders.Runs = {}
        self.news: list[News] = []
        self._news_seq = 0

    def setup(self) -> None:
        self._adopt()
        self.ready()
        if self.fresh:
            self._start_row(0)

    def take(self, event: Event) -> None:
        if isinstance(event, Heard) and event.beat.phase == "healthy":
            start = self.starts.get(event.beat.member)
            if start is not None and not start.healthy:
                self.starts = births.healthy(self.starts, event.beat.member, event.beat.pid)
        super().take(event)

    def tend(self) -> None:
        """Newborns that had their time; news that was not taken."""
        now, timing = self.world.clock.now, self.core.timing
        self.starts, actions = births.overdue(
            self.starts, timing.interval, now, lambda role: duty.heard_elsewhere(self.core, role)
        )
        for action in actions:
            assert isinstance(action, births.KillNewborn)
            process = self.world.machine.processes.get(action.pid)
            if process is not None:
                self.world.kill(process, self, "is not healthy in time")
        if self.news:
            self._push()

    # --- members

    def birth(self, asked: Birth) -> Event:
        """Carry a birth out; the event is for whoever asked."""
        if self.world.stopping:
            return Unborn(asked.target, "graced is being stopped", self.world.clock.now + 1.0)
        machine = self.world.machine
        record = machine.record(asked.target)
        alive = machine.find(record.pid, record.start_ticks) is not None
        holder = record.pid if alive and record.incarnation > asked.floor else 0
        self.starts, actions = births.ask(self.starts, asked, self.world.clock.now, holder=holder)
        for action in actions:
            if isinstance(action, births.Fork):
                return self._fork(action.role, action.floor, fresh=False)
            if isinstance(action, births.Answer):
                return self._identified(action.event)
        return Unborn(asked.target, "nothing came of it")

    def _identified(self, event: Event) -> Event:
        if not isinstance(event, Born):
            return event
        process = self.world.machine.processes.get(event.pid)
        return Born(event.target, event.pid, process.ticks if process else 0)

    def _fork(self, role: str, floor: int, *, fresh: bool) -> Born:
        newborn = self.world.newborn(role, floor, fresh=fresh)
        newborn.boot()
        newborn.process.reapers.append(self._child_died)
        self.starts = births.forked(self.starts, role, newborn.process.pid, self.world.clock.now)
        return Born(role, newborn.process.pid, newborn.process.ticks)

    def _start_row(self, index: int) -> None:
        """A first start: a row is begun when the row before it is born."""
        world = self.world
        if world.stopping:
            return
        if index and not all(r in world.machine.role_locks for r in START_ORDER[index - 1]):
            world.clock.after(ROW_S, self.process.deliver, self._start_row, index)
            return
        for role in START_ORDER[index]:
            if role not in world.machine.role_locks:
                self._fork(role, 0, fresh=True)
        if index + 1 < len(START_ORDER):
            world.clock.after(ROW_S, self.process.deliver, self._start_row, index + 1)

    def _child_died(self, child: Process) -> None:
        delay = self.world.random.uniform(*REAP_S)
        self.world.clock.after(delay, self.process.deliver, self._reaped, child, child.exit)

    def _reaped(self, child: Process, exit: Exit) -> None:
        world = self.world
        if child.name in world.specs:
            self.runs, actions = orders.exited(
                self.runs, child.name, child.pid, exit, world.clock.now, stopping=world.stopping
            )
            self._do(actions)
        else:
            noise = world.random.uniform(-1, 1)
            self.starts = births.died(
                self.starts, child.name, child.pid, str(exit), world.policy, world.clock.now, noise
            )

    # --- kernels

    def _adopt(self) -> None:
        """What an earlier spawner started: alive still, or ended without a witness."""
        machine = self.world.machine
        for name, slot in self.world.store.slots.items():
            self.runs = {**self.runs, name: replace(slot, adopted=True)}
            process = machine.find(slot.run.pid, slot.run.start_ticks)
            if process is not None:
                machine.watch(process, self.process, self._reaped, process, Exit())
            elif slot.alive:
                self.runs, actions = orders.exited(self.runs, name, slot.run.pid, Exit(), self.world.clock.now)
                self._do(actions)

    def start_kernel(self, name: str, run: int) -> None:
        self.runs, actions = orders.start(self.runs, name, run, self.world.clock.now, stopping=self.world.stopping)
        self._do(actions)

    def end_kernel(self, name: str, run: int) -> None:
        self.runs, actions = orders.stop(self.runs, name, run)
        self._do(actions)

    def take_order(self, order: Order) -> None:
        self.runs = orders.give(self.runs, order)

    def sync(self) -> tuple[int, tuple[Running, ...], tuple[News, ...]]:
        return self.core.incarnation, tuple(self.runs.values()), tuple(self.news)

    def acked(self, incarnation: int, seq: int) -> None:
        if incarnation == self.core.incarnation:
            self.news = [n for n in self.news if n[0] > seq]

    def _do(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Report():
                    if self.world.say is not None:
                        self.world.tell(f"{self!r:22} {action.what} {action.running} {action.text}")
                    self._news_seq += 1
                    self.news.append((self._news_seq, action))
                case Launch():
                    self._launch(action)
                case EndTree():
                    self._end_tree(action)
        for name, running in self.runs.items():
            self.world.store.slots[name] = replace(running, order=None, ending=False)
        if self.news:
            self._push()

    def _launch(self, action: Launch) -> None:
        now = self.world.clock.now
        process = self.world.launch(action.kernel, action.run)
        run = Run(action.kernel, action.run, boot_id=BOOT, started=now)
        if process is None:
            self.runs, more = orders.not_launched(
                self.runs, run, "no such program", now, wanting=self.world.manners[action.kernel].wanting
            )
        else:
            process.reapers.append(self._child_died)
            born = replace(run, pid=process.pid, start_ticks=process.ticks)
            self.runs, more = orders.launched(self.runs, born, now)
        self._do(more)

    def _end_tree(self, action: EndTree) -> None:
        run, stop = self.runs[action.kernel].run, self.world.specs[action.kernel].stop
        process = self.world.machine.find(run.pid, run.start_ticks)
        if process is not None:
            self.world.terminate(process, stop.signal)
            self.world.clock.after(stop.timeout_s, self.process.deliver, self.world.machine.kill, process)

    def _push(self) -> None:
        if "self_healing" not in self.world.wires.bound:
            return
        incarnation, news = self.core.incarnation, tuple(self.news)

        def taken(receiver: Member) -> None:
            healing: Healing = receiver  # type: ignore[assignment]
            healing.command(lambda: healing.hear_news(incarnation, news))

        self.world.wires.tell(self, "self_healing", self.patience, taken)
