"""What `graced start` left in the home for everyone who comes back, held in memory: who notices it gone writes it back.

A person's `rm`, or a disk that ate a file, must not be found out by the next newborn, which would begin with nothing.
What stands in the place of a file (a folder, a FIFO, a file that may not be read) is replaced like garbage.
"""

import contextlib
import errno
import json
import os
from collections.abc import Callable
from typing import Final

from graced.home import identity
from graced.home.paths import Home
from graced.posix.files import read_small, write_over
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import from_json

KEY_BYTES: Final = 32
FOR_GOOD: Final = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EISDIR, errno.EFBIG)
"""What reading says of a file that is gone, another user's, none, or larger than any of ours. A failing disk says
EIO."""

Signature = tuple[int, int, int, int, int]
"""Inode, size, time of the last change, mode, owner."""


def _is_config(data: bytes) -> bool:
    try:
        from_json(data)
    except UNDECODABLE:
        return False
    return True


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except UNDECODABLE:
        return False


class KeptFiles:
    """configuration, environment, key, id and place of a home. What is there and makes sense is nobody's loss.

    The id is the one that this process was born with: another's, copied over it, is garbage.
    """

    def __init__(self, home: Home) -> None:
        self._good: dict[str, Callable[[bytes], bool]] = {
            home.config: _is_config,
            home.environ: _is_json,
            home.key: lambda data: len(data) >= KEY_BYTES,
            home.id_path: lambda data: data.strip() == self._id.encode(),
            home.place: self._is_place,
        }
        self._root = home.root
        self._id = home.id()
        self._data: dict[str, bytes] = {home.id_path: self._id.encode()}
        self._seen: dict[str, Signature] = {}

    def _is_place(self, data: bytes) -> bool:
        return data == self._data.get(identity.place_file(self._root))

    def look(self) -> list[str]:
        """Learns what is new and good; writes back what is gone or garbage. Sentences about what was written back."""
        with contextlib.suppress(OSError):  # the folder itself may be another one by now, made again by us
            self._data[identity.place_file(self._root)] = identity.encode(identity.here(self._root, self._id))
        return [told for path, good in self._good.items() if (told := self._look_at(path, good))]

    def _look_at(self, path: str, good: Callable[[bytes], bool]) -> str:
        seen = _signature(path)
        if seen is not None and seen == self._seen.get(path):
            return ""
        data = _read(path) if seen is not None else b""
        if data is not None and seen is not None and good(data):
            self._data[path], self._seen[path] = data, seen
            return ""
        if data is None or path not in self._data:  # the disk fails now, or it was never known
            return ""
        try:
            write_over(path, self._data[path], durable=False)
        except OSError:  # a full disk: tried again at the next look
            return ""
        return f"{os.path.basename(path)} was {'removed' if seen is None else 'overwritten'}: it was written back"


def _signature(path: str) -> Signature | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode, stat.st_uid


def _read(path: str) -> bytes | None:
    """The file's bytes; None when it cannot be read now, empty when something is there that nobody can ever read."""
    try:
        return read_small(path)
    except OSError as error:
        return b"" if error.errno in FOR_GOOD else None
