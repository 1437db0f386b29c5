"""The git repository that a file is in, by what lies there, without running git: where it is, whose it is, what is
under way in it.
"""

import os
import stat
from typing import Final

from msgspec import Struct

UP_MAX: Final = 64
"""Folders looked at from the file upwards."""
GITFILE_MAX_BYTES: Final = 4096


class Repository(Struct, frozen=True):
    """`top`: the folder of the work tree. `marks`: its `.git`, or of a linked work tree the folder of its own state."""

    top: str
    marks: str

    def trusted(self) -> bool:
        """Does all that git would believe belong to this user? Another's repository may name programs to run."""
        places = (self.top, os.path.join(self.top, ".git"), self.marks)
        try:
            return all(os.lstat(place).st_uid == os.geteuid() for place in places)
        except OSError:
            return False


def repository_of(path: str) -> Repository | None:
    """The innermost one that holds `path`; None where there is none."""
    folder = os.path.dirname(os.path.realpath(path))
    for _ in range(UP_MAX):
        marks = _marks(os.path.join(folder, ".git"))
        if marks is not None:
            return Repository(folder, marks)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return None


def _marks(entry: str) -> str | None:
    """The folder that `.git` is, or that it names as a file (gitrepository-layout(5)); None when it is neither."""
    try:
        status = os.lstat(entry)
        if not stat.S_ISREG(status.st_mode):
            return entry if os.path.isdir(entry) else None
        fd = os.open(entry, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            text = os.fsdecode(file.read(GITFILE_MAX_BYTES))
    except OSError:
        return None
    if not text.startswith("gitdir:"):
        return None
    named = os.path.join(os.path.dirname(entry), text.removeprefix("gitdir:").strip())
    return os.path.realpath(named) if os.path.isdir(named) else None
