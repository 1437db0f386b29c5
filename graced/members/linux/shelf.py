"""Descriptors that outlive the spawner: the watchdog keeps copies of all kept sockets and hands them to the next one.

Over run/ROLE.fds, a SOCK_SEQPACKET socket; each message is a line of text, with a descriptor where it says so:
  set            what is kept so far is dropped
  keep NAME + fd
  fetch          answered by `keep NAME` + fd for each, then `end`
The spawner has such a socket too: a spawner that finds the role held leaves there what systemd gave to it.
"""

import _socket
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Final

from graced.home.paths import Home
from graced.members.linux.loop import Loop
from graced.posix import passing

KIND: Final = "fds"
KEPT_MAX: Final = 256
BACKLOG: Final = 8
FETCH_S: Final = 0.3
"""For the whole answer of a watchdog; a newborn spawner waits for it, and the watchdog may be stopped."""

_SEQPACKET: Final = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC

Taken = Callable[[str, int], None]


class Shelf:
    """One member's end that takes in. `kept`: by name; with `taken` each goes there instead, as the callee's own."""

    def __init__(self, home: Home, role: str, loop: Loop, interval_s: float, taken: Taken | None = None) -> None:
        self._home, self._role, self._loop, self._taken = home, role, loop, taken
        self._interval_s = interval_s
        self.kept: dict[str, int] = {}
        self._listener: _socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._looked = 0.0
        self._listen()

    def tend(self, now: float) -> None:
        """Once an interval: bind again if run/ was deleted."""
        if now - self._looked < self._interval_s:
            return
        self._looked = now
        if self._file() != self._inode or self._inode is None:
            self._listen()

    def _file(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._home.socket_file(self._role, KIND))
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _listen(self) -> None:
        home, me = self._home, self._role
        if self._listener is not None:
            self._loop.drop(self._listener.fileno())
            self._listener.close()
            self._listener = None
        listener = _socket.socket(_socket.AF_UNIX, _SEQPACKET | _socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(home.socket_file(me, KIND))  # a dead predecessor's: the role lock is ours
            listener.bind(home.socket_path(me, KIND))
            listener.listen(BACKLOG)
        except OSError:  # run/ is away, or the disk is full: tried again at the next look
            listener.close()
            return
        self._listener, self._inode = listener, self._file()
        self._loop.add(listener.fileno(), self._accept)

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
            channel = _socket.socket(fileno=fd)
            channel.setblocking(False)
            self._loop.add(fd, lambda: self._readable(channel))

    def _readable(self, channel: _socket.socket) -> None:
        try:
            text, fd = passing.receive(channel)
        except BlockingIOError:
            return
        except OSError:
            text, fd = "", None
        verb, _, name = text.partition(" ")
        match verb:
            case "set":
                self._clear()
            case "keep" if fd is not None:
                self._keep(name, fd)
                return
            case "fetch":
                with contextlib.suppress(OSError):  # a peer that does not read gets no more
                    for kept, kept_fd in self.kept.items():
                        passing.send(channel, f"keep {kept}", kept_fd)
                    passing.send(channel, "end")
            case _:
                self._loop.drop(channel.fileno())
                channel.close()
        if fd is not None:
            os.close(fd)

    def _keep(self, name: str, fd: int) -> None:
        if self._taken is not None:
            self._taken(name, fd)
            return
        old = self.kept.pop(name, None)
        if old is not None:
            os.close(old)
        if len(self.kept) >= KEPT_MAX:
            os.close(fd)
            return
        self.kept[name] = fd

    def _clear(self) -> None:
        for fd in self.kept.values():
            os.close(fd)
        self.kept.clear()


def put(home: Home, role: str, fds: Mapping[str, int], whole: bool = True) -> bool:
    """Leaves copies of `fds` with a member; `whole`: it drops what it had. False when it does not take them now."""
    channel = _connect(home, role)
    if channel is None:
        return False
    try:
        channel.setblocking(False)
        if whole:
            passing.send(channel, "set")
        for name, fd in fds.items():
            passing.send(channel, f"keep {name}", fd)
    except OSError:
        return False
    finally:
        channel.close()
    return True


def fetch(home: Home, role: str) -> dict[str, int]:
    """What a member keeps, as descriptors of our own; {} when it keeps nothing or does not answer in FETCH_S."""
    found: dict[str, int] = {}
    channel = _connect(home, role)
    if channel is None:
        return found
    try:
        channel.settimeout(FETCH_S)
        passing.send(channel, "fetch")
        while True:
            text, fd = passing.receive(channel)
            verb, _, name = text.partition(" ")
            if verb != "keep" or fd is None:
                return found
            if name in found:
                os.close(found[name])
            found[name] = fd
    except OSError:
        return found
    finally:
        channel.close()


def _connect(home: Home, role: str) -> _socket.socket | None:
    channel = _socket.socket(_socket.AF_UNIX, _SEQPACKET)
    try:
        channel.settimeout(FETCH_S)
        channel.connect(home.socket_path(role, KIND))
    except OSError:
        channel.close()
        return None
    return channel
