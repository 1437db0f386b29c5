"""Kernels in the spawner: births, standing orders, whole-tree ends, adoption, and the news of all that.

The rules are in graced.core.orders; here they meet posix_spawn, wait statuses and /proc.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from graced.bus.protocol import Ask, Reply, to_plain
from graced.core import orders
from graced.core.orders import EndTree, Exit, Launch, Order, Report, Running, Runs
from graced.core.vocabulary import Action, Beat
from graced.home.foreign import Foreign
from graced.home.slots import KernelSlots, Slot
from graced.home.stopping import announced
from graced.members.keeping import Keeper
from graced.members.launching import Launcher
from graced.members.looking import look, run_number
from graced.members.news import News
from graced.posix import proc
from graced.posix.clock import boottime, monotonic
from graced.posix.limits import is_scarce
from graced.posix.tree import TreeKill, find_by_log, inode_of, members_of
from graced.spec.replicas import expand_replicas

TREE_STEP_S: Final = 0.002
FEW: Final = 4  # so many trees are each looked for by themselves, which is quickest
LOOKS: Final = 2
SCAN_SHARE: Final = 0.1  # of an interval, that looks at /proc may take in one go


class Ending:
    """The end of one run's tree: politely until `kill_at`, then by TreeKill until it is known empty.

    `witnessed`: the death of its first process was seen as it happened. Only then does its session number name its
    session: one that died unseen may have left its number to a stranger.
    """

    def __init__(self, running: Running, kill_at: float, witnessed: bool = True) -> None:
        self.running = running
        self.witnessed = witnessed
        self.kill_at = kill_at
        self.exit: Exit | None = None
        self.tree: TreeKill | None = None
        self.empty_looks = 0
        self.below: list[proc.Identity] = []  # what hung below its first process when the end began


class Nursery:
    """Owned by the spawner's Duty. `known` gives the pids of members, which are nobody's leftovers."""

    def __init__(self, shell: Any, known: Callable[[], set[int]]) -> None:
        self.shell = shell
        self.runs: Runs = {}
        self._known = known
        self._foreign = Foreign(shell.home)
        self.keeper = Keeper(shell, expand_replicas(shell.config))
        self._launcher = Launcher(shell.home, shell.config, self.keeper.give)
        self._pids: dict[int, str] = {}
        self._slots = KernelSlots(shell.home)
        self._pidfds: dict[str, int] = {}  # of adopted kernels, which are not our children
        self._unheld: dict[str, proc.Identity] = {}  # adopted ones without a pidfd, looked at every interval
        self._unheld_at = 0.0
        self._endings: dict[str, Ending] = {}
        self._scheduled = False
        self._rest_until = 0.0
        self._seen_runs: frozenset[tuple[str, str]] = frozenset()
        self._line: deque[Ending] = deque()  # adopted ones, whose steps are looks at all of /proc
        self._next_runs: dict[str, int] = {}  # asked for while the old tree was being ended
        self.news = News(shell)

    # --- adoption

    def adopt(self, given: Mapping[str, list[int]]) -> None:
        """Find what runs already, by slot and identity, else by the marks in its environment. Before any request.

        given: descriptors that systemd kept, by name; they are ours from now on.
        """
        self._seen_runs = look(self.shell.home.id()).runs
        slots = {slot.kernel: slot for slot in self._slots.stored()}
        for kernel, run in self._seen_runs:  # whose slot was lost, or is of the run before
            number = run_number(run)
            if kernel in self._launcher.kernels and _may_be(number, slots.get(kernel)):
                slots[kernel] = Slot(kernel, number, 0, 0, self.shell.identity.boot_id)
        for slot in slots.values():
            self._adopt_one(slot)
        alive = (r for r in self.runs.values() if r.alive)
        boot_id = self.shell.identity.boot_id
        self.keeper.gather(given, [proc.Identity(r.pid, r.start_ticks, boot_id) for r in alive])

    def _adopt_one(self, slot: Slot) -> None:
        identity = proc.Identity(slot.pid, slot.start_ticks, slot.boot_id)
        if slot.pid == 0:
            found = members_of(self._tags(slot.kernel, slot.run))
            leaders = [i for i in found if proc.session_of(i.pid) == i.pid]
            identity = min(leaders, key=lambda i: i.start_ticks) if leaders else identity
        running = Running(
            slot.kernel, slot.run, identity.pid, identity.start_ticks, _started(identity), alive=False, adopted=True
        )
        if not (identity.pid and proc.alive(identity)):
            # Its first process died while nobody was its parent: what it left must go before the next run.
            self.runs[slot.kernel] = running = msgspec.structs.replace(running, exit=Exit())
            if slot.boot_id == self.shell.identity.boot_id and (slot.kernel, str(slot.run)) in self._seen_runs:
                self._finish(running, Exit(), scan=True, witnessed=False)
            return
        self.runs[slot.kernel] = msgspec.structs.replace(running, alive=True)
        if slot.pid == 0:
            self._slots.store(Slot(slot.kernel, slot.run, identity.pid, identity.start_ticks, identity.boot_id))
        self._unheld[slot.kernel] = identity
        self._hold(slot.kernel)

    def _hold(self, kernel: str) -> None:
        """Be told of the death of an adopted kernel by a pidfd; where descriptors are scarce, look at it instead."""
        identity = self._unheld[kernel]
        fd = proc.open_pidfd(identity)
        if fd is None:
            del self._unheld[kernel]
            self._adopted_died(kernel)
        elif is_scarce(fd):
            os.close(fd)
        else:
            del self._unheld[kernel]
            self._pidfds[kernel] = fd
            self.shell.add_reader(fd, lambda: self._adopted_died(kernel))

    def _look_at_unheld(self, now: float) -> None:
        if self._unheld and now >= self._unheld_at:
            self._unheld_at = now + self.shell.interval
            for kernel in tuple(self._unheld):
                self._hold(kernel)

    def _adopted_died(self, kernel: str) -> None:
        fd = self._pidfds.pop(kernel, None)
        if fd is not None:
            self.shell.drop_reader(fd)
            os.close(fd)
        self.shell.reap()  # it may have become our child after all
        running = self.runs[kernel]
        if running.alive and kernel not in self._endings:
            # Its orphans did not come to us: only a look at all processes proves that nothing of it is left.
            self._finish(running, Exit(), scan=True)
        elif kernel in self._endings and self._endings[kernel].exit is None:
            self._endings[kernel].exit = Exit()
            self._advance(self._endings[kernel], monotonic())

    # --- commands

    def ask(self, ask: Ask) -> Reply:
        args, now = ask.args, monotonic()
        match ask.verb:
            case "kernel.start":
                self._start(str(args["kernel"]), int(args["run"]), now)
            case "kernel.order":
                self.runs = orders.give(self.runs, msgspec.convert(args, Order))
            case "kernel.end":
                self.runs, actions = orders.stop(
                    self.runs, str(args["kernel"]), int(args["run"]), int(args["signal"]), float(args["timeout"])
                )
                self._act(actions)
            case "kernel.sync":
                news = self.news.synced(int(args["incarnation"]))
                return Reply(ask.id, True, {"runs": [to_plain(r) for r in self.runs.values()], "news": news})
            case _:
                return Reply(ask.id, False, error=f"the spawner takes no command {ask.verb}")
        return Reply(ask.id, True)

    def _start(self, kernel: str, run: int, now: float) -> None:
        if kernel in self._endings:
            self._next_runs[kernel] = run  # once the old tree is known dead
            return
        self.runs, actions = orders.start(self.runs, kernel, run, now, stopping=announced(self.shell.home))
        self._act(actions)

    def _act(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            self.shell.act(action)

    def acted(self, action: Action) -> bool:
        match action:
            case Launch():
                self._launch(action)
            case Report():
                self.news.report(action)
            case EndTree():
                self._end(action)
            case _:
                return False
        return True

    # --- births

    def _launch(self, launch: Launch) -> None:
        kernel, run = launch.kernel, launch.run
        boot_id = self.shell.identity.boot_id
        self._slots.store(Slot(kernel, run, 0, 0, boot_id))
        try:
            pid = self._launcher.launch(kernel, run)
        except (OSError, ValueError) as error:  # ValueError: an env_file that was broken since, a NUL in a word
            text = getattr(error, "strerror", None) or str(error)
            self.runs, actions = orders.not_launched(self.runs, kernel, run, text, monotonic())
            self._act(actions)
            return
        ticks = proc.start_ticks(pid) or 0
        self._slots.store(Slot(kernel, run, pid, ticks, boot_id))
        self._pids[pid] = kernel
        self.runs, actions = orders.launched(self.runs, kernel, run, pid, ticks, monotonic())
        self._act(actions)

    # --- deaths

    def reaped(self, pid: int, wait_status: int) -> None:
        kernel = self._pids.pop(pid, None)
        if kernel is None:
            return  # an orphan of some kernel that ended by itself
        code = os.waitstatus_to_exitcode(wait_status)
        exit = Exit(code=code) if code >= 0 else Exit(signal=-code)
        ending = self._endings.get(kernel)
        if ending is not None:
            ending.exit = exit
            self._advance(ending, monotonic())
        else:
            self._finish(self.runs[kernel], exit, scan=False)

    def _finish(self, running: Running, exit: Exit, *, scan: bool, witnessed: bool = True) -> None:
        """The first process of a run is dead: what it left behind goes first, then the order is carried out."""
        if scan or self._strays():
            ending = self._endings[running.kernel] = Ending(running, 0.0, witnessed)
            ending.exit = exit
            self._advance(ending, monotonic())
            return
        self._exited(running, exit)

    def _strays(self) -> bool:
        """Children that are neither members nor first processes of runs: somebody's orphans, maybe this run's."""
        known = self._known()
        return any(pid not in self._pids and pid not in known for pid in proc.own_children())

    def _exited(self, running: Running, exit: Exit) -> None:
        now = monotonic()
        self.runs, actions = orders.exited(
            self.runs, running.kernel, running.pid, exit, now, stopping=announced(self.shell.home)
        )
        self._act(actions)

    def _end(self, end: EndTree) -> None:
        running = self.runs[end.kernel]
        if end.kernel not in self._endings:
            ending = self._endings[end.kernel] = Ending(running, monotonic() + end.timeout)
            identity = proc.Identity(running.pid, running.start_ticks, self.shell.identity.boot_id)
            ending.below = self._signal(identity, running, end.signal)
            self.shell.after(end.timeout, lambda: self._advance(ending, monotonic()))

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
            self.shell.after(max(0.0, self._rest_until - monotonic()), self._work)

    def _work(self) -> None:
        """What takes looks at all of /proc, in the loop's share. Many at once are first looked for by one look."""
        self._scheduled = False
        began = monotonic()
        until = began + SCAN_SHARE * self.shell.interval
        if len(self._line) > FEW:
            self._look_for_all()
        while self._line and monotonic() < until:
            self._step(self._line.popleft(), monotonic())
        self._rest_until = monotonic() + 2 * (monotonic() - began)
        self._schedule()

    def _look_for_all(self) -> None:
        """One look for everyone in line: who is dead and showed nothing in LOOKS of them in a row is gone."""
        seen = look(self.shell.home.id())
        for ending in tuple(self._line):
            running = ending.running
            there = (running.kernel, str(running.run)) in seen.runs or (
                ending.witnessed and running.pid in seen.sessions
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
        polite = now < ending.kill_at and ending.exit is None
        if polite:
            return
        if ending.exit is not None and now < ending.kill_at and self._tree_alive(running):
            self.shell.after(0.02, lambda: self._advance(ending, monotonic()))
            return
        if ending.tree is None:
            identity = proc.Identity(running.pid, running.start_ticks, self.shell.identity.boot_id)
            ending.tree = TreeKill(
                identity,
                self._tags(running.kernel, running.run),
                sid=running.pid if ending.witnessed else None,
                subreaper=not running.adopted,
                spare=lambda pid: self._another_s(pid, running),
            )
        ending.kill_at = 0.0
        left = [identity for identity in ending.below if proc.alive(identity)]
        for identity in left:  # known by its ancestry, whatever marks it has washed off
            proc.signal_identity(identity, signal.SIGKILL)
        if not ending.tree.step(now) or left:
            self.shell.after(TREE_STEP_S, lambda: self._advance(ending, monotonic()))
            return
        if ending.exit is None:
            status = ending.tree.exits.get(running.pid)
            code = os.waitstatus_to_exitcode(status) if status is not None else None
            ending.exit = Exit() if code is None else Exit(code=code) if code >= 0 else Exit(signal=-code)
        self._ended(ending)

    def _ended(self, ending: Ending) -> None:
        """The tree is known empty."""
        running = ending.running
        if self._endings.pop(running.kernel, None) is None:
            return
        self._pids.pop(running.pid, None)
        self._exited(running, ending.exit or Exit())
        run = self._next_runs.pop(running.kernel, 0)
        if run:
            self._start(running.kernel, run, monotonic())

    def _signal(self, root: proc.Identity, running: Running, number: int) -> list[proc.Identity]:
        """Once to every process of the tree that can be found without a look at all of /proc; KILL finds the rest."""
        strays = [] if running.adopted else self._strays_of(running)
        tops = [root, *(i for pid in strays if (i := proc.identify(pid)) is not None)]
        # All of it is looked up before the first signal: a dead parent's children are found below it no more.
        below = [
            proc.identify(pid) for top in tops if proc.alive(top) for pid in proc.descendants(top.pid, self._foreign)
        ]
        everyone = [*tops, *(identity for identity in below if identity is not None)]
        for identity in everyone:
            proc.signal_identity(identity, number)
            if number != signal.SIGKILL and proc.status(identity) == "stopped":  # it takes none but KILL and CONT
                proc.signal_identity(identity, signal.SIGCONT)
        return everyone

    def _strays_of(self, running: Running) -> list[int]:
        """Orphans of the run that became children of this process."""
        return [p for p in proc.own_children() if p != running.pid and not self._another_s(p, running)]

    def _another_s(self, pid: int, running: Running) -> bool:
        """Must this child of ours be spared when the tree of `running` is killed?

        By its marks, its session, the log that it writes to. A child that shows none of them may be any kernel's
        daemon: it is killed only if there is no other kernel that it could belong to.
        """
        if pid in self._pids or pid in self._known():
            return True
        stat = proc.read_stat(pid)
        if stat is None or (stat.exiting and stat.threads <= 1):
            return False  # it bears no marks any more, and to kill it harms nobody; its children come to us
        if self._foreign(pid):
            return True
        environ = proc.environ(pid)
        if environ.get("GRACED_HOME_ID") == self.shell.home.id():
            return (environ.get("GRACED_KERNEL"), environ.get("GRACED_RUN")) != (running.kernel, str(running.run))
        if running.pid and proc.session_of(pid) == running.pid:
            return False
        if pid in find_by_log(inode_of(self.shell.home.log(running.kernel)) or (0, 0), (pid,)):
            return False
        return any(r.alive for r in self.runs.values() if r.kernel != running.kernel)

    def _tree_alive(self, running: Running) -> bool:
        """Is anything left of a run whose first process is dead?"""
        if not running.adopted:
            return bool(self._strays_of(running))
        return bool(members_of(self._tags(running.kernel, running.run), running.pid, spare=self._foreign))

    def _tags(self, kernel: str, run: int) -> dict[str, str]:
        return {"GRACED_HOME_ID": self.shell.home.id(), "GRACED_KERNEL": kernel, "GRACED_RUN": str(run)}

    def forward(self, number: int) -> None:
        """Sends a signal to the first process of every kernel."""
        for running in self.runs.values():
            if running.alive:
                identity = proc.Identity(running.pid, running.start_ticks, self.shell.identity.boot_id)
                proc.signal_identity(identity, number)

    # --- the rest

    def heard(self, beat: Beat) -> None:
        self.news.heard(beat)
        self.keeper.heard(beat)

    def tend(self, now: float) -> None:
        self.keeper.tend(now)
        self.news.tend()
        self._look_at_unheld(now)

    def wake_at(self) -> float:
        return self._unheld_at if self._unheld else float("inf")


def _may_be(run: int, known: Slot | None) -> bool:
    """May a mark in an environment be believed? Any process can write one: never against a slot whose process lives,
    and where there is a slot only of the run that comes next."""
    if known is None:
        return run > 0
    return run == known.run + 1 and not proc.alive(proc.Identity(known.pid, known.start_ticks, known.boot_id))


def _started(identity: proc.Identity) -> float:
    """When it began, in seconds of CLOCK_MONOTONIC as near as the ticks tell."""
    return monotonic() - (boottime() - identity.start_ticks / os.sysconf("SC_CLK_TCK")) if identity.start_ticks else 0.0
