"""Which files under a folder are Python source: .gitignore files and `exclude` honoured, nothing looked at twice."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from graced.mending.not_ours import is_bought_in, is_fixture_folder, lead_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SUFFIXES: Final = (".py", ".pyw")
NAMED: Final = (*SUFFIXES, ".pyi")
"""A walk takes no stubs: nothing runs them. Who names one means it."""
SHEBANG_MAX_BYTES: Final = 256
MAX_DEPTH: Final = 64
NEVER: Final = frozenset({".git", ".hg", ".svn", ".jj", "__pycache__"})
IGNORE_FILE: Final = ".gitignore"
IGNORE_MAX_BYTES: Final = 1024 * 1024
OURS: Final = ".graced-"
"""In the name of a file that is being put in place (graced.mending.put)."""

_SHEBANG: Final = re.compile(rb"(?:\xef\xbb\xbf)?#![^\r\n]*\b(?:python|pypy|uv run\b)")

Specs = tuple[tuple[int, "GitIgnoreSpec"], ...]
"""(length of the folder's path within the root and its slash, its patterns), outermost first."""


def is_python(path: str) -> bool:
    """Is a file that somebody named Python source, by its name or by its first line? False where it cannot be read."""
    if path.endswith(NAMED):
        return True
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
        with os.fdopen(fd, "rb") as file:
            return _SHEBANG.match(file.read(SHEBANG_MAX_BYTES) or b"") is not None
    except OSError:
        return False


def sources(
    roots: tuple[str, ...],
    exclude: tuple[str, ...] = (),
    barred: tuple[str, ...] = (),
    suffixes: tuple[str, ...] = SUFFIXES,
    only_ours: bool = False,
) -> Iterator[str]:
    """Absolute paths of the source files under `roots`; a root that is a file is source whatever its name.

    Of a repository the .gitignore files above a root count as well.
    A root that is missing, and what vanishes or may not be read meanwhile, is passed over. Symbolic links to folders
    are not entered, so loops are no trouble; a link to a file is followed, unless the file is met in the tree itself.
    Folders named in `barred` (absolute) are not entered either: graced's own home may lie in what it watches.
    `only_ours`: nor those of `graced.mending.not_ours`, unless `exclude` takes them back in by a pattern with `!`.
    """
    excluded = spec_of(exclude) if exclude else None
    for root in roots:
        path = os.path.abspath(root)
        if os.path.isdir(path):
            walk = _Walk(path, _repository(path), barred, suffixes, excluded, only_ours)
            yield from _walk(walk, path, 0, _specs_above(walk))
        elif os.path.isfile(path):
            yield path


class _Walk(NamedTuple):
    """What stays the same in one walk. `top`: the repository that the root is in, else the root; "" for `/`."""

    root: str
    top: str
    barred: tuple[str, ...]
    suffixes: tuple[str, ...]
    excluded: "GitIgnoreSpec | None"
    only_ours: bool = False

    def is_not_ours(self, path: str, name: str) -> bool:
        """Is the folder one of `not_ours`, and not taken back in?"""
        if not self.only_ours:
            return False
        inside = path[len(self.root.rstrip(os.sep)) + 1 :]
        if not is_bought_in([name]) and not is_fixture_folder(lead_of(self.root) + inside):
            return False
        return self.excluded is None or self.excluded.check_file(inside + "/").include is not False

    def leaves_out(self, path: str, specs: Specs, is_folder: bool = False, exclude: bool = True) -> bool:
        """`exclude` cannot be overruled; else the innermost .gitignore that says anything decides, as git has it."""
        if not specs and self.excluded is None:
            return False
        end = "/" if is_folder else ""
        if exclude and self.excluded is not None and self.excluded.match_file(path[len(self.root) + 1 :] + end):
            return True
        inside = path[len(self.top) + 1 :] + end
        for base, spec in reversed(specs):
            include = spec.check_file(inside[base:]).include
            if include is not None:
                return bool(include)
        return False


def _walk(walk: _Walk, folder: str, depth: int, specs: Specs) -> Iterator[str]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=_name)
    except OSError:
        return
    specs = _with_ignore_file(specs, entries, len(folder.rstrip(os.sep)) - len(walk.top))
    for entry in entries:
        name = entry.name
        if name.endswith(walk.suffixes):
            if OURS in name or walk.leaves_out(entry.path, specs):
                continue
            if entry.is_symlink() and not _leads_out(entry.path, walk.root):
                continue
            if not entry.is_file():  # a folder or a FIFO called x.py
                continue
            yield entry.path
        elif name not in NEVER and depth < MAX_DEPTH and _is_folder(entry):
            if entry.path in walk.barred or walk.leaves_out(entry.path, specs, is_folder=True):
                continue
            if walk.is_not_ours(entry.path, name):
                continue
            yield from _walk(walk, entry.path, depth + 1, specs)


def _name(entry: "os.DirEntry[str]") -> str:
    return entry.name


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _leads_out(path: str, root: str) -> bool:
    """Does the link name a file that a walk of the root does not meet by itself?"""
    target = os.path.realpath(path)
    return os.path.isfile(target) and not target.startswith(os.path.realpath(root) + os.sep)


def _repository(root: str) -> str:
    """The nearest folder from `root` upwards that holds `.git`; `root` where none does."""
    folder = root
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return root.rstrip(os.sep)
        folder = above
    return folder.rstrip(os.sep)


def _specs_above(walk: _Walk) -> Specs:
    """What the .gitignore files above the root say, from the repository's own on; nothing if they leave the root out.

    Who names an ignored folder means it, as with a file.
    """
    specs: Specs = ()
    folder = walk.top
    for name in walk.root[len(walk.top) :].split(os.sep)[1:]:
        specs = _with_spec(specs, os.path.join(folder or os.sep, IGNORE_FILE), len(folder) - len(walk.top))
        folder = f"{folder}{os.sep}{name}"
        if walk.leaves_out(folder, specs, is_folder=True, exclude=False):
            return ()
    return specs


def _with_ignore_file(specs: Specs, entries: "list[os.DirEntry[str]]", base: int) -> Specs:
    for entry in entries:
        if entry.name == IGNORE_FILE:
            return _with_spec(specs, entry.path, base)
    return specs


def _with_spec(specs: Specs, path: str, base: int) -> Specs:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return (*specs, (base, spec_of(file.read(IGNORE_MAX_BYTES).splitlines())))
    except (OSError, ValueError):
        return specs


def spec_of(lines: tuple[str, ...] | list[str]) -> "GitIgnoreSpec":
    """The patterns; of those that are none at all the rest stand."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
