"""Listening sockets as `sockets` of a kernel and systemd's ListenStream= write them."""

import contextlib
import errno
import os
import socket
import stat
from typing import Final, Protocol

BACKLOG: Final = 4096
"""Clients that wait for a kernel that is away; the system's own limit (net.core.somaxconn) is below or at it."""


class Wish(Protocol):
    """An address as it is asked for. `host` None: all addresses; `path`: a Unix socket, and then no port."""

    @property
    def spec(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def path(self) -> str | None: ...


def bind(wish: Wish) -> int:
    """A listening socket (O_CLOEXEC). Raises OSError whose `strerror` is a sentence."""
    try:
        listener = _bind_path(wish.path) if wish.path is not None else _bind_port(wish.host, wish.port or 0)
    except OSError as error:
        raise OSError(error.errno or errno.EIO, f"sockets: {wish.spec}: {error.strerror or error}") from None
    return listener.detach()


def _bind_path(path: str) -> socket.socket:
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o666)  # as systemd's SocketMode=
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _clear(path: str) -> None:
    """Removes the socket file of a dead listener; one that answers stays, and bind(2) says that it is in use."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(0)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        with contextlib.suppress(OSError):
            os.unlink(path)
    except OSError:
        pass
    finally:
        probe.close()


def _bind_port(host: str | None, port: int) -> socket.socket:
    if host is None:  # all addresses of both families; without IPv6 those of the other
        with contextlib.suppress(OSError):
            return _listen(socket.AF_INET6, ("::", port), both=True)
        return _listen(socket.AF_INET, ("0.0.0.0", port))
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"no address of {host}: {error.strerror}") from None
    family, _, _, _, address = found[0]
    return _listen(family, address)


def _listen(family: int, address: object, both: bool = False) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def file_of(wish: Wish) -> tuple[int, int] | None:
    """(device, inode) of the socket file at the address; None for a port, and where no socket is."""
    if wish.path is None:
        return None
    try:
        found = os.lstat(wish.path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def is_it(fd: int, wish: Wish) -> bool:
    """Whether the descriptor is a listening socket at that address."""
    try:
        copy = socket.socket(fileno=os.dup(fd))
    except OSError:
        return False
    try:
        if not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        here = copy.getsockname()
    except OSError:
        return False
    finally:
        copy.close()
    if wish.path is not None:
        return bool(here == wish.path)
    if not isinstance(here, tuple) or here[1] != wish.port:
        return False
    return here[0] in _addresses(wish.host)


def _addresses(host: str | None) -> set[str]:
    if host is None:
        return {"::", "0.0.0.0"}
    try:
        return {str(address[0]) for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return {host}


def name_of(wish: Wish) -> str:
    """Its name in LISTEN_FDNAMES and in systemd's fd store, where a colon would end the name."""
    return wish.spec.replace(":", "_")
