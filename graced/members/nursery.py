"""Kernels in the spawner: births, standing orders, whole-tree ends, adoption, and the news of all that.

The rules are in graced.core.orders; here they meet posix_spawn, wait statuses and /proc.
"""

import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from graced.bus.protocol import Asked, Reply, to_plain
from graced.bus.verbs import KernelRun, Sync
from graced.core import orders
from graced.core.kernels.ending import Course, step
from graced.core.orders import EndTree, Exit, Launch, Order, Report, Running, Runs, RunsAction
from graced.core.trees import spared
from graced.core.vocabulary import Beat
from graced.home.slots import Slot, identity_of
from graced.members.duty import Handler
from graced.members.keeping import Keeper
from graced.members.news import News
from graced.posix.proc import Identity
from graced.spec.config import Stop
from graced.spec.replicas import expand_replicas
from graced.spec.run import Run

if TYPE_CHECKING:
    from graced.members.outside import Tree, Watch
    from graced.members.shell import Shell

TREE_STEP_S: Final = 0.002
LOOK_S: Final = 0.02  # between two looks for what a first process that ended has left
FEW: Final = 4  # so many trees are each looked for by themselves, which is quickest
LOOKS: Final = 2
RUN_DIGITS: Final = 15
"""So many digits a run has at most: more is no number of ours."""
DAEMONS_SHOWN: Final = 3
WANTS: Final = frozenset({
    errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EADDRINUSE, errno.EADDRNOTAVAIL,
})  # fmt: skip
"""Of a birth: what it wanted may be there the next time."""
SCAN_SHARE: Final = 0.1  # of an interval, that looks at /proc may take in one go


class Ending:
    """The end of one run's tree: as its `course` says; once that is over (None), by TreeKill until it is known empty.

    `witnessed`: the death of its first process was seen as it happened. Only then does its session number name its
    session: one that died unseen may have left its number to a stranger.
    """

    def __init__(self, running: Running, course: Course | None = None, witnessed: bool = True) -> None:
        self.running = running
        self.course = course
        self.witnessed = witnessed
        self.exit: Exit | None = None
        self.tree: Tree | None = None
        self.command = 0  # pid of stop.command while it runs
        self.signalled: set[Identity] = set()
        self.empty_looks = 0
        self.below: list[Identity] = []  # what hung below its first process when the end began


