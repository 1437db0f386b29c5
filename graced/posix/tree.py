"""The death of a whole tree, in steps that an event loop can afford.

A tree is ended by SIGKILL and then *known* empty, by the strongest proof at hand:
  cgroup      cgroup.events says that it holds nobody; then the next, for what never was in it
  subreaper   no child is left but those of others: a living process of the tree has an ancestor among our children
  scan        two looks at /proc in a row without a match and without a birth anywhere; on a machine where processes are
              born all the time, no match for QUIET_S, looking at the newest pids first
"""

import contextlib
import os
import select
import signal
from collections.abc import Mapping

from graced.posix.clock import monotonic
from graced.posix.proc import (
    Identity,
    alive,
    boot_id,
    descendants,
    identify,
    open_pidfd,
    own_children,
    read_stat,
    send,
    stat_of,
)
from graced.posix.scan import Belonging, Spare, born_between, find_by_log, inode_of, last_pid, members_of

__all__ = ["TreeKill", "find_by_log", "inode_of", "members_of"]

STEP_S = 0.003
"""A step takes no longer, but for one scan of /proc."""

QUIET_S = 0.3
"""No match for this long is emptiness where births go on."""

QUIET_SWEEPS = 4
"""That many looks at least in QUIET_S."""

STUCK_S = 10.0
"""Alive for this long after SIGKILL: it sleeps in the kernel, or is not ours to signal."""

NEWBORNS = 256
"""Of the pids born since the last look, the newest that are looked at one by one."""


