"""The processes of kernels, as the spawner meets them in the simulator."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from graced.core.trees import Facts
from graced.home.slots import Slot
from graced.members.outside import Give
from graced.posix.proc import Identity
from graced.sim.machine import TICKS_A_SECOND, Process

if TYPE_CHECKING:
    from graced.sim.member import Member


class Look:
    def __init__(self, runs: frozenset[tuple[str, str]], sessions: frozenset[int]) -> None:
        self.runs, self.sessions = runs, sessions


class Tree:
    """The end of one run's tree: a look, a kill of all that was seen, until a look sees nothing."""

    def __init__(
        self, member: "Member", root: Identity, marks: tuple[str, str], session: int | None, subreaper: bool,
        spare: Callable[[int], bool],
    ) -> None:  # fmt: skip
        self._member, self._root, self._marks = member, root, marks
        self._session, self._subreaper, self._spare = session, subreaper, spare
        self.exits: dict[int, int] = {}

    def step(self, now: float) -> bool:
        found = self._own() if self._subreaper else self._marked()
        for process in found:
            self._member.touch()
            self._member.world.kill(process, self._member, f"as one of the tree of {self._marks}")
        if self._subreaper:
            self._reap()
        return not found

    def _own(self) -> list[Process]:
        """Our living children but those that are spared, and what is below them."""
        found = []
        for pid, child in tuple(self._member.process.children.items()):
            root = child.identity == self._root
            if root or not (self._spare(pid) or self._another_run(child)):
                found += [child, *below(child)]
        return found

    def _another_run(self, process: Process) -> bool:
        return process.marks is not None and process.marks != self._marks

    def _reap(self) -> None:
        mine = [p for p in self._member.process.dead if p.identity == self._root or not self._spare(p.pid)]
        for process in mine:
            self._member.process.dead.remove(process)
            self.exits[process.pid] = process.wait_status

    def _marked(self) -> list[Process]:
        everyone = tuple(self._member.world.machine.processes.values())
        return [p for p in everyone if p.marks == self._marks or (self._session and p.session == self._session)]


class Outputs:
    """Of simulated kernels, which print nothing."""

    worker = 0

    def adopt(self, slots: Iterable[Slot]) -> None: ...

    def adopt_of(self, kernel: str, pid: int) -> None: ...

    def number(self, kernel: str) -> int:
        return 0

    def unread(self, kernel: str) -> bool:
        return False

    def reaped(self, pid: int) -> bool:
        return False

    def tend(self, now: float) -> None: ...

    def wake_at(self) -> float:
        return float("inf")


class Trees:
    def __init__(self, member: "Member") -> None:
        self._member, self._machine = member, member.world.machine

    def launch(self, kernel: str, run: int, give: Give) -> int:
        self._member.touch()
        spec = self._member.world.specs.get(kernel)
        if spec is None:
            raise OSError(2, f"no kernel {kernel} in the configuration")
        give(spec)
        pid = self._member.world.launch(kernel, run, self._member.process).pid
        self._member.touch()  # between a birth and its slot
        return pid

    def stop_command(self, kernel: str, main_pid: int) -> int:
        self._member.touch()
        return self._member.world.stop_command(kernel, self._member.process).pid

    def look(self) -> Look:
        processes = self._machine.processes.values()
        return Look(
            frozenset(p.marks for p in processes if p.marks is not None), frozenset(p.session for p in processes)
        )

    def leader(self, kernel: str, run: int) -> Identity | None:
        leaders = [p for p in self._machine.processes.values() if p.marks == (kernel, str(run)) and p.session == p.pid]
        return min(leaders, key=lambda p: p.pid).identity if leaders else None

    def started(self, identity: Identity) -> float:
        return identity.start_ticks / TICKS_A_SECOND

    def children(self) -> list[int]:
        process = self._member.process
        return [*process.children, *(p.pid for p in process.dead)]

    def below(self, pid: int) -> list[int]:
        process = self._machine.processes.get(pid)
        return [p.pid for p in below(process)] if process is not None else []

    def facts(self, pid: int, kernel: str, run: int, session: int) -> Facts:
        process = self._machine.processes.get(pid)
        if process is None:
            return Facts(exiting=True)
        if process.marks is not None:
            return Facts(marks=process.marks)
        return Facts(in_session=process.session == session)

    def name(self, pid: int) -> str:
        process = self._machine.processes.get(pid)
        return "simulated" if process is not None and process.alive else ""

    def in_leaf(self, kernel: str) -> bool:
        return False  # the simulated machine has no cgroups

    def left(self, kernel: str, run: int, session: int) -> bool:
        marks = (kernel, str(run))
        return any(p.marks == marks or p.session == session for p in self._machine.processes.values())

    def tree(
        self, root: Identity, kernel: str, run: int, session: int | None, subreaper: bool, spare: Callable[[int], bool]
    ) -> Tree:
        return Tree(self._member, root, (kernel, str(run)), session, subreaper, spare)


def below(process: Process) -> list[Process]:
    found: list[Process] = []
    for child in process.children.values():
        found += [child, *below(child)]
    return found
