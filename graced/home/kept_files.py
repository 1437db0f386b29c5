"""What `graced start` left in the home for everyone who comes back, held in memory: who notices it gone writes it back.

A person's `rm`, or a disk that ate a file, must not be found out by the next newborn, which would begin with nothing.
"""

import json
import os
from collections.abc import Callable
from typing import Final

from graced.home.paths import Home
from graced.posix.files import write_whole
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import from_json

MAX_BYTES: Final = 16 * 1024 * 1024
KEY_BYTES: Final = 32

Signature = tuple[int, int, int]
"""Inode, size, time of the last change."""


def _is_config(data: bytes) -> bool:
    try:
        from_json(data)
    except UNDECODABLE:
        return False
    return True


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


class KeptFiles:
    """configuration, environment, key and id of a home. What is there and makes sense is nobody's loss."""

    def __init__(self, home: Home) -> None:
        self._good: dict[str, Callable[[bytes], bool]] = {
            home.config: _is_config,
            home.environ: _is_json,
            home.key: lambda data: len(data) >= KEY_BYTES,
            home.id_path: lambda data: bool(data.strip()),
        }
        self._data: dict[str, bytes] = {}
        self._seen: dict[str, Signature] = {}

    def look(self) -> list[str]:
        """Learns what is new and good; writes back what is gone or garbage. Sentences about what was written back."""
        return [told for path, good in self._good.items() if (told := self._look_at(path, good))]

    def _look_at(self, path: str, good: Callable[[bytes], bool]) -> str:
        seen = _signature(path)
        if seen is not None and seen == self._seen.get(path):
            return ""
        data = _read(path) if seen is not None else b""
        if data is not None and seen is not None and good(data):
            self._data[path], self._seen[path] = data, seen
            return ""
        if data is None or path not in self._data:  # it may not be read, or was never known
            return ""
        try:
            write_whole(path, self._data[path], durable=False)
        except OSError:  # a full disk: tried again at the next look
            return ""
        return f"{os.path.basename(path)} was {'removed' if seen is None else 'overwritten'}: it was written back"


def _signature(path: str) -> Signature | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _read(path: str) -> bytes | None:
    """The file's bytes; None when it may not be read now."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return b""
    except OSError:
        return None
