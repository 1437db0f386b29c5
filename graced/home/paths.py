"""Where everything of one graced is kept, and the addresses of its sockets."""

import contextlib
import os
from typing import Literal

from graced.home import identity
from graced.home.locks import is_held_by, read_record
from graced.posix.files import make_dir
from graced.posix.flock import open_lock_file
from graced.spec.roles import MEMBERS

SUN_PATH_BYTES = 107
"""Longest path of a Unix socket, unix(7) (108 with its NUL); libzmq refuses longer ones too."""

SocketKind = Literal["hb", "cmd", "fds"]
"""hb: heartbeats (PUB/SUB); cmd: commands (ROUTER/DEALER); fds: descriptors, put and taken (a plain Unix socket)."""

_PRIVATE = 0o700


class Home:
    """The paths under one home. Nothing is made before `ensure`.

    id: of this home, where the caller knows it: whoever runs in it was told at its birth, and needs no file for it.
    """

    def __init__(self, root: str, id: str | None = None) -> None:
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
        self.id_path = identity.id_file(self.root)
        self.place = identity.place_file(self.root)
        self.start_lock = os.path.join(self.root, "start.lock")
        self.stopping = os.path.join(self.run, "stopping")
        self._id = id
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
        """Makes the folders, 0700, and every lock, so that none needs a free inode or a writable disk when it is taken.

        Raises OSError. A home that exists keeps its mode; what is in it is private.
        """
        if not os.path.isdir(self.root):
            make_dir(self.root, _PRIVATE)
        for folder in (self.run, self.audit, self.logs, self.kernels):
            make_dir(folder, _PRIVATE)
        for path in (self.start_lock, *(path for m in MEMBERS for path in (self.lock(m), self.restart_lock(m)))):
            if not os.path.lexists(path):
                with contextlib.suppress(FileExistsError):
                    os.close(open_lock_file(path))

    # --- which home it is

    def id(self) -> str:
        """The random id of this home, 32 hex digits, made at the first call ever, and anew in a copy.

        Only for who has the right to run here: everyone else asks for `known_id`. On a full disk it is in memory
        alone, from where members write it as soon as they can.
        """
        if self._id is None:
            self._id = self.known_id() or identity.new_id()
            with contextlib.suppress(OSError):
                identity.settle(self.root, self._id)
        return self._id

    def known_id(self) -> str | None:
        """The id, where it has one that is its own; nothing is made."""
        if self._id is not None:
            return self._id
        return identity.known_id(self.root) if self.is_ours() else None

    def is_ours(self) -> bool:
        """False in a copy, or where a home was moved to: what is recorded there is of another home."""
        return self._id is not None or identity.is_at_home(self.root) or identity.is_at_home(self.root, self._holders())

    def _holders(self) -> list[int]:
        records = [(self.lock(member), read_record(self.lock(member))) for member in MEMBERS]
        return [record.pid for path, record in records if record is not None and is_held_by(path, record)]

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
