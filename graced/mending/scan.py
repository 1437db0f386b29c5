"""Which Python files of the watched trees do not compile. An unchanged file costs one stat(2)."""

import os
import stat

from msgspec import Struct

from graced.config.schema import Watch
from graced.mending.interpreter import Checker, Unusable
from graced.mending.put import MAX_FILE_BYTES, digest
from graced.mending.walk import sources
from graced.store.scanned import Scanned


class Broken(Struct, frozen=True):
    """A file that does not compile. `error`: what the interpreter said, "" for one that is as the last scan saw it."""

    path: str
    sha256: str
    error: str


class Findings(Struct, frozen=True):
    """What a scan saw: files that are new or changed, those that are gone, and all that is broken now.

    `mended`: those that the last scan saw broken, and that compile now. `trouble`: what could not be looked at.
    """

    changed: list[Scanned]
    gone: list[str]
    broken: list[Broken]
    mended: list[str]
    files: int
    trouble: list[str]


def scan(
    watch: tuple[Watch, ...], exclude: tuple[str, ...], known: dict[str, Scanned], barred: tuple[str, ...] = ()
) -> Findings:
    """Look at every file under the watched paths; what vanishes meanwhile, or may not be read, is passed over.

    An interpreter that cannot be asked makes its path `trouble`; what was known of the files there stays.
    """
    found = Findings([], [], [], [], 0, [])
    seen: set[str] = set()
    for root in watch:
        checker: Checker | None = None
        try:
            for path in sources((root.path,), exclude, barred):
                if path in seen:
                    continue
                old = known.get(path)
                key = _key(path)
                if key is None:
                    continue
                seen.add(path)
                if old is not None and old.key == key:
                    if not old.ok:
                        found.broken.append(Broken(path, old.sha256, ""))
                    continue
                checker = checker or Checker(root.python)
                if not _look(path, key, old, checker, found):
                    seen.discard(path)
        except Unusable as error:
            found.trouble.append(str(error))
            seen.update(path for path in known if path == root.path or path.startswith(root.path.rstrip("/") + "/"))
        finally:
            if checker is not None:
                checker.close()
    gone = [path for path in known if path not in seen]
    return Findings(found.changed, gone, found.broken, found.mended, len(seen), found.trouble)


def _key(path: str) -> str | None:
    """By what stat(2) says, whether a file is the one that was read; None for what is no file of a sane size."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        return None
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _look(path: str, key: str, old: Scanned | None, checker: Checker, found: Findings) -> bool:
    """Read a file that is new or changed; False when it cannot be."""
    try:
        with open(path, "rb") as file:
            source = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return False
    sha256 = digest(source)
    same = old if old is not None and old.sha256 == sha256 else None  # touched, or put back
    error = checker.error(source) if same is None else None if same.ok else ""
    found.changed.append(Scanned(path, key, sha256, error is None))
    if error is not None:
        found.broken.append(Broken(path, sha256, error))
    elif old is not None and not old.ok:
        found.mended.append(path)
    return True