class Nursery:
    """Owned by the spawner's Duty. `known` gives the pids of members, which are nobody's leftovers."""

    def __init__(self, shell: "Shell", known: Callable[[], set[int]]) -> None:
        self.shell = shell
        self._processes, self._trees, self._slots = shell.processes, shell.outside.trees, shell.slots
        self._outputs = shell.outside.outputs
        self.runs: Runs = {}
        self._known = known
        self._specs = expand_replicas(shell.config)
        self.keeper = Keeper(shell, self._specs)
        self._pids: dict[int, str] = {}
        self._commands: dict[int, str] = {}  # stop.command that runs, by pid
        self._watches: dict[str, Watch] = {}  # of adopted kernels, which are not our children
        self._endings: dict[str, Ending] = {}
        self._scheduled = False
        self._rest_until = 0.0
        self._seen_runs: frozenset[tuple[str, str]] = frozenset()
        self._line: deque[Ending] = deque()  # adopted ones, whose steps are looks at all of /proc
        self._next_runs: dict[str, int] = {}  # asked for while the old tree was being ended
        self.news = News(shell, self._outputs.unread)

    # --- adoption

    def adopt(self, given: Mapping[str, list[int]]) -> None:
        """Find what runs already, by slot and identity, else by the marks in its environment. Before any request.

        given: descriptors that systemd kept, by name; they are ours from now on.
        """
        self._seen_runs = self._trees.look().runs
        slots = {slot.run.kernel: slot for slot in self._slots.stored()}
        for kernel, run in sorted(self._seen_runs):  # whose slot was lost, or is of the run before
            known, number = slots.get(kernel), run_number(run)
            if kernel in self._specs and self._may_be(number, known):
                log = known.log if known else 0
                slots[kernel] = Slot(Run(kernel, number, boot_id=self.shell.identity.boot_id), log)
        self._outputs.adopt(slots.values())
        for slot in slots.values():
            self._adopt_one(slot)
        alive = [r for r in self.runs.values() if r.alive]
        for each in alive:
            self._outputs.adopt_of(each.kernel, each.run.pid)
        self.keeper.gather(given, [identity_of(r.run) for r in alive])

    def _may_be(self, run: int, known: Slot | None) -> bool:
        """May a mark in an environment be believed? Any process can write one: never against a slot whose process
        lives, and where there is a slot only of the run that comes next."""
        if known is None:
            return run > 0
        return run == known.run.run + 1 and not self._processes.alive(identity_of(known.run))

    def _adopt_one(self, slot: Slot) -> None:
        run, kernel = slot.run, slot.run.kernel
        identity = identity_of(run)
        if run.pid == 0:
            identity = self._trees.leader(kernel, run.run) or identity
        started = self._trees.started(identity)
        born = Run(kernel, run.run, identity.pid, identity.start_ticks, identity.boot_id, started)
        running = Running(born, adopted=True)
        died = partial(self._adopted_died, kernel)
        watch = self._processes.watch(identity, died, spare=True) if identity.pid else None
        if watch is None:  # it died while nobody was its parent: what it left must go before the next run
            self.runs[kernel] = running = msgspec.structs.replace(running, exit=Exit())
            if run.boot_id == self.shell.identity.boot_id and (kernel, str(run.run)) in self._seen_runs:
                self._finish(running, Exit(), scan=True, witnessed=False)
            return
        self.runs[kernel] = msgspec.structs.replace(running, alive=True)
        if run.pid == 0:
            self._slots.store(msgspec.structs.replace(slot, run=born))
        self._watches[kernel] = watch

    def _adopted_died(self, kernel: str) -> None:
        self._watches.pop(kernel, None)
        self.shell.reap()  # it may have become our child after all
        running = self.runs[kernel]
        if running.alive and kernel not in self._endings:
            # Its orphans did not come to us: only a look at all processes proves that nothing of it is left.
            self._finish(running, Exit(), scan=True)
        elif kernel in self._endings and self._endings[kernel].exit is None:
            self._endings[kernel].exit = Exit()
            self._advance(self._endings[kernel], self.shell.now())

    # --- commands

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "kernel.start": self._start_asked,
            "kernel.order": self._order_asked,
            "kernel.end": self._end_asked,
            "kernel.sync": self._sync_asked,
        }

    def _start_asked(self, args: KernelRun, asked: Asked) -> Reply:
        self._start(args.kernel, args.run, self.shell.now())
        return Reply(asked.id, True)

    def _order_asked(self, order: Order, asked: Asked) -> Reply:
        self.runs = orders.give(self.runs, order)
        return Reply(asked.id, True)

    def _end_asked(self, args: KernelRun, asked: Asked) -> Reply:
        self.runs, actions = orders.stop(self.runs, args.kernel, args.run)
        self._do(actions)
        return Reply(asked.id, True)

    def _sync_asked(self, args: Sync, asked: Asked) -> Reply:
        news = self.news.synced(args.incarnation)
        return Reply(asked.id, True, {"runs": [to_plain(r) for r in self.runs.values()], "news": news})

    def _start(self, kernel: str, run: int, now: float) -> None:
        if kernel in self._endings:
            self._next_runs[kernel] = run  # once the old tree is known dead
            return
        self.runs, actions = orders.start(self.runs, kernel, run, now, stopping=self.shell.stopping)
        self._do(actions)

    def _do(self, actions: tuple[RunsAction, ...]) -> None:
        for action in actions:
            match action:
                case Launch():
                    self._launch(action)
                case Report():
                    self.news.report(action)
                case EndTree():
                    self._end(action)
                case _:
                    assert_never(action)

    # --- births

    def _launch(self, launch: Launch) -> None:
        kernel = launch.kernel
        run = Run(kernel, launch.run, boot_id=self.shell.identity.boot_id)
        self._slots.store(Slot(run, self._outputs.number(kernel)))
        try:
            pid = self._trees.launch(kernel, run.run, self.keeper.give)
        except (OSError, ValueError) as error:  # ValueError: an env_file that was broken since, a NUL in a word
            text = getattr(error, "strerror", None) or str(error)
            now = self.shell.now()
            unborn, wanting = msgspec.structs.replace(run, started=now), _is_want(error)
            self.runs, actions = orders.not_launched(self.runs, unborn, text, now, wanting=wanting)
            self._do(actions)
            return
        now = self.shell.now()
        identity = self._processes.identify(pid)
        ticks = identity.start_ticks if identity is not None else 0
        born = msgspec.structs.replace(run, pid=pid, start_ticks=ticks, started=now)
        self._slots.store(Slot(born, self._outputs.number(kernel)))
        self._pids[pid] = kernel
        self.runs, actions = orders.launched(self.runs, born, now)
        self._do(actions)

    # --- deaths

    def reaped(self, pid: int, wait_status: int) -> None:
        kernel = self._commands.pop(pid, None)
        if kernel is not None:
            self._commanded(kernel, pid)
            return
        kernel = self._pids.pop(pid, None)
        if kernel is None:
            self._outputs.reaped(pid)
            return  # or an orphan of some kernel that ended by itself
        code = os.waitstatus_to_exitcode(wait_status)
        exit = Exit(code=code) if code >= 0 else Exit(signal=-code)
        ending = self._endings.get(kernel)
        if ending is not None:
            ending.exit = exit
            self._advance(ending, self.shell.now())
        else:
            self._finish(self.runs[kernel], exit, scan=False)

    def _finish(self, running: Running, exit: Exit, *, scan: bool, witnessed: bool = True) -> None:
        """The first process of a run is dead: what it left behind goes first, then the order is carried out."""
        if scan or self._strays() or self._trees.in_leaf(running.kernel):
            if exit.code == 0 and not scan:
                exit = msgspec.structs.replace(exit, left=self._daemons(running))
            ending = self._endings[running.kernel] = Ending(running, witnessed=witnessed)
            ending.exit = exit
            self._advance(ending, self.shell.now())
            return
        self._exited(running, exit)

    def _strays(self) -> bool:
        """Children that are neither members nor first processes of runs: somebody's orphans, maybe this run's."""
        known = self._known().union(self._commands)
        return any(pid not in self._pids and pid not in known for pid in self._trees.children())

    def _daemons(self, running: Running) -> str:
        """What a first process that ended well has left, as words: a program that went into the background."""
        named = [(pid, name) for pid in self._strays_of(running) if (name := self._trees.name(pid))]
        shown = ", ".join(f"{name} (pid {pid})" for pid, name in named[:DAEMONS_SHOWN])
        return shown + (f" and {len(named) - DAEMONS_SHOWN} more" if len(named) > DAEMONS_SHOWN else "")

    def _exited(self, running: Running, exit: Exit) -> None:
        now = self.shell.now()
        self.runs, actions = orders.exited(
            self.runs, running.kernel, running.run.pid, exit, now, stopping=self.shell.stopping
        )
        self._do(actions)

    def _end(self, end: EndTree) -> None:
        running, now = self.runs[end.kernel], self.shell.now()
        if end.kernel not in self._endings:
            spec = self._specs.get(end.kernel)
            course = Course(spec.stop if spec is not None else Stop(), now)
            ending = self._endings[end.kernel] = Ending(running, course)
            ending.below = self._everyone(running)
            self._urge(ending, now)
            self.shell.after(course.stop.timeout_s, lambda: self._advance(ending, self.shell.now()))

    def _urge(self, ending: Ending, now: float) -> bool:
        """What is due before its time is over; False once it is."""
        while ending.course is not None:
            main = ending.exit is None
            ending.course, act = step(ending.course, now, command=ending.command in self._commands, main=main)
            match act:
                case "command" if not self._command(ending):
                    continue  # passed over, as the signal comes next
                case "main":
                    self._signal(ending, [identity_of(ending.running.run)])
                case "tree":
                    self._signal(ending, self._everyone(ending.running))
                case "kill":
                    ending.course = None
            return act != "kill"
        return False

    def _command(self, ending: Ending) -> bool:
        kernel = ending.running.kernel
        try:
            pid = self._trees.stop_command(kernel, ending.running.run.pid)
        except (OSError, ValueError):
            return False
        self._commands[pid], ending.command = kernel, pid
        return True

    def _commanded(self, kernel: str, pid: int) -> None:
        """A stop.command is over."""
        ending = self._endings.get(kernel)
        if ending is not None and ending.command == pid and self._urge(ending, self.shell.now()):
            return
        if ending is not None:
            self._advance(ending, self.shell.now())

    def _advance(self, ending: Ending, now: float) -> None:
        """One step of an end. What takes a look at all of /proc stands in line: heartbeats must go on meanwhile."""
        if not ending.running.adopted:
            self._step(ending, now)
            return
        if ending not in self._line:
            self._line.append(ending)
        self._schedule()

    def _schedule(self) -> None:
        """After the turn's other deaths have joined the line, and after a rest of twice the last go."""
        if self._line and not self._scheduled:
            self._scheduled = True
            self.shell.after(max(0.0, self._rest_until - self.shell.now()), self._work)

    def _work(self) -> None:
        """What takes looks at all of /proc, in the loop's share. Many at once are first looked for by one look."""
        self._scheduled = False
        began = self.shell.now()
        until = began + SCAN_SHARE * self.shell.interval
        if len(self._line) > FEW:
            self._look_for_all()
        while self._line and self.shell.now() < until:
            self._step(self._line.popleft(), self.shell.now())
        self._rest_until = self.shell.now() + 2 * (self.shell.now() - began)
        self._schedule()

    def _look_for_all(self) -> None:
        """One look for everyone in line: who is dead and showed nothing in LOOKS of them in a row is gone."""
        seen = self._trees.look()
        for ending in tuple(self._line):
            running = ending.running
            there = (running.kernel, str(running.run.run)) in seen.runs or (
                ending.witnessed and running.run.pid in seen.sessions
            )
            ending.empty_looks = 0 if there or ending.exit is None else ending.empty_looks + 1
            if ending.empty_looks >= LOOKS:
                self._line.remove(ending)
                self._ended(ending)

    def _step(self, ending: Ending, now: float) -> None:
        """Wait, kill, and once the tree is known empty tell of the exit."""
        running = ending.running
        if self._endings.get(running.kernel) is not ending:
            return
        if self._urge(ending, now):
            if ending.exit is None:
                return
            if ending.command in self._commands or self._tree_alive(running):
                self.shell.after(LOOK_S, lambda: self._advance(ending, self.shell.now()))
                return
        if ending.tree is None:
            identity = identity_of(running.run)
            ending.tree = self._trees.tree(
                identity, running.kernel, running.run.run,
                session=running.run.pid if ending.witnessed else None,
                subreaper=not running.adopted,
                spare=lambda pid: self._another_s(pid, running),
            )  # fmt: skip
        ending.course = None
        if ending.command in self._commands:
            command = self._processes.identify(ending.command)
            if command is not None:
                self._processes.signal(command, signal.SIGKILL)
        left = [identity for identity in ending.below if self._processes.alive(identity)]
        for identity in left:  # known by its ancestry, whatever marks it has washed off
            self._processes.signal(identity, signal.SIGKILL)
        if not ending.tree.step(now) or left:
            self.shell.after(TREE_STEP_S, lambda: self._advance(ending, self.shell.now()))
            return
        if ending.exit is None:
            status = ending.tree.exits.get(running.run.pid)
            code = os.waitstatus_to_exitcode(status) if status is not None else None
            ending.exit = Exit() if code is None else Exit(code=code) if code >= 0 else Exit(signal=-code)
        self._ended(ending)

    def _ended(self, ending: Ending) -> None:
        """The tree is known empty."""
        running = ending.running
        if self._endings.pop(running.kernel, None) is None:
            return
        self._pids.pop(running.run.pid, None)
        self._exited(running, ending.exit or Exit())
        run = self._next_runs.pop(running.kernel, 0)
        if run:
            self._start(running.kernel, run, self.shell.now())

    def _everyone(self, running: Running) -> list[Identity]:
        """Every process of the tree that can be found without a look at all of /proc; KILL finds the rest."""
        strays = [] if running.adopted else self._strays_of(running)
        tops = [identity_of(running.run), *(i for pid in strays if (i := self._processes.identify(pid)) is not None)]
        living = [top for top in tops if self._processes.alive(top)]
        below = [self._processes.identify(pid) for top in living for pid in self._trees.below(top.pid)]
        return [*tops, *(identity for identity in below if identity is not None)]

    def _signal(self, ending: Ending, whom: list[Identity]) -> None:
        """Each of them once; all were looked up before, as a dead parent's children are found below it no more."""
        assert ending.course is not None
        number = ending.course.stop.signal
        for identity in whom:
            if identity in ending.signalled:
                continue
            ending.signalled.add(identity)
            self._processes.signal(identity, number)
            # One that is stopped takes none but KILL and CONT.
            if number != signal.SIGKILL and self._processes.status(identity) == "stopped":
                self._processes.signal(identity, signal.SIGCONT)

    def _strays_of(self, running: Running) -> list[int]:
        """Orphans of the run that became children of this process."""
        return [p for p in self._trees.children() if p != running.run.pid and not self._another_s(p, running)]

    def _another_s(self, pid: int, running: Running) -> bool:
        """Must this child of ours be spared when the tree of `running` is killed?"""
        if pid in self._pids or pid in self._commands or pid in self._known():
            return True
        facts = self._trees.facts(pid, running.kernel, running.run.run, running.run.pid)
        others = any(r.alive for r in self.runs.values() if r.kernel != running.kernel)
        return spared(facts, running.kernel, running.run.run, others)

    def _tree_alive(self, running: Running) -> bool:
        """Is anything left of a run whose first process is dead?"""
        if not running.adopted:
            return bool(self._strays_of(running))
        return self._trees.left(running.kernel, running.run.run, running.run.pid)

    def forward(self, number: int) -> None:
        """Sends a signal to the first process of every kernel."""
        for running in self.runs.values():
            if running.alive:
                identity = identity_of(running.run)
                self._processes.signal(identity, number)

    # --- the rest

    def heard(self, beat: Beat) -> None:
        self.news.heard(beat)
        self.keeper.heard(beat)

    def tend(self, now: float) -> None:
        self.keeper.tend(now)
        self._outputs.tend(now)
        self.news.tend(now)

    def wake_at(self) -> float:
        return self._outputs.wake_at()


def run_number(text: str) -> int:
    """The run that a mark names; 0 for what is none (`isdigit` holds for `²` as well, and int() refuses 5,000
    digits)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= RUN_DIGITS else 0


def _is_want(error: OSError | ValueError) -> bool:
    """Did a birth fail for want of something that comes back by itself: memory, descriptors, a port, the folder?"""
    if not isinstance(error, OSError):
        return False
    folder_is_away = error.errno == errno.ENOENT and str(error.strerror).startswith("cwd ")
    return error.errno in WANTS or folder_is_away
