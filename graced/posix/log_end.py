"""The end of a log file, without reading the rest of it."""

import os
from typing import Final

TAIL_BYTES: Final = 8192


def last_lines(path: str, count: int) -> list[str]:
    """The last `count` lines that are not blank; [] when the file cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES))
    except OSError:
        return []
    finally:
        os.close(fd)
    return [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()][-count:]
