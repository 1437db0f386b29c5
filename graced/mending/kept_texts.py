"""The texts that watched files had when they last compiled, by content: `past/SHA256` in the home, compressed.

Whose text is whose stands in state.db (`Scanned.good`). A text that no file names any more goes, and past
KEPT_MAX_BYTES the oldest go as well: they only help a repair, and git may know them too.
"""

import contextlib
import os
import zlib
from collections.abc import Collection
from typing import Final

from graced.mending.put import MAX_FILE_BYTES, digest
from graced.posix.files import make_dir, write_whole

KEPT_MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all kept texts together, compressed: some 15,000 files of ordinary size."""
VERSIONS: Final = 3
"""Texts of one file that are kept."""
LEVEL: Final = 1


def keep(folder: str, sha256: str, source: bytes) -> bool:
    """Keep the text, if it is not kept already; False when it cannot be: a full disk stops no scan."""
    path = os.path.join(folder, sha256)
    try:
        if not os.path.exists(path):
            make_dir(folder, 0o700)
            write_whole(path, zlib.compress(source, LEVEL), durable=False)
    except OSError:
        return False
    return True


def kept(folder: str, sha256: str) -> bytes | None:
    """The text, None when it is not kept, or is not what its name says any more."""
    try:
        with open(os.path.join(folder, sha256), "rb") as file:
            opened = zlib.decompressobj()
            source = opened.decompress(file.read(2 * MAX_FILE_BYTES), MAX_FILE_BYTES + 1)
    except (OSError, ValueError, zlib.error):
        return None
    return source if digest(source) == sha256 else None


def sweep(folder: str, wanted: Collection[str], most_bytes: int = KEPT_MAX_BYTES) -> None:
    """Take away what nobody wants, and the oldest of the rest until it is within the limit."""
    left: list[tuple[float, int, str]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name in wanted:
                    left.append((status.st_mtime, status.st_size, entry.path))
                else:
                    os.unlink(entry.path)
    over = sum(size for _, size, _ in left) - most_bytes
    for _, size, path in sorted(left):
        if over <= 0:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            over -= size


def with_newest(good: str, sha256: str) -> str:
    """The list of a file's good versions (hashes with spaces between, newest first) with one more."""
    rest = [each for each in good.split() if each != sha256]
    return " ".join([sha256, *rest][:VERSIONS])
