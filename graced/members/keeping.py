"""The sockets of kernels in the spawner: bound before the first start, kept across every death, given to each run.

A new spawner has them, in this order: from systemd's fd store, from the watchdog, or taken from whoever still has them
open: the watchdog itself (stopped, say) or the kernels. Only what nobody has is bound anew. So while anyone of these
lives, a client that connects waits in the kernel's queue and is not refused.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from graced.core.vocabulary import Beat
from graced.home.presence import presence
from graced.members import shelf
from graced.posix import listening, notify, passing, proc
from graced.spec.config import Kernel, Socket

if TYPE_CHECKING:
    from graced.members.shell import Shell

FIRST_FD: Final = 3
"""Where a kernel finds the first one, sd_listen_fds(3)."""


class Keeper:
    """`kernels` that have `sockets`; two that name one address (replicas do) share one socket."""

    def __init__(self, shell: "Shell", kernels: Mapping[str, Kernel]) -> None:
        self._shell = shell
        self._wanted = _by_name(kernels.values())
        self._fds: dict[str, int] = {}
        self._told = 0  # incarnation of the watchdog that has copies
        self._shelf: shelf.Shelf | None = None

    def gather(self, given: Mapping[str, list[int]], runs: Iterable[proc.Identity]) -> None:
        """At birth, before any kernel is started. `given`: by systemd; `runs`: kernels that live."""
        for name, fds in given.items():
            if name not in self._wanted:  # of a configuration before this one
                notify.say("FDSTOREREMOVE=1", f"FDNAME={name}")
            for fd in fds:
                self._take(name, fd)
        if not self._wanted:
            return
        self._shelf = shelf.Shelf(self._shell, self._take)
        if self._missing():
            for name, fd in shelf.fetch(self._shell.home, "watchdog").items():
                self._take(name, fd)
        if self._missing():
            self._take_from(runs)
        self._store(self._fds)

    def _missing(self) -> dict[str, Socket]:
        return {name: wish for name, wish in self._wanted.items() if name not in self._fds}

    def _take(self, name: str, fd: int) -> None:
        """A descriptor that somebody kept under that name: ours now, unless it is not what it says or one too many."""
        wish = self._wanted.get(name)
        if wish is None or name in self._fds or not listening.is_it(fd, wish):
            os.close(fd)
            return
        self._fds[name] = fd
        self._told = 0

    def _take_from(self, runs: Iterable[proc.Identity]) -> None:
        here = presence(self._shell.home, "watchdog")
        holders = [*([here.record.identity] if here.record is not None and here.alive else []), *runs]
        for identity in holders:
            for number in passing.sockets_of(identity.pid):
                missing = self._missing()
                if not missing:
                    return
                fd = passing.take_from(identity, number)
                if fd is not None:
                    self._sort(fd, missing)

    def _sort(self, fd: int, missing: Mapping[str, Socket]) -> None:
        for name, wish in missing.items():
            if listening.is_it(fd, wish):
                self._take(name, fd)
                return
        os.close(fd)

    # --- for kernels

    def give(self, kernel: Kernel) -> tuple[dict[str, str], tuple[tuple[int, int], ...]]:
        """(environment, (our descriptor, its number in the kernel) each). Raises OSError with a sentence."""
        if not kernel.sockets:
            return {}, ()
        names = [listening.name_of(wish) for wish in kernel.sockets]
        fresh = {}
        for name, wish in zip(names, kernel.sockets, strict=True):
            if name not in self._fds:
                fresh[name] = self._fds[name] = listening.bind(wish)
        if fresh:
            self._store(fresh)
            self._told = 0
            self._tell()
        env = {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        return env, tuple((self._fds[name], FIRST_FD + n) for n, name in enumerate(names))

    # --- copies elsewhere

    def _store(self, fds: Mapping[str, int]) -> None:
        """In systemd's fd store, where there is one: one message each, as a message has one name."""
        if notify.outer():
            for name, fd in fds.items():
                notify.say("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", fds=(fd,))

    def heard(self, beat: Beat) -> None:
        if beat.member == "watchdog" and beat.incarnation != self._told:
            self._tell()

    def _tell(self) -> None:
        watchdog = self._shell.state.peers["watchdog"]
        there = self._fds and watchdog.heard and not watchdog.down
        if there and shelf.put(self._shell.home, "watchdog", self._fds):
            self._told = watchdog.incarnation

    def tend(self, now: float) -> None:
        if self._shelf is not None:
            self._shelf.tend(now)


def _by_name(kernels: Iterable[Kernel]) -> dict[str, Socket]:
    wishes = [wish for kernel in kernels for wish in kernel.sockets]
    if not wishes:
        return {}
    return {listening.name_of(wish): wish for wish in wishes}
