"""Small files that a member's loop reads and writes."""

import os
from typing import Final

from graced.home.kept import read_key
from graced.home.kept_files import KeptFiles
from graced.home.paths import Home
from graced.posix.files import write_whole
from graced.posix.log_end import last_lines

NOTE_MAX_BYTES: Final = 65536


class Files:
    def __init__(self, home: Home) -> None:
        self._home = home
        self.look = KeptFiles(home).look
        self.home_id = home.id
        self.real = os.path.realpath

    def key(self) -> bytes:
        return read_key(self._home)

    def digest(self, path: str) -> str:
        from graced.mending.put import digest, read_source

        return digest(read_source(path))

    def last_lines(self, name: str, count: int) -> list[str]:
        return last_lines(self._home.log(name), count)

    def tail(self, name: str, newer_than: float, most: int | None = None) -> tuple[str, float]:
        from graced.mending.failure import TAIL_BYTES, tail_of

        return tail_of(self._home.log(name), newer_than, most or TAIL_BYTES)

    def read_note(self, path: str) -> bytes:
        try:
            with open(path, "rb") as file:
                return file.read(NOTE_MAX_BYTES)
        except OSError:
            return b""

    def write_note(self, path: str, data: bytes) -> None:
        write_whole(path, data, durable=False)
