"""A witness that looks at /proc all the time a home is under test, and tells what must never have happened.

It sees who is of the home (members by their title and an open file of the home, kernels by their environment) and notes
  - two living processes of one role, or of two runs of one kernel, at the same moment;
  - a zombie that a living, running member did not reap for ZOMBIE_S.
It remembers everyone, so that the end of a test can prove that nobody is left.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from support import procs
from support.procs import Identity, Stat

ROLES: Final = ("spawner", "watchdog", "self_healing", "coding_agent", "trigger", "parliament", "architect")
LOOK_S: Final = 0.05
ZOMBIE_S: Final = 3.0
YOUNG_S: Final = 30.0
"""What a process is may change by exec or a new title while it is so young; then it is taken as known."""

AGAIN_S: Final = 0.3
"""Before two of a role count as two: the fork of a member carries its title until it sets its own."""

_ROLE: Final = re.compile(r"graced: (\w+) \[.*\]$")
_OURS: Final = re.compile(r"graced[: ]|.*-m graced\.members\.spawner")


class Mark(NamedTuple):
    """What a process of the home is: a role, `starting`, `worker`, or a kernel with its run."""

    kind: str
    run: str = ""


class Witness:
    """`look` is safe to call from any thread; `start` has a thread call it."""

    def __init__(self, home: Path) -> None:
        self._home = str(home.resolve()) + "/"
        self._id_file = home / "id"
        self._lock = threading.Lock()
        self._settled: set[Identity] = set()
        self._zombies: dict[Identity, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self.seen: dict[Identity, Mark] = {}
        self.breaches: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_S):
            self.look()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """It does not look meanwhile, and so takes no time from the thread that does something in an instant."""
        with self._lock:
            yield

    def look(self) -> dict[Identity, Mark]:
        """Everyone of the home who is alive now (zombies are not)."""
        with self._lock:
            stats = list(procs.everyone())
            found = {s.identity: mark for s in stats if not s.dead and (mark := self._mark(s)) is not None}
            self.seen.update(found)
            self._doubles(found)
            self._unreaped(stats, found)
            return found

    def alive_of(self, role: str) -> list[Identity]:
        """Without newborns that still carry the title of their parent."""
        several = [identity for identity, mark in self.look().items() if mark.kind == role]
        return _without_forks(several)

    def strays(self) -> list[Identity]:
        """Whoever was ever seen and is alive still, and whoever is of the home now."""
        return sorted({*self.look(), *(i for i in self.seen if procs.alive(i))})

    def _mark(self, stat: Stat) -> Mark | None:
        identity = stat.identity
        known = self.seen.get(identity)
        if identity in self._settled:
            return known
        mark = self._judge(stat.pid) or known
        if self._age_s(stat) > YOUNG_S:
            self._settled.add(identity)
        return mark

    def _judge(self, pid: int) -> Mark | None:
        title = procs.title(pid)
        if _OURS.match(title) and any(path.startswith(self._home) for path in procs.open_paths(pid)):
            role = _ROLE.match(title)
            if role is not None:
                return Mark(role.group(1))
            return Mark("worker" if " worker [" in title else "starting")
        environ = procs.environ(pid)
        if environ.get("GRACED_HOME_ID", "") == self._id() != "":
            kernel = environ.get("GRACED_KERNEL")
            return Mark(f"kernel {kernel}", environ.get("GRACED_RUN", "")) if kernel else Mark("starting")
        return None

    def _id(self) -> str:
        return procs.slurp(str(self._id_file)).decode(errors="replace").strip()

    @staticmethod
    def _age_s(stat: Stat) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - stat.start_ticks / procs.TICKS_PER_S

    def _doubles(self, found: dict[Identity, Mark]) -> None:
        groups: dict[str, list[Identity]] = {}
        for identity, mark in found.items():
            if mark.kind in ROLES or mark.kind.startswith("kernel "):
                groups.setdefault(mark.kind, []).append(identity)
        for kind, several in groups.items():
            if kind in ROLES:
                several = _without_forks(several)
            if not _two(kind, [found[identity] for identity in several]):
                continue
            if kind in ROLES:
                time.sleep(AGAIN_S)
            # They were not looked at in one instant: who is alive now, after the last was seen, was with it.
            both = [i for i in several if self._judge(i.pid) == found[i] and procs.alive(i)]
            if _two(kind, [found[identity] for identity in both]):
                self._tell(f"{len(both)} live at once of {kind}: {_pids(both)}")

    def _tell(self, breach: str) -> None:
        if breach not in self.breaches:
            self.breaches.append(breach)

    def _unreaped(self, stats: Iterable[Stat], found: dict[Identity, Mark]) -> None:
        parents = {identity.pid for identity, mark in found.items() if mark.kind in ROLES}
        now = time.monotonic()
        zombies = {s.identity: s.ppid for s in stats if s.dead and s.ppid in parents}
        self._zombies = {identity: since for identity, since in self._zombies.items() if identity in zombies}
        for identity, ppid in zombies.items():
            parent = procs.stat(ppid)
            if parent is None or parent.state == procs.STOPPED_STATE:
                self._zombies.pop(identity, None)
                continue
            since = self._zombies.setdefault(identity, now)
            if now - since > ZOMBIE_S:
                self._tell(f"pid {identity.pid} is a zombie of pid {ppid} ({procs.title(ppid)}), not reaped")


def _two(kind: str, marks: Sequence[Mark]) -> bool:
    """A role has one process; a kernel's run may have many."""
    return len(marks) > 1 if kind in ROLES else len({mark.run for mark in marks}) > 1


def _without_forks(several: Sequence[Identity]) -> list[Identity]:
    """No successor is ever a child of the one before it."""
    pids = {identity.pid for identity in several}
    parents = {identity: procs.stat(identity.pid) for identity in several}
    return [identity for identity, stat in parents.items() if stat is None or stat.ppid not in pids]


def _pids(identities: Iterable[Identity]) -> str:
    return ", ".join(str(identity.pid) for identity in identities)
