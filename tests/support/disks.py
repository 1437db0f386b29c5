"""Small file systems to try a home on: one that can be filled, one that can be made read-only. Needs root."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SIZE_MIB: Final = 8
BLOCK: Final = b"\0" * 4096


class Disk:
    """A tmpfs of SIZE_MIB at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Until not one block is free."""
        with open(self.path / "ballast", "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(BLOCK)
        with open(self.path / "ballast", "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0")

    def empty(self) -> None:
        (self.path / "ballast").unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Puts a read-only view of the disk over itself: what is open stays writable, nothing else is."""
        try:
            mount("--bind", str(self.path), str(self.path))
            mount("-o", "remount,bind,ro", str(self.path))
        except OSError as error:
            pytest.skip(f"cannot be made read-only here: {error}")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"mount {' '.join(words)}: {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Disk]:
    """Skips the test where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a tmpfs")
    path.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0700", "graced-test", str(path))
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)
