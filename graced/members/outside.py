"""What a member needs of the world, as small Protocols. Shell, Duty and all their parts reach it only through these.

There are two outsides: `graced.members.linux` is the real one, `graced.sim.outside` the simulated one. This module is
for type checkers: nothing imports it at run time, so a birth does not pay for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, Protocol

from graced.audit.lately import Line
from graced.bus.protocol import Ask, Reply
from graced.core.trees import Facts
from graced.core.vocabulary import Beat
from graced.home.locks import LockRecord
from graced.home.paths import Home
from graced.home.presence import Presence
from graced.home.slots import Slot
from graced.members.birth import Newborn
from graced.members.step_workers import StepWork
from graced.members.timers import Timers
from graced.members.work import Stream, Work
from graced.posix.proc import Identity, Status
from graced.spec.config import Kernel
from graced.store.db import Store

Call = Callable[[], None]


# --- the bus


class Bus(Protocol):
    """One member's end of the bus. What `Outside.wait` found is taken by `asks`, `replies`, `beats`, `subscribers`."""

    def publish(self, beat: Beat) -> None: ...

    def welcome(self) -> None:
        """Answer new subscriptions with the current heartbeat, without a wait before it."""

    def subscribers(self) -> None: ...

    def asks(self) -> Iterator[tuple[bytes, Ask]]:
        """Commands that came in, each with the address that `reply` needs."""

    def replies(self) -> Iterator[Reply]: ...

    def beats(self) -> Iterator[Beat]: ...

    def follow(self, peer: str) -> None: ...

    def greet(self, peer: str, ask: Ask) -> None:
        """A newborn's first word."""

    def connect(self, peer: str) -> None: ...

    def lost(self, peer: str, now: float) -> None:
        """The peer died: what is under way to it is dropped."""

    def send(self, peer: str, ask: Ask) -> bool:
        """False while the connection does not stand: the command is kept for `resend`, until its deadline."""

    def resend(self, now: float) -> bool:
        """Try what is kept; True while something is left."""

    def reply(self, address: bytes, reply: Reply) -> None: ...

    def rebind(self) -> None:
        """After run/ was made again."""

    def tend(self, now: float) -> None:
        """Once an interval."""


# --- processes


class Watch(Protocol):
    """A pidfd in the loop."""

    def signal(self, number: int) -> None: ...

    def close(self) -> None: ...


class Processes(Protocol):
    """Identities, deaths, signals, births of members."""

    def identify(self, pid: int) -> Identity | None: ...

    def status(self, identity: Identity) -> Status: ...

    def alive(self, identity: Identity) -> bool: ...

    def watch(self, identity: Identity, died: Call, spare: bool = False) -> Watch | None:
        """`died` is called once, in the loop; the watch is closed by then. None when the process is dead already.

        spare: where descriptors are scarce, it is looked at every interval instead.
        """

    def signal(self, identity: Identity, number: int) -> bool:
        """Never a process with a reused pid. False when there is none."""

    def reap(self) -> list[tuple[int, int]]:
        """Children that ended: (pid, wait status)."""

    def end_children(self, pids: tuple[int, ...]) -> None:
        """SIGKILL, and wait for their ends."""

    def fork(self, birth: Newborn) -> int:
        """A member, with all modules imported already. Raises OSError."""

    def launch_spawner(self, as_child: bool) -> int:
        """A cold one. Raises OSError."""

    def stop_everything(self) -> int:
        """Start `graced stop` beside this process; its pid, which is a child's. Raises OSError."""


class Tree(Protocol):
    """The end of one process tree, in steps that a loop can afford."""

    @property
    def exits(self) -> dict[int, int]:
        """Wait statuses of children that were reaped on the way."""

    def step(self, now: float) -> bool:
        """Kill what is there; True once nothing is."""


class Look(Protocol):
    """One look at all processes: which (kernel, run) of this home have some, and which sessions there are."""

    @property
    def runs(self) -> frozenset[tuple[str, str]]: ...

    @property
    def sessions(self) -> frozenset[int]: ...


Give = Callable[[Kernel], tuple[dict[str, str], tuple[tuple[int, int], ...]]]


