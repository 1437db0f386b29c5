"""Processes as the kernel shows them, read without any code of the product."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Final, NamedTuple

DEAD_STATES: Final = "ZXx"
STOPPED_STATE: Final = "T"
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Identity(NamedTuple):
    """One process, whatever becomes of its pid. start_ticks: field 22 of proc_pid_stat(5)."""

    pid: int
    start_ticks: int


class Stat(NamedTuple):
    pid: int
    state: str
    ppid: int
    session: int
    start_ticks: int

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks)

    @property
    def dead(self) -> bool:
        return self.state in DEAD_STATES


def stat(pid: int) -> Stat | None:
    """None when there is no such process, not even a zombie."""
    text = slurp(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return Stat(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def identify(pid: int) -> Identity | None:
    """None for a dead process, a zombie too."""
    found = stat(pid)
    return None if found is None or found.dead else found.identity


def alive(identity: Identity) -> bool:
    """A stopped process is alive, a zombie is not."""
    return identify(identity.pid) == identity


def stopped(identity: Identity) -> bool:
    found = stat(identity.pid)
    return found is not None and found.identity == identity and found.state == STOPPED_STATE


def send(identity: Identity, sig: int) -> bool:
    """Signals that very process; False when it is dead, or not born yet (pid 0)."""
    if identity.pid <= 0:
        return False
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(identity):
            return False
        signal.pidfd_send_signal(fd, sig)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def everyone() -> Iterator[Stat]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                yield found


def title(pid: int) -> str:
    """The command line with blanks between the words; "" for what has no memory any more."""
    return slurp(f"/proc/{pid}/cmdline").replace(b"\0", b" ").strip().decode(errors="replace")


def environ(pid: int) -> dict[str, str]:
    """As it was given to exec(2); empty or garbage for a process that wrote its title over it."""
    found: dict[str, str] = {}
    for entry in slurp(f"/proc/{pid}/environ").split(b"\0"):
        name, equals, value = entry.decode(errors="replace").partition("=")
        if equals:
            found[name] = value
    return found


def open_paths(pid: int) -> list[str]:
    paths: list[str] = []
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                paths.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return paths


SLURP_BYTES: Final = 64 * 1024 * 1024


def slurp(path: str) -> bytes:
    """What stands in a file; empty where there is none. A FIFO or an endless device in its place holds nobody up."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read(SLURP_BYTES) or b""
    except OSError:
        return b""
