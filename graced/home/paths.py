"""Where everything of one graced is kept, and the addresses of its sockets."""

import os
from typing import Literal

from graced.posix.files import create_once, make_dir, write_whole

SUN_PATH_BYTES = 107
"""Longest path of a Unix socket, unix(7) (108 with its NUL); libzmq refuses longer ones too."""

SocketKind = Literal["hb", "cmd", "fds"]
"""hb: heartbeats (PUB/SUB); cmd: commands (ROUTER/DEALER); fds: descriptors, put and taken (a plain Unix socket)."""

_PRIVATE = 0o700
_ID_BYTES = 16


class Home:
    """The paths under one home. Nothing is made before `ensure`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.run = os.path.join(self.root, "run")
        self.audit = os.path.join(self.root, "audit")
        self.logs = os.path.join(self.root, "logs")
        self.kernels = os.path.join(self.root, "kernels")
        self.db = os.path.join(self.root, "state.db")
        self.config = os.path.join(self.root, "config")
        self.playbooks = os.path.join(self.root, "playbooks")
        self.environ = os.path.join(self.root, "environ")
        self.key = os.path.join(self.root, "key")
        self.id_path = os.path.join(self.root, "id")
        self.stopping = os.path.join(self.run, "stopping")
        self._id: str | None = None
        self._run_fd: int | None = None

    def lock(self, role: str) -> str:
        """The role lock of a member."""
        return os.path.join(self.run, f"{role}.lock")

    def restart_lock(self, role: str) -> str:
        """The lock that serialises whoever would restart a member."""
        return os.path.join(self.run, f"{role}.restart.lock")

    def log(self, name: str) -> str:
        """Output of a kernel or member."""
        return os.path.join(self.logs, f"{name}.log")

    def slot(self, kernel: str) -> str:
        """The run record of a kernel (see `slots`)."""
        return os.path.join(self.kernels, f"{kernel}.slot")

    def ensure(self) -> None:
        """Makes the folders, 0700. Raises OSError. A home that exists keeps its mode; what is in it is private."""
        if not os.path.isdir(self.root):
            make_dir(self.root, _PRIVATE)
        for folder in (self.run, self.audit, self.logs, self.kernels):
            make_dir(folder, _PRIVATE)

    def id(self) -> str:
        """The random id of this home, 32 hex digits, made at the first call ever. Raises OSError."""
        if self._id is None:
            if not os.path.exists(self.id_path):
                create_once(self.id_path, os.urandom(_ID_BYTES).hex().encode())
            with open(self.id_path, "rb") as file:
                found = file.read(4 * _ID_BYTES).decode("ascii", "replace").strip()
            if len(found) != 2 * _ID_BYTES:  # emptied by a person: a new identity, as kernels of the old are unknowable
                found = os.urandom(_ID_BYTES).hex()
                write_whole(self.id_path, found.encode())
            self._id = found
        return self._id

    # --- sockets

    def socket_path(self, role: str, kind: SocketKind) -> str:
        """Path of a socket in run/ that bind(2) and connect(2) take, however long the home's own path is.

        Past the limit it goes through a descriptor of run/, and so is good in this process alone.
        """
        name = f"{role}.{kind}"
        path = os.path.join(self.run, name)
        if len(os.fsencode(path)) <= SUN_PATH_BYTES:
            return path
        return f"/proc/self/fd/{self._open_run()}/{name}"

    def endpoint(self, role: str, kind: SocketKind) -> str:
        """The ZeroMQ address of a member's socket."""
        return f"ipc://{self.socket_path(role, kind)}"

    def socket_file(self, role: str, kind: SocketKind) -> str:
        """The path of the socket's file, of any length: to stat, to watch, to unlink, not to connect to."""
        return os.path.join(self.run, f"{role}.{kind}")

    def reopen_run(self) -> None:
        """Makes addresses that were given before lead into the new run/, once it was deleted and made again.

        Raises OSError.
        """
        if self._run_fd is not None:
            fresh = _open_folder(self.run)
            # The same number, as sockets reconnect by the text of their address.
            os.dup2(fresh, self._run_fd, inheritable=False)
            os.close(fresh)

    def _open_run(self) -> int:
        if self._run_fd is None:
            self._run_fd = _open_folder(self.run)
        return self._run_fd


def _open_folder(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
