"""Kernels in the spawner: births, standing orders, whole-tree ends, adoption, and the news of all that.

The rules are in graced.core.orders; here they meet posix_spawn, wait statuses and /proc.
"""

import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from graced.bus.protocol import Ask, Reply, to_plain
from graced.core import orders
from graced.core.kernels.ending import Course, step
from graced.core.orders import EndTree, Exit, Launch, Order, Report, Running, Runs
from graced.core.vocabulary import Action, Beat
from graced.home import stop_command
from graced.home.slots import KernelSlots, Slot, identity_of
from graced.home.stopping import announced
from graced.members.keeping import Keeper
from graced.members.launching import Launcher
from graced.members.looking import look
from graced.members.news import News
from graced.posix import cgroup, proc
from graced.posix.clock import monotonic
from graced.posix.tree import TreeKill, find_by_log, inode_of, members_of
from graced.spec.config import Stop
from graced.spec.replicas import expand_replicas
from graced.spec.run import Run

TREE_STEP_S: Final = 0.002
LOOK_S: Final = 0.02  # between two looks for what a first process that ended has left
FEW: Final = 4  # so many trees are each looked for by themselves, which is quickest
LOOKS: Final = 2
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
        self.tree: TreeKill | None = None
        self.command = 0  # pid of stop.command while it runs
        self.signalled: set[proc.Identity] = set()
        self.empty_looks = 0
        self.below: list[proc.Identity] = []  # what hung below its first process when the end began


