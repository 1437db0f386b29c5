"""The sockets of kernels in the spawner: bound before the first start, kept across every death, given to each run.

A new spawner has them, in this order: from systemd's fd store, from the watchdog, or taken from whoever still has them
open: the watchdog itself (stopped, say) or the kernels. Only what nobody has is bound anew. So while anyone of these
lives, a client that connects waits in the kernel's queue and is not refused.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from graced.bus.protocol import Reply
from graced.core.vocabulary import Beat
from graced.posix import listening, notify, passing, proc
from graced.spec.config import Kernel, Socket

if TYPE_CHECKING:
    from graced.members.outside import Shelf
    from graced.members.shell import Shell

RENEW_S: Final = 1.0
"""For self_healing to take the word that a kernel is to be started again."""

FIRST_FD: Final = 3
"""Where a kernel finds the first one, sd_listen_fds(3)."""


class Keeper:
    """`kernels` that have `sockets`; two that name one address (replicas do) share one socket."""

    def __init__(self, shell: "Shell", kernels: Mapping[str, Kernel]) -> None:
        self._shell = shell
        self._kernels = kernels
        self._wanted = _by_name(kernels.values())
        self._fds: dict[str, int] = {}
        self._told = 0  # incarnation of the watchdog that has copies
        self._shelf: Shelf | None = None
        self._files: dict[str, tuple[int, int] | None] = {}  # of Unix sockets: what the address led to when bound
        self._looked = 0.0
        self._barred: set[str] = set()  # lost, and not bound anew so far: told already
        self._to_renew: set[str] = set()  # kernels that listen where nobody comes any more

    def gather(self, given: Mapping[str, list[int]], runs: Iterable[proc.Identity]) -> None:
        """At birth, before any kernel is started. `given`: by systemd; `runs`: kernels that live."""
        for name, fds in given.items():
            if name not in self._wanted:  # of a configuration before this one
                notify.say("FDSTOREREMOVE=1", f"FDNAME={name}")
            for fd in fds:
                self._take(name, fd)
        if not self._wanted:
            return
        self._shelf = self._shell.outside.shelf(self._take)
        if self._missing():
            from graced.members.linux import shelf

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
        self._files[name] = listening.file_of(wish)
        self._told = 0

    def _take_from(self, runs: Iterable[proc.Identity]) -> None:
        here = self._shell.locks.presence("watchdog")
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
                fresh[name] = self._bind(name, wish)
        if fresh:
            self._spread(fresh)
        env = {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        return env, tuple((self._fds[name], FIRST_FD + n) for n, name in enumerate(names))

    def _bind(self, name: str, wish: Socket) -> int:
        fd = self._fds[name] = listening.bind(wish)
        self._files[name] = listening.file_of(wish)
        return fd

    # --- addresses that lead elsewhere

    def _look(self) -> None:
        """A Unix socket whose file somebody deleted or replaced is held by nobody: it is bound anew.

        The kernel listens at the old one, where nobody can come any more, so it is started again with the new one.
        """
        lost = [name for name, wish in self._wanted.items() if name in self._fds and not self._leads(name, wish)]
        fresh: dict[str, int] = {}
        for name in lost:
            old = self._fds[name]
            try:
                fresh[name] = self._bind(name, self._wanted[name])
            except OSError as error:  # its folder is gone, or another program took the address: tried again
                if name not in self._barred:
                    self._barred.add(name)
                    self._escalate(name, f"no client can connect: {error.strerror}; it is tried again")
                continue
            os.close(old)
            self._barred.discard(name)
            users = [kernel.name for kernel in self._kernels.values() if self._uses(kernel, name)]
            self._escalate(name, f"bound anew, and {', '.join(users)} started again with it")
            self._to_renew.update(users)
            if notify.outer():
                notify.say("FDSTOREREMOVE=1", f"FDNAME={name}")
        if fresh:
            self._spread(fresh)
        if self._to_renew:
            self._renew(frozenset(self._to_renew))

    def _renew(self, names: frozenset[str]) -> None:
        """Asked again at the next look while self_healing is away."""

        def answered(reply: Reply | None) -> None:
            if reply is not None and reply.ok:
                self._to_renew -= names

        self._shell.send("self_healing", "kernel.renew", {"names": sorted(names)}, RENEW_S, answered)

    def _leads(self, name: str, wish: Socket) -> bool:
        return wish.path is None or ((found := listening.file_of(wish)) is not None and found == self._files.get(name))

    def _uses(self, kernel: Kernel, name: str) -> bool:
        return any(listening.name_of(wish) == name for wish in kernel.sockets)

    def _escalate(self, name: str, what: str) -> None:
        address = self._wanted[name].spec
        told = {"incident": "sockets", "subject": address, "text": f"the file of {address} was taken away: {what}"}
        self._shell.audit.append("escalated", told)

    # --- copies elsewhere

    def _spread(self, fresh: Mapping[str, int]) -> None:
        self._store(fresh)
        self._told = 0
        self._tell()

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
        if self._fds and watchdog.heard and not watchdog.down:
            from graced.members.linux import shelf

            if shelf.put(self._shell.home, "watchdog", self._fds):
                self._told = watchdog.incarnation

    def tend(self, now: float) -> None:
        if self._shelf is not None:
            self._shelf.tend(now)
            if now - self._looked >= self._shell.interval:
                self._looked = now
                self._look()


def _by_name(kernels: Iterable[Kernel]) -> dict[str, Socket]:
    wishes = [wish for kernel in kernels for wish in kernel.sockets]
    if not wishes:
        return {}
    return {listening.name_of(wish): wish for wish in wishes}