class Trees(Protocol):
    """The processes of kernels. A run is known by its marks (home, kernel, run), its session and its log."""

    def launch(self, kernel: str, run: int, give: Give) -> int:
        """The pid of a new run. Raises OSError or ValueError with a sentence."""

    def stop_command(self, kernel: str, main_pid: int) -> int:
        """Start the kernel's `stop.command`; its pid. Raises OSError or ValueError."""

    def look(self) -> Look: ...

    def leader(self, kernel: str, run: int) -> Identity | None:
        """The oldest session leader with the marks of that run."""

    def started(self, identity: Identity) -> float:
        """CLOCK_MONOTONIC of its birth, as near as the ticks tell; 0 when not known."""

    def children(self) -> list[int]:
        """Of this process."""

    def below(self, pid: int) -> list[int]: ...

    def facts(self, pid: int, kernel: str, run: int, session: int) -> Facts: ...

    def name(self, pid: int) -> str:
        """Of the program; "" of one that is dead or about to be."""

    def left(self, kernel: str, run: int, session: int) -> bool:
        """Does anything with its marks or in its session live?"""

    def in_leaf(self, kernel: str) -> bool:
        """Is any process in the kernel's own cgroup, where there is one?"""

    def tree(
        self, root: Identity, kernel: str, run: int, session: int | None, subreaper: bool, spare: Callable[[int], bool]
    ) -> Tree: ...


class Outputs(Protocol):
    """What kernels print: a pipe each, kept across every death, and the process that empties it into the log."""

    @property
    def worker(self) -> int:
        """pid of the log writer, a child; 0 without one."""

    def adopt(self, slots: Iterable[Slot]) -> None:
        """Find the pipes of kernels of an earlier spawner."""

    def adopt_of(self, kernel: str, pid: int) -> None:
        """Of a kernel that lives and whose slot was lost."""

    def number(self, kernel: str) -> int:
        """The inode of the kernel's pipe, for its slot; 0 when there can be none."""

    def unread(self, kernel: str) -> bool:
        """Has it printed what is not in its log yet?"""

    def reaped(self, pid: int) -> bool:
        """A child ended: was it the log writer?"""

    def tend(self, now: float) -> None: ...

    def wake_at(self) -> float: ...


# --- what is kept


class Locks(Protocol):
    """The role lock that this process holds, all restart locks, and the announced stop."""

    def still_mine(self) -> bool: ...

    def retake(self, incarnation: int) -> bool:
        """run/ was deleted: make it and hold the role in it. False when another does. Raises OSError."""

    def presence(self, role: str) -> Presence:
        """Who holds, or held, a role, and how that process is."""

    def take(self, target: str) -> bool:
        """A restart lock, at once. Raises OSError when run/ is gone."""

    def drop(self, target: str) -> None: ...

    def holder(self, target: str) -> LockRecord | None:
        """Who holds a restart lock, as far as its record tells."""

    def take_target(self, target: str) -> bool:
        """The lock of what a playbook works on, at once. Raises OSError when run/ is gone."""

    def drop_target(self, target: str) -> None: ...

    def holds_target(self, target: str) -> bool:
        """Is it held, and does it exclude anybody? (run/ may have been deleted.)"""

    def target_holder(self, target: str) -> LockRecord | None: ...

    def stopping(self) -> bool:
        """Is `graced stop` at work, or done?"""


class Audit(Protocol):
    """One member's end of the audit log; see graced.audit.log."""

    @property
    def findings(self) -> list[str]: ...

    @property
    def pending(self) -> int: ...

    @property
    def degraded(self) -> bool: ...

    def append(self, kind: str, data: Mapping[str, Any]) -> bool: ...

    def flush(self) -> bool: ...

    def lately(self, kinds: tuple[str, ...], left: int) -> Iterator[Line]:
        """Records of these kinds in the last `left` bytes of the log, last first."""


class Slots(Protocol):
    """The newest run of each kernel, stored before its birth and after it."""

    def stored(self) -> list[Slot]: ...

    def store(self, slot: Slot) -> None: ...

    def read(self, kernel: str) -> Slot | None: ...


class Syncer(Protocol):
    """fdatasync of what was written, by a worker."""

    @property
    def worker(self) -> int: ...

    @property
    def due(self) -> float: ...

    def wrote(self, now: float) -> None: ...

    def tend(self, now: float) -> None: ...

    def reaped(self, pid: int) -> None: ...


class Files(Protocol):
    """Small files that the loop itself reads and writes."""

    def look(self) -> list[str]:
        """Sentences about what somebody took from the home, and what was written back."""

    def key(self) -> bytes:
        """Of the home, for leases. Raises OSError."""

    def home_id(self) -> str: ...

    def digest(self, path: str) -> str:
        """SHA-256 of a source file. Raises OSError."""

    def last_lines(self, name: str, count: int) -> list[str]:
        """Of the log of a kernel or member."""

    def tail(self, name: str, newer_than: float, most: int | None = None) -> tuple[str, float]:
        """(the end of a kernel's log, when it was last written, seconds since 1970)."""

    def real(self, path: str) -> str: ...

    def read_note(self, path: str) -> bytes:
        """b"" when there is none."""

    def write_note(self, path: str, data: bytes) -> None:
        """Raises OSError."""


