"""The sources of a kernel as they were when it was healthy, kept in the home, and put back when a newer version fails.

Blobs are kept under their hash, a manifest for each kernel names them. Of folders in `sources` the code is kept (CODE),
of files that are named themselves whatever they are: data that the kernel writes beside its code is not rolled back.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from graced.mending.put import digest, replace_bytes
from graced.mending.walk import sources
from graced.posix.files import make_dir, write_whole
from graced.posix.undecodable import UNDECODABLE
from graced.store.text import is_valid

CODE: Final = (
    ".py", ".pyw", ".pyi", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".rb", ".pl", ".pm", ".php", ".lua", ".sh",
    ".bash", ".go", ".rs", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".sql", ".html", ".j2", ".jinja", ".jinja2",
    ".tmpl", ".css",
)  # fmt: skip
FILES_MAX: Final = 20_000
FILE_MAX_BYTES: Final = 4 * 1024 * 1024
TOTAL_MAX_BYTES: Final = 256 * 1024 * 1024


class Kept(Struct, frozen=True, array_like=True):
    """One file of a snapshot. `key`: of stat(2), so that an unchanged one need not be read."""

    path: str
    sha256: str
    mode: int
    key: str


class Manifest(Struct, frozen=True):
    """`proven`: the run it was taken of got long. `files` by path."""

    proven: bool
    files: dict[str, Kept] = {}


class Restored(Struct, frozen=True):
    """What was put back, and the folder where the newer versions are kept; `problem` when it could not be."""

    files: list[str]
    kept_in: str
    problem: str = ""


class Snapshots:
    """All of one home, under `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._blobs = os.path.join(folder, "blobs")

    def keep(self, kernel: str, roots: tuple[str, ...], barred: tuple[str, ...], proven: bool) -> bool:
        """Take a snapshot; one that is not `proven` only where there is none. Raises OSError."""
        old = self._read(kernel)
        if old is not None and not proven:
            return False
        make_dir(self._blobs, 0o700)
        files: dict[str, Kept] = {}
        total = 0
        for path, status in _code(roots, barred):
            total += status.st_size
            if len(files) >= FILES_MAX or total > TOTAL_MAX_BYTES:
                raise OSError(27, "the sources are too large for a snapshot")
            same = old.files.get(path) if old is not None else None
            key = _key(status)
            files[path] = same if same is not None and same.key == key else self._store(path, status)
        if old is not None and old.proven == proven and old.files == files:
            return False
        write_whole(self._manifest(kernel), msgspec.msgpack.encode(Manifest(proven, files)), durable=False)
        self._collect()
        return True

    def changed(self, kernel: str, roots: tuple[str, ...], barred: tuple[str, ...]) -> bool:
        """Are the sources other than in the snapshot? A first one that is all the same failed itself: forgotten."""
        manifest = self._read(kernel)
        if manifest is None:
            return False
        if any(True for _ in self._differing(manifest)):
            return True
        if not manifest.proven:
            with contextlib.suppress(OSError):
                os.unlink(self._manifest(kernel))
        return False

    def restore(self, kernel: str, keep_in: str) -> Restored:
        """Put back every file that differs; what was there is kept in the folder `keep_in`. May be done again."""
        manifest = self._read(kernel)
        if manifest is None:
            return Restored([], keep_in, "there is no snapshot")
        done: list[str] = _listed(keep_in)
        try:
            make_dir(keep_in, 0o700)
            for kept in list(self._differing(manifest)):
                self._put_back(kept, keep_in)
                done.append(kept.path)
                write_whole(os.path.join(keep_in, LIST), msgspec.json.encode(done), durable=False)
        except OSError as error:
            return Restored(done, keep_in, f"{error.filename or kernel}: {error.strerror or error}")
        return Restored(done, keep_in, "" if done else "nothing differs from the snapshot")

    # --- inside

    def _manifest(self, kernel: str) -> str:
        return os.path.join(self._folder, f"{kernel}.manifest")

    def _read(self, kernel: str) -> Manifest | None:
        try:
            with open(self._manifest(kernel), "rb") as file:
                return msgspec.msgpack.decode(file.read(), type=Manifest)
        except (OSError, *UNDECODABLE):
            return None

    def _store(self, path: str, status: os.stat_result) -> Kept:
        with open(path, "rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
        sha256 = digest(data)
        blob = os.path.join(self._blobs, sha256)
        if not os.path.exists(blob):
            write_whole(blob, data, durable=False)
        return Kept(path, sha256, stat.S_IMODE(status.st_mode), _key(status))

    def _differing(self, manifest: Manifest) -> Iterator[Kept]:
        for kept in manifest.files.values():
            try:
                if _key(os.stat(kept.path)) == kept.key:
                    continue
                with open(kept.path, "rb") as file:
                    if digest(file.read(FILE_MAX_BYTES + 1)) == kept.sha256:
                        continue
            except FileNotFoundError:
                pass
            except OSError:
                continue
            yield kept

    def _put_back(self, kept: Kept, keep_in: str) -> None:
        """Raises OSError."""
        with open(os.path.join(self._blobs, kept.sha256), "rb") as file:
            data = file.read()
        try:
            with open(kept.path, "rb") as file:
                newer = file.read()
        except FileNotFoundError:
            make_dir_of(kept.path)
            write_whole(kept.path, data, kept.mode)
            return
        place = os.path.join(keep_in, kept.path.lstrip("/"))
        make_dir_of(place)
        write_whole(place, newer)
        if not replace_bytes(kept.path, digest(newer), data, split=True):
            raise OSError(16, "somebody is changing it", kept.path)

    def _collect(self) -> None:
        """Blobs that no manifest names are taken away."""
        named: set[str] = set()
        for name in os.listdir(self._folder):
            if name.endswith(".manifest"):
                manifest = self._read(name.removesuffix(".manifest"))
                named.update(kept.sha256 for kept in manifest.files.values()) if manifest is not None else None
        for blob in os.listdir(self._blobs):
            if blob not in named and len(blob) == 64:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._blobs, blob))


LIST: Final = "restored.json"
"""In the folder with the newer versions: what has been put back so far."""


def _listed(keep_in: str) -> list[str]:
    try:
        with open(os.path.join(keep_in, LIST), "rb") as file:
            return msgspec.json.decode(file.read(), type=list[str])
    except (OSError, *UNDECODABLE):
        return []


def make_dir_of(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)


def _code(roots: tuple[str, ...], barred: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    for path in sources(roots, (), barred, CODE):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if is_valid(path) and stat.S_ISREG(status.st_mode) and status.st_size <= FILE_MAX_BYTES:
            yield path, status


def _key(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
