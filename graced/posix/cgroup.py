"""cgroups v2: one leaf a kernel, below a cgroup that is delegated to us (systemd: Delegate=yes). See cgroups(7)."""

import contextlib
import os
from typing import Final

DELEGATED: Final = ("user.delegate", "trusted.delegate")
"""Extended attributes by which systemd marks a cgroup as another's to divide."""

LEAF: Final = "kernel-"
"""Before the kernel's name: no file of the cgroup itself is called like that."""


def own() -> str | None:
    """The folder of this process's cgroup; None where no cgroup2 is mounted."""
    try:
        with open("/proc/self/cgroup") as file:
            mine = next((line[3:].strip() for line in file if line.startswith("0::")), "")
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return None
    top = next((words[4] for words in mounts if words[words.index("-") + 1] == "cgroup2"), None)
    return None if top is None else top + (mine if mine != "/" else "")


def is_delegated(folder: str) -> bool:
    """May we make cgroups below it? Root may write everywhere, but that is not to say that it is ours to divide."""
    for name in DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return os.access(os.path.join(folder, "cgroup.procs"), os.W_OK)
    return False


def delegated() -> str | None:
    """The folder below which leaves may be made; None where there is none."""
    folder = own()
    return folder if folder is not None and is_delegated(folder) else None


class Leaves:
    """The leaves below `top`; with None there are none, and nothing here does anything."""

    def __init__(self, top: str | None) -> None:
        self._top = top

    def put(self, kernel: str, pid: int) -> None:
        """Moves a newborn into the kernel's leaf. What it forked before that is not in it: other proofs find that."""
        if self._top is None:
            return
        folder = os.path.join(self._top, LEAF + kernel)
        with contextlib.suppress(OSError):  # one that cannot be put there is ended by the other ways
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o755)
            with open(os.path.join(folder, "cgroup.procs"), "w") as file:
                file.write(str(pid))

    def of(self, kernel: str) -> str | None:
        """The kernel's leaf, if it has one."""
        if self._top is None:
            return None
        folder = os.path.join(self._top, LEAF + kernel)
        return folder if os.path.isdir(folder) else None

    def is_populated(self, kernel: str) -> bool:
        """Is any process in the kernel's leaf?"""
        if self._top is None:
            return False
        try:
            with open(os.path.join(self._top, LEAF + kernel, "cgroup.events")) as file:
                return "populated 1" in file.read()
        except OSError:
            return False
