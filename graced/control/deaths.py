"""Waiting for many deaths at once, by pidfd."""

import contextlib
import os
import select
from collections.abc import Iterable

from graced.posix import proc
from graced.posix.clock import monotonic
from graced.posix.proc import Identity


class Deaths:
    """Processes whose end is waited for. `close` lets go of those that live on."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._fds: dict[Identity, int] = {}
        self._identities: dict[int, Identity] = {}

    def add(self, identity: Identity) -> int | None:
        """Its pidfd, None when it is dead already."""
        fd = self._fds.get(identity)
        if fd is None:
            fd = proc.open_pidfd(identity)
            if fd is not None:
                self._fds[identity], self._identities[fd] = fd, identity
                self._poll.register(fd, select.POLLIN)
        return fd

    def send(self, identity: Identity, sig: int) -> bool:
        """Signals it and waits for it from now on; False when it is dead or another user's."""
        fd = self.add(identity)
        if fd is None:
            return False
        with contextlib.suppress(PermissionError):
            return proc.send(fd, sig)
        return False

    def wait(self, timeout_s: float) -> None:
        """Until all of them are dead, or `timeout_s` is over."""
        deadline = monotonic() + timeout_s
        while self._fds and (left_s := deadline - monotonic()) > 0:
            for fd, _ in self._poll.poll(max(1, int(left_s * 1000))):
                self._drop(fd)

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        del self._fds[self._identities.pop(fd)]
        os.close(fd)

    @property
    def left(self) -> list[Identity]:
        return list(self._fds)

    def close(self) -> None:
        for fd in list(self._identities):
            self._drop(fd)


def end_all(identities: Iterable[Identity], sig: int, timeout_s: float) -> list[Identity]:
    """Signals them and waits; those that are still alive after `timeout_s`."""
    deaths = Deaths()
    try:
        for identity in identities:
            deaths.send(identity, sig)
        deaths.wait(timeout_s)
        return deaths.left
    finally:
        deaths.close()
