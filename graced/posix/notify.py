"""What a service says to systemd (sd_notify(3)), and which unit it is. Imports nothing but what is loaded anyway."""

from __future__ import annotations

import _socket  # `socket` costs 8 ms of enums, and this stands before READY
import os

TYPE_CHECKING = False  # `typing` costs as much as a third of the way to READY
if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
FIRST_LISTEN_FD = 3
"""SD_LISTEN_FDS_START."""


def outer(environ: Mapping[str, str] = os.environ) -> bool:
    """Is there an outer supervisor that wants to be told?"""
    return bool(environ.get(ADDRESS))


def say(*lines: str, fds: tuple[int, ...] = ()) -> bool:
    """One datagram of `lines`; False when nobody listens or it cannot be taken now. Never blocks, never raises."""
    address = os.environ.get(ADDRESS, "")
    if address[:1] not in ("/", "@"):
        return False
    where = "\0" + address[1:] if address[0] == "@" else address
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _packed(fds))] if fds else []
    try:
        speaker = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
        try:
            speaker.sendmsg(["\n".join(lines).encode()], rights, 0, where)
        finally:
            speaker.close()
    except OSError:
        return False
    return True


def _packed(fds: tuple[int, ...]) -> bytes:
    import array

    return array.array("i", fds).tobytes()


def watchdog_s() -> float | None:
    """Seconds within which systemd wants WATCHDOG=1; None when it does not.

    WATCHDOG_PID is not looked at: a spawner that a survivor started has it from its predecessor, and feeds it too.
    """
    try:
        found = int(os.environ.get(WATCHDOG, ""))
    except ValueError:
        return None
    return found / 1e6 if found > 0 and outer() else None


def unit(cgroup: str | None = None) -> tuple[str, bool] | None:
    """(name of the .service that this process runs in, whether it is one of a user's manager); None outside of one.

    cgroup: the text of /proc/PID/cgroup, by default the caller's.
    """
    if cgroup is None:
        try:
            with open("/proc/self/cgroup") as file:
                cgroup = file.read()
        except OSError:
            return None
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and controllers != "name=systemd":
            continue
        parts = path.split("/")
        services = [part for part in parts if part.endswith(".service")]
        if services:
            return services[-1], any(part.startswith("user@") for part in services[:-1])
    return None


def received(environ: Mapping[str, str] = os.environ) -> dict[str, list[int]]:
    """Descriptors that systemd gave to this very process, by the names under which they were stored."""
    try:
        count = int(environ.get("LISTEN_FDS", "0"))
        if int(environ.get("LISTEN_PID", "0")) != os.getpid():
            return {}
    except ValueError:
        return {}
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[int]] = {}
    for n in range(count):
        fd = FIRST_LISTEN_FD + n
        os.set_inheritable(fd, False)
        found.setdefault(names[n] if n < len(names) else "", []).append(fd)
    return found