class Nursery:
    """Owned by the spawner's Duty. `known` gives the pids of members, which are nobody's leftovers."""

    def __init__(self, shell: Any, known: Callable[[], set[int]]) -> None:
        self.shell = shell
        self.runs: Runs = {}
        self._known = known
        self.keeper = Keeper(shell, expand_replicas(shell.config))
        self._launcher = Launcher(shell.home, shell.config, self.keeper.give)
        self._pids: dict[int, str] = {}
        self._commands: dict[int, str] = {}  # stop.command that runs, by pid
        self._leaves = cgroup.Leaves(cgroup.delegated())
        self._slots = KernelSlots(shell.home)
        self._pidfds: dict[str, int] = {}  # of adopted kernels, which are not our children
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
        slots = {slot.run.kernel: slot for slot in self._slots.stored()}
        for kernel, run in self._seen_runs:  # whose slot was lost, or is of an older run
            known = slots.get(kernel)
            if kernel in self._launcher.kernels and run.isdigit() and int(run) > (known.run.run if known else 0):
                slots[kernel] = Slot(Run(kernel, int(run), boot_id=self.shell.identity.boot_id))
        for slot in slots.values():
            self._adopt_one(slot)
        alive = (r for r in self.runs.values() if r.alive)
        self.keeper.gather(given, [identity_of(r.run) for r in alive])

    def _adopt_one(self, slot: Slot) -> None:
        run, kernel = slot.run, slot.run.kernel
        identity = identity_of(run)
        if run.pid == 0:
            found = members_of(self._tags(kernel, run.run))
            leaders = [i for i in found if proc.session_of(i.pid) == i.pid]
            identity = min(leaders, key=lambda i: i.start_ticks) if leaders else identity
        born = Run(kernel, run.run, identity.pid, identity.start_ticks, identity.boot_id, _started(identity))
        running = Running(born, adopted=True)
        fd = proc.open_pidfd(identity) if identity.pid else None
        if fd is None:  # its first process died while nobody was its parent: what it left must go before the next run
            self.runs[kernel] = running = msgspec.structs.replace(running, exit=Exit())
            if run.boot_id == self.shell.identity.boot_id and (kernel, str(run.run)) in self._seen_runs:
                self._finish(running, Exit(), scan=True, witnessed=False)
            return
        self.runs[kernel] = msgspec.structs.replace(running, alive=True)
        if run.pid == 0:
            self._slots.store(msgspec.structs.replace(slot, run=born))
        self._pidfds[kernel] = fd
        self.shell.add_reader(fd, lambda: self._adopted_died(kernel, fd))

    def _adopted_died(self, kernel: str, fd: int) -> None:
        self.shell.drop_reader(fd)
        os.close(fd)
        self._pidfds.pop(kernel, None)
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
                self.runs, actions = orders.stop(self.runs, str(args["kernel"]), int(args["run"]))
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
        kernel = launch.kernel
        run = Run(kernel, launch.run, boot_id=self.shell.identity.boot_id)
        self._slots.store(Slot(run))
        try:
            pid = self._launcher.launch(kernel, run.run)
        except (OSError, ValueError) as error:  # ValueError: an env_file that was broken since, a NUL in a word
            text = getattr(error, "strerror", None) or str(error)
            now = monotonic()
            unborn, wanting = msgspec.structs.replace(run, started=now), _is_want(error)
            self.runs, actions = orders.not_launched(self.runs, unborn, text, now, wanting=wanting)
            self._act(actions)
            return
        now = monotonic()
        born = msgspec.structs.replace(run, pid=pid, start_ticks=proc.start_ticks(pid) or 0, started=now)
        self._slots.store(Slot(born))
        self._leaves.put(kernel, pid)
        self._pids[pid] = kernel
        self.runs, actions = orders.launched(self.runs, born, now)
        self._act(actions)

    # --- deaths

    def reaped(self, pid: int, wait_status: int) -> None:
        kernel = self._commands.pop(pid, None)
        if kernel is not None:
            self._commanded(kernel, pid)
            return
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
        if scan or self._strays() or self._leaves.is_populated(running.kernel):
            ending = self._endings[running.kernel] = Ending(running, witnessed=witnessed)
            ending.exit = exit
            self._advance(ending, monotonic())
            return
        self._exited(running, exit)

    def _strays(self) -> bool:
        """Children that are neither members nor first processes of runs: somebody's orphans, maybe this run's."""
        known = self._known().union(self._commands)
        return any(pid not in self._pids and pid not in known for pid in proc.own_children())

    def _exited(self, running: Running, exit: Exit) -> None:
        now = monotonic()
        self.runs, actions = orders.exited(
            self.runs, running.kernel, running.run.pid, exit, now, stopping=announced(self.shell.home)
        )
        self._act(actions)

    def _end(self, end: EndTree) -> None:
        running, now = self.runs[end.kernel], monotonic()
        if end.kernel not in self._endings:
            spec = self._launcher.kernels.get(end.kernel)
            course = Course(spec.stop if spec is not None else Stop(), now)
            ending = self._endings[end.kernel] = Ending(running, course)
            ending.below = self._everyone(running)
            self._urge(ending, now)
            self.shell.after(course.stop.timeout_s, lambda: self._advance(ending, monotonic()))

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
        kernel = self._launcher.kernels[ending.running.kernel]
        try:
            pid = stop_command.start(kernel, self._launcher.unmarked(kernel), ending.running.run.pid)
        except (OSError, ValueError):
            return False
        self._commands[pid], ending.command = kernel.name, pid
        return True

    def _commanded(self, kernel: str, pid: int) -> None:
        """A stop.command is over."""
        ending = self._endings.get(kernel)
        if ending is not None and ending.command == pid and self._urge(ending, monotonic()):
            return
        if ending is not None:
            self._advance(ending, monotonic())

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
                self.shell.after(LOOK_S, lambda: self._advance(ending, monotonic()))
                return
        if ending.tree is None:
            identity = identity_of(running.run)
            ending.tree = TreeKill(
                identity,
                self._tags(running.kernel, running.run.run),
                sid=running.run.pid if ending.witnessed else None,
                subreaper=not running.adopted,
                spare=lambda pid: self._another_s(pid, running),
                cgroup=self._leaves.of(running.kernel),
            )
        ending.course = None
        if ending.command in self._commands:
            os.kill(ending.command, signal.SIGKILL)  # not reaped yet, so its number is nobody else's
        left = [identity for identity in ending.below if proc.alive(identity)]
        for identity in left:  # known by its ancestry, whatever marks it has washed off
            proc.signal_identity(identity, signal.SIGKILL)
        if not ending.tree.step(now) or left:
            self.shell.after(TREE_STEP_S, lambda: self._advance(ending, monotonic()))
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
            self._start(running.kernel, run, monotonic())

    def _everyone(self, running: Running) -> list[proc.Identity]:
        """Every process of the tree that can be found without a look at all of /proc; KILL finds the rest."""
        strays = [] if running.adopted else self._strays_of(running)
        tops = [identity_of(running.run), *(i for pid in strays if (i := proc.identify(pid)) is not None)]
        below = [proc.identify(pid) for top in tops if proc.alive(top) for pid in proc.descendants(top.pid)]
        return [*tops, *(identity for identity in below if identity is not None)]

    def _signal(self, ending: Ending, whom: list[proc.Identity]) -> None:
        """Each of them once; all were looked up before, as a dead parent's children are found below it no more."""
        assert ending.course is not None
        number = ending.course.stop.signal
        for identity in whom:
            if identity in ending.signalled:
                continue
            ending.signalled.add(identity)
            proc.signal_identity(identity, number)
            if number != signal.SIGKILL and proc.status(identity) == "stopped":  # it takes none but KILL and CONT
                proc.signal_identity(identity, signal.SIGCONT)

    def _strays_of(self, running: Running) -> list[int]:
        """Orphans of the run that became children of this process."""
        return [p for p in proc.own_children() if p != running.run.pid and not self._another_s(p, running)]

    def _another_s(self, pid: int, running: Running) -> bool:
        """Must this child of ours be spared when the tree of `running` is killed?

        By its marks, its session, the log that it writes to. A child that shows none of them may be any kernel's
        daemon: it is killed only if there is no other kernel that it could belong to.
        """
        if pid in self._pids or pid in self._commands or pid in self._known():
            return True
        stat = proc.read_stat(pid)
        if stat is None or (stat.exiting and stat.threads <= 1):
            return False  # it bears no marks any more, and to kill it harms nobody; its children come to us
        environ = proc.environ(pid)
        if environ.get("GRACED_HOME_ID") == self.shell.home.id():
            return (environ.get("GRACED_KERNEL"), environ.get("GRACED_RUN")) != (running.kernel, str(running.run.run))
        if running.run.pid and proc.session_of(pid) == running.run.pid:
            return False
        if pid in find_by_log(inode_of(self.shell.home.log(running.kernel)) or (0, 0), (pid,)):
            return False
        return any(r.alive for r in self.runs.values() if r.kernel != running.kernel)

    def _tree_alive(self, running: Running) -> bool:
        """Is anything left of a run whose first process is dead?"""
        if not running.adopted:
            return bool(self._strays_of(running))
        return bool(members_of(self._tags(running.kernel, running.run.run), running.run.pid))

    def _tags(self, kernel: str, run: int) -> dict[str, str]:
        return {"GRACED_HOME_ID": self.shell.home.id(), "GRACED_KERNEL": kernel, "GRACED_RUN": str(run)}

    def forward(self, number: int) -> None:
        """Sends a signal to the first process of every kernel."""
        for running in self.runs.values():
            if running.alive:
                identity = identity_of(running.run)
                proc.signal_identity(identity, number)

    # --- the rest

    def heard(self, beat: Beat) -> None:
        self.news.heard(beat)
        self.keeper.heard(beat)

    def tend(self, now: float) -> None:
        self.keeper.tend(now)
        self.news.tend()

    def wake_at(self) -> float:
        return float("inf")


def _is_want(error: OSError | ValueError) -> bool:
    """Did a birth fail for want of something that comes back by itself: memory, descriptors, a port, the folder?"""
    if not isinstance(error, OSError):
        return False
    folder_is_away = error.errno == errno.ENOENT and str(error.strerror).startswith("cwd ")
    return error.errno in WANTS or folder_is_away


def _started(identity: proc.Identity) -> float:
    """When it began, in seconds of CLOCK_MONOTONIC as near as the ticks tell."""
    from graced.posix.clock import boottime

    return monotonic() - (boottime() - identity.start_ticks / os.sysconf("SC_CLK_TCK")) if identity.start_ticks else 0.0
