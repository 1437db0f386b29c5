"""Which Python files of the watched trees do not compile. An unchanged file costs one stat(2)."""

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from graced.store.scanned import Scanned

MAX_FILE_BYTES: Final = 1024 * 1024  # a larger file is no source that anybody wrote
MAX_DEPTH: Final = 64
SUFFIXES: Final = (".py", ".pyw")


class Broken(Struct, frozen=True):
    """A file that does not compile; `error` is what the interpreter said."""

    path: str
    sha256: str
    error: str


class Findings(Struct, frozen=True):
    """What a scan saw: files that are new or changed, those that are gone, and all that is broken now."""

    changed: list[Scanned]
    gone: list[str]
    broken: list[Broken]
    files: int


def scan(roots: tuple[str, ...], exclude: tuple[str, ...], known: dict[str, Scanned]) -> Findings:
    """Look at every file under `roots`. Files that vanish meanwhile, or may not be read, are passed over."""
    changed: list[Scanned] = []
    broken: list[Broken] = []
    seen: set[str] = set()
    for path in sources(roots, exclude):
        if path in seen:
            continue
        seen.add(path)
        found = _look(path, known.get(path))
        if found is None:
            seen.discard(path)
            continue
        entry, error = found
        if entry is not known.get(path):
            changed.append(entry)
        if not entry.ok:
            broken.append(Broken(path, entry.sha256, error))
    return Findings(changed, [p for p in known if p not in seen], broken, len(seen))


def _look(path: str, old: Scanned | None) -> tuple[Scanned, str] | None:
    try:
        status = os.stat(path)
        key = f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
        if old is not None and old.key == key and old.ok:
            return old, ""
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
            return None
        with open(path, "rb") as file:
            source = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None
    from graced.repair import compiles

    error = compiles(source)
    entry = Scanned(path, key, hashlib.sha256(source).hexdigest(), error is None)
    return (old if entry == old and old is not None else entry), error or ""


def sources(roots: tuple[str, ...], exclude: tuple[str, ...]) -> Iterator[str]:
    """Python files under `roots`, .gitignore files and `exclude` honoured; symlinked folders are not entered."""
    from pathspec import GitIgnoreSpec

    barred = GitIgnoreSpec.from_lines(exclude)
    for root in roots:
        if os.path.isfile(root):
            yield os.path.abspath(root)
        else:
            yield from _walk(os.path.abspath(root), "", [("", barred)], 0)


def _walk(root: str, inside: str, specs: list[tuple[str, Any]], depth: int) -> Iterator[str]:
    from pathspec import GitIgnoreSpec

    folder = os.path.join(root, inside) if inside else root
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return
    if any(e.name == ".gitignore" for e in entries):
        try:
            with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
                specs = [*specs, (inside, GitIgnoreSpec.from_lines(file))]
        except (OSError, ValueError):
            pass
    for entry in entries:
        relative = f"{inside}/{entry.name}" if inside else entry.name
        try:
            folder_here = entry.is_dir(follow_symlinks=False)
        except OSError:
            continue
        if folder_here:
            if entry.name == ".git" or depth >= MAX_DEPTH or _ignored(relative + "/", specs):
                continue
            yield from _walk(root, relative, specs, depth + 1)
        elif entry.name.endswith(SUFFIXES) and not _ignored(relative, specs):
            yield entry.path


def _ignored(relative: str, specs: list[tuple[str, Any]]) -> bool:
    """The last .gitignore that says anything decides, as git has it."""
    for base, spec in reversed(specs):
        inside = relative[len(base) + 1 :] if base else relative
        include = spec.check_file(inside).include
        if include is not None:
            return bool(include)
    return False