# --- long work


class Workers(Protocol):
    """Processes of this member that do what takes long. They die with it."""

    def run(self, work: Work, timeout: float, done: Callable[[bytes], None]) -> bool:
        """`done` gets the answer, empty when there is none in `timeout` seconds. False when none can be started."""

    def follow(self, stream: Stream, told: Call, ended: Call) -> bool:
        """`told` at each word of the stream, `ended` when it is over. False when none can be started."""


class Attempt(Protocol):
    """An attempt of a playbook's step, which this process holds. `data`: what its worker has written."""

    @property
    def data(self) -> bytes: ...

    def close(self) -> None: ...

    def start(self, work: StepWork, again: bool, limit_s: float, ended: Callable[[bytes], None]) -> bool:
        """A worker takes it over, and outlives this member. `ended` gets what it has written. False: none started."""


class Attempts(Protocol):
    """What is on disk of the attempts of playbooks' steps; see graced.members.step_workers."""

    def take(self, run: str, step: int, attempt: int) -> Attempt | None:
        """None while somebody is at it. Raises OSError."""

    def write_note(self, run: str, step: int, attempt: int, data: bytes) -> None:
        """Raises OSError."""

    def read_note(self, run: str, step: int, attempt: int) -> bytes:
        """Raises OSError when there is none."""

    def forget(self, run: str) -> None: ...

    def forget_all(self) -> None: ...


# --- an outer supervisor, descriptors


class Supervisor(Protocol):
    """systemd, or whoever set NOTIFY_SOCKET."""

    @property
    def there(self) -> bool: ...

    @property
    def first_process(self) -> bool:
        """Is this process pid 1?"""

    @property
    def watchdog_s(self) -> float | None: ...

    @property
    def worker(self) -> int:
        """pid of the child that asks what job the unit has; 0 without one."""

    def say(self, *words: str) -> None: ...

    def ask_job(self, timeout: float, done: Callable[[str | None], None]) -> None:
        """The type of our unit's job, "" without one; None when this is not a unit."""

    def unseen(self) -> Any:
        """A context in which what is started becomes the supervisor's child and not ours."""


class Reserve(Protocol):
    """Descriptors that are open for nothing, so that there are some when the table is full."""

    def hold(self) -> bool:
        """Fills it up; False when that cannot be done now."""

    def release(self) -> None: ...


class Saying(Protocol):
    """Lines for a person, on the standard output of a spawner in the foreground."""

    @property
    def due(self) -> float: ...

    def tend(self, now: float) -> None:
        """Say what is new in the audit log."""


class Shelf(Protocol):
    """Descriptors that outlive the spawner; see graced.members.linux.shelf."""

    def tend(self, now: float) -> None: ...


# --- all of it


class Outside(Protocol):
    """Everything of one process. Times are seconds of CLOCK_MONOTONIC; `wall` is since 1970, for people."""

    @property
    def home(self) -> Home: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def random(self) -> Random: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def processes(self) -> Processes: ...

    @property
    def trees(self) -> Trees: ...

    @property
    def outputs(self) -> Outputs: ...

    @property
    def locks(self) -> Locks: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def store(self) -> Store: ...

    @property
    def slots(self) -> Slots: ...

    @property
    def syncer(self) -> Syncer: ...

    @property
    def files(self) -> Files: ...

    @property
    def workers(self) -> Workers: ...

    @property
    def attempts(self) -> Attempts: ...

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def timers(self) -> Timers: ...

    def now(self) -> float: ...

    def boottime(self) -> float: ...

    def wall(self) -> float: ...

    def on_signals(self, call: Callable[[set[int]], None]) -> None:
        """Signals are told in the loop."""

    def wait(self, until: float) -> bool:
        """Sleep until then, or until something comes. True when something did."""

    def dispatch(self) -> None:
        """Call who waits for what came: signals first, then deaths and workers."""

    def say(self, text: str) -> None:
        """A line to the member's own log."""

    def pause(self) -> None:
        """After a trouble that the loop would meet again at once."""

    def reserve(self) -> Reserve: ...

    def saying(self) -> Saying | None:
        """From now on; None where the journal has the same as entries of its own."""

    def shelf(self, taken: Callable[[str, int], None] | None = None) -> Shelf: ...
