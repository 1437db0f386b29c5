"""Which Python files of the watched trees do not compile. An unchanged file costs one stat(2)."""

import os
import stat

from msgspec import Struct

from graced.mending.interpreter import Checker, Unusable, python_of
from graced.mending.kept_texts import keep, sweep, with_newest
from graced.mending.put import MAX_FILE_BYTES, digest
from graced.mending.walk import sources
from graced.spec.config import Watch
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
    watch: tuple[Watch, ...],
    exclude: tuple[str, ...],
    known: dict[str, Scanned],
    barred: tuple[str, ...] = (),
    kernels: tuple[Watch, ...] = (),
    texts: str = "",
) -> Findings:
    """Look at every file under the watched paths; what vanishes meanwhile, or may not be read, is passed over.

    `kernels`: the interpreters that run what is in them. One that cannot be asked is told of as `trouble`; what was
    known of its files stays. `texts`: the folder in which the text of what compiles is kept, if any.
    """
    found = Findings([], [], [], [], 0, [])
    seen: set[str] = set()
    checkers: dict[str | None, Checker | None] = {}  # None: it cannot be asked
    try:
        for path in sources(tuple(root.path for root in watch), exclude, barred, only_ours=True):
            if path in seen:
                continue
            old = known.get(path)
            python = python_of(path, watch, kernels)
            key = _key(path, python)
            if key is None:
                continue
            seen.add(path)
            if old is not None and old.key == key:
                if not old.ok:
                    found.broken.append(Broken(path, old.sha256, ""))
                continue
            if python not in checkers:
                checkers[python] = _checker(python, found)
            checker = checkers[python]
            if checker is not None and not _look(path, key, old, checker, found, texts):
                seen.discard(path)
    finally:
        for checker in checkers.values():
            if checker is not None:
                checker.close()
    gone = [path for path in known if path not in seen]
    if texts and (found.changed or gone):
        files = {**known, **{each.path: each for each in found.changed}}
        sweep(texts, {sha256 for path in seen if path in files for sha256 in files[path].good.split()})
    return Findings(found.changed, gone, found.broken, found.mended, len(seen), found.trouble)


def _checker(python: str | None, found: Findings) -> Checker | None:
    try:
        return Checker(python)
    except Unusable as error:
        found.trouble.append(str(error))
        return None


def _key(path: str, python: str | None) -> str | None:
    """By what stat(2) says, whether a file is the one that was read, and for which interpreter; None for what is no
    file of a sane size."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        return None
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}{_asked(python)}"


def _asked(python: str | None) -> str:
    return f"@{python!a}" if python is not None else ""


def _look(path: str, key: str, old: Scanned | None, checker: Checker, found: Findings, texts: str) -> bool:
    """Read a file that is new or changed; False when it cannot be."""
    try:
        with open(path, "rb") as file:
            source = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return False
    sha256 = digest(source)
    asked = key.partition("@")[2]
    same = None
    if old is not None and old.sha256 == sha256 and old.key.partition("@")[2] == asked:  # touched, or put back
        same = old
    error = checker.error(source) if same is None else None if same.ok else ""
    good = old.good if old is not None else ""
    if error is None and texts and keep(texts, sha256, source):
        good = with_newest(good, sha256)
    found.changed.append(Scanned(path, key, sha256, error is None, good))
    if error is not None:
        found.broken.append(Broken(path, sha256, error))
    elif old is not None and not old.ok:
        found.mended.append(path)
    return True
