"""Open descriptors from process to process: SCM_RIGHTS, unix(7), with the other's help, pidfd_getfd(2) without it."""

import _socket
import array
import os
from typing import Final

from graced.posix import proc

_SYS_PIDFD_GETFD: Final = 438
"""The same on every architecture, as of all system calls since 424."""

TEXT_BYTES: Final = 4096
_INT_BYTES: Final = array.array("i").itemsize


def send(channel: "_socket.socket", text: str, fd: int | None = None) -> None:
    """One message of a SOCK_SEQPACKET channel. Raises OSError."""
    rights = [] if fd is None else [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())]
    channel.sendmsg([text.encode()], rights)


def receive(channel: "_socket.socket") -> tuple[str, int | None]:
    """One message; ("", None) at the end. The descriptor is O_CLOEXEC and the caller's own. Raises OSError."""
    data, rights, _, _ = channel.recvmsg(TEXT_BYTES, _socket.CMSG_SPACE(_INT_BYTES), _socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, packed in rights:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds.frombytes(packed[: len(packed) - len(packed) % _INT_BYTES])
    for extra in fds[1:]:
        os.close(extra)
    return data.decode(errors="replace"), fds[0] if fds else None


def take_from(identity: proc.Identity, number: int) -> int | None:
    """A copy (O_CLOEXEC) of descriptor `number` of another process, also of a stopped one; None when it may not be had.

    Needs the rights of ptrace(2): the same user is not enough where Yama's ptrace_scope is 1 or more.
    """
    import ctypes

    pidfd = proc.open_pidfd(identity)
    if pidfd is None:
        return None
    try:
        fd = int(ctypes.CDLL(None, use_errno=True).syscall(_SYS_PIDFD_GETFD, pidfd, number, 0))
    finally:
        os.close(pidfd)
    return fd if fd >= 0 else None


def sockets_of(pid: int) -> list[int]:
    """Numbers of a process's descriptors that are sockets; [] when it may not be looked at."""
    found = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                found.append(int(name))
    except OSError:
        return found
    return sorted(found)