class TreeKill:
    """Ends one tree. Call `step` until it is True; see Belonging for root, tags, sid, spare.

    subreaper: the tree's orphans become children of this process, which has reaped none of them unseen. Every child
    then counts as the tree's that `spare` does not spare and that does not carry the tags of another run of this home.
    exits: wait statuses of the children that were reaped here, for who has to report them.
    """

    def __init__(
        self,
        root: Identity | None,
        tags: Mapping[str, str],
        sid: int | None = None,
        subreaper: bool = False,
        spare: Spare | None = None,
        cgroup: str | None = None,
    ) -> None:
        self.exits: dict[int, int] = {}
        self._belonging = Belonging(root, tags, sid, spare)
        self._own = subreaper and self._is_below_us()
        self._cgroup = cgroup
        self._alive: list[Identity] = []
        self._first_kill: dict[Identity, float] = {}
        self._quiet_since: float | None = None
        self._quiet_sweeps = 0
        self._quiet_birth: int | None = None
        self._seen_birth: int | None = None
        self._vanished = False

    def step(self, now: float) -> bool:
        """Kills what is there; True once nothing is. `now` is monotonic, seconds."""
        if self._cgroup is not None:
            if self._step_cgroup(self._cgroup, now) is False:
                return False
            self._cgroup = None  # empty or gone: the other proofs, for what was forked before it was put there
        return self._step_own(now) if self._own else self._step_scan(now)

    def survivors(self) -> list[Identity]:
        """Who was alive at the end of the last step."""
        return [identity for identity in self._alive if alive(identity)]

    def stuck(self, now: float) -> bool:
        """Whether something is alive STUCK_S after it was first killed: it will not go by itself."""
        return any(now - self._first_kill.get(identity, now) >= STUCK_S for identity in self.survivors())

    # --- cgroup

    def _step_cgroup(self, folder: str, now: float) -> bool | None:
        """None when there is no such cgroup."""
        try:
            _write(os.path.join(folder, "cgroup.kill"), b"1")
        except FileNotFoundError:
            return None
        events = _read(os.path.join(folder, "cgroup.events"))
        if events is None:
            return None
        emptied = b"populated 0" in events
        pids = [] if emptied else (_read(os.path.join(folder, "cgroup.procs")) or b"").split()
        self._alive = [identity for pid in pids if (identity := identify(int(pid))) is not None]
        for identity in self._alive:
            self._first_kill.setdefault(identity, now)
        if self._own:
            self._own_members()  # reaps
        return emptied

    # --- as the subreaper

    def _step_own(self, now: float) -> bool:
        deadline = monotonic() + STEP_S
        while True:
            self._alive = self._own_members()
            if not self._alive:
                return True
            killed = self._kill_all(self._alive, now)
            if not self._wait(killed, deadline):
                return False

    def _own_members(self) -> list[Identity]:
        """The living of the tree; our dead children among it are reaped on the way.

        It is empty only when one look found nothing at all: whoever died since the list was read has left its children
        to us, and they were not in that list.
        """
        found: dict[int, Identity] = {}
        while self._look_at_own(found) and not found:
            pass
        here = boot_id()
        for pid in [below for top in found for below in descendants(top, self._is_another_s)]:
            stat = read_stat(pid)
            if stat is not None and not stat.dead:
                found.setdefault(pid, Identity(pid, stat.start_ticks, here))
        return list(found.values())

    def _look_at_own(self, found: dict[int, Identity]) -> bool:
        """Adds our living children of the tree to `found`; True when some other had died."""
        died = False
        for pid in own_children():
            stat = read_stat(pid)
            if stat is None:
                died = True
                continue
            is_root = self._is_root(pid, stat.start_ticks)
            if not is_root and self._belonging.spares(pid):
                continue
            if stat.dead:
                died = True
                self._reap(pid)
            elif is_root or not self._belonging.another_run(pid):
                found[pid] = Identity(pid, stat.start_ticks, boot_id())
        return died

    def _is_another_s(self, pid: int) -> bool:
        return self._belonging.spares(pid) or self._belonging.another_home(pid)

    def _is_root(self, pid: int, start_ticks: int) -> bool:
        root = self._belonging.root
        return root is not None and (root.pid, root.start_ticks) == (pid, start_ticks)

    def _is_below_us(self) -> bool:
        """A living root that is another's child leaves its orphans to that one."""
        root = self._belonging.root
        stat = None if root is None else stat_of(root)
        return stat is None or stat.ppid == os.getpid()

    def _reap(self, pid: int) -> None:
        with contextlib.suppress(ChildProcessError):
            reaped, wait_status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                self.exits[reaped] = wait_status

    # --- by scans

    def _step_scan(self, now: float) -> bool:
        deadline = monotonic() + STEP_S
        looks = 0
        while True:
            looks += 1
            birth = last_pid()
            scan = self._belonging.scan()
            self._alive = scan.members
            killed = self._kill_all(scan.members, now)
            newborns = self._kill_newborns(birth, now)
            if not scan.members and not newborns:
                if self._proven(birth, scan.unsure, now):
                    return True
                if looks >= 2:  # the second look, that may prove it on a quiet machine, is worth its time
                    return False
                continue
            self._quiet_since = self._quiet_birth = None
            self._quiet_sweeps = 0
            if not self._wait(killed + newborns, deadline):
                return False

    def _kill_newborns(self, birth: int | None, now: float) -> list[int]:
        """Looks at what was born since `birth`, newest first.

        While births go on it lies in wait for them, for that is how to meet a comet: one that forks and exits at once
        is never in a listing of /proc for long enough to be read, but is alive in the instant of its birth.
        """
        pidfds: list[int] = []
        if birth is None:
            return pidfds
        births_go_on = self._seen_birth not in (None, birth)
        deadline = monotonic() + STEP_S
        while (latest := last_pid()) is not None and monotonic() < deadline:
            self._seen_birth = latest
            if latest == birth:
                if not births_go_on:
                    break
                os.sched_yield()
                continue
            births_go_on = True
            parents = {identity.pid for identity in self._alive}
            for pid in born_between(birth, latest, NEWBORNS):
                identity = self._belonging.newborn(pid, parents)
                if identity is not None:
                    self._alive.append(identity)
                    pidfds += self._kill_all([identity], now)
            birth = latest
        return pidfds

    def _proven(self, birth: int | None, unsure: bool, now: float) -> bool:
        """Counts one look without a match, begun when `birth` was the last pid."""
        after = last_pid()
        still = after is not None and not unsure and self._quiet_birth == birth == after
        self._quiet_birth = None if unsure else birth
        if self._quiet_since is None:
            self._quiet_since = now
        self._quiet_sweeps += 1
        return still or (now - self._quiet_since >= QUIET_S and self._quiet_sweeps >= QUIET_SWEEPS)

    # --- killing

    def _kill_all(self, targets: list[Identity], now: float) -> list[int]:
        """Kills who was not killed yet; their pidfds, for `_wait`, which closes them."""
        pidfds: list[int] = []
        for identity in targets:
            if identity in self._first_kill:
                continue
            pidfd = open_pidfd(identity)
            if pidfd is None:
                self._vanished = True
                continue
            self._first_kill[identity] = now
            pidfds.append(pidfd)
            with contextlib.suppress(PermissionError):  # another user's: it will be `stuck`
                send(pidfd, signal.SIGKILL)
        return pidfds

    def _wait(self, pidfds: list[int], deadline: float) -> bool:
        """Waits for these to die, and closes them. False at the deadline, or when nothing happened: look no more."""
        changed, self._vanished = self._vanished or bool(pidfds), False
        poll = select.poll()
        for fd in pidfds:
            poll.register(fd, select.POLLIN)
        left = len(pidfds)
        try:
            while left and (rest_s := deadline - monotonic()) > 0:
                for fd, _ in poll.poll(max(1, int(rest_s * 1000))):
                    poll.unregister(fd)
                    left -= 1
        finally:
            for fd in pidfds:
                os.close(fd)
        return changed and monotonic() < deadline


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
