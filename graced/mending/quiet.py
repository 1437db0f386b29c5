"""Is a file left alone? Nobody has changed it for a while, and no editor's swap or lock file stands beside it.

What an editor leaves beside a file names it (vim, emacs, nano, kate, LibreOffice, JetBrains). One that names its
process as well counts only while that process lives: editors crash too.
"""

import os
import re
import struct
import time
from typing import Final

from msgspec import Struct

SWAP_MAX_BYTES: Final = 1024
SWAP_PID_AT: Final = 24
"""In the first block of vim's swap file, which nano writes alike: the pid, as four little-endian bytes."""
SWAP_HOST_AT: Final = 68
NAMES_MAX: Final = 20_000
"""Entries of a folder that are looked at: a larger one holds no source that is being edited."""

_SWAP: Final = re.compile(r"\.(?P<name>.+)\.sw[a-px]$")
_JETBRAINS: Final = re.compile(r"(?P<name>.+)___jb_(?:tmp|old|bak)___$")
BESIDE: Final = (
    (_SWAP, "vim"),
    (re.compile(r"\.#(?P<name>.+)$"), "emacs"),
    (re.compile(r"\.(?P<name>.+)\.kate-swp$"), "kate"),
    (re.compile(r"\.~lock\.(?P<name>.+)#$"), "an editor"),
    (_JETBRAINS, "a JetBrains editor"),
)
"""Names of what stands beside a file that is being edited, and of whom."""
PASSING_S: Final = 60.0
"""What stands there for the moment of a save alone is left over from a crash when it is older."""


class Look(Struct, frozen=True):
    """What was seen of a file. `age_s`: since its last change, by the clock of the machine; `editor`: who has it open,
    "" for nobody."""

    age_s: float
    editor: str = ""


def look(path: str, wall: float) -> Look | None:
    """`wall`: now, in seconds of 1970. None when the file is gone."""
    target = os.path.realpath(path)
    try:
        status = os.stat(target)
    except OSError:
        return None
    return Look(wall - status.st_ctime, editor_of(target))


def wait_s(seen: Look, settle_s: float) -> float:
    """Seconds until the file was left alone for long enough, 0 when it was; an editor's file is another matter.

    A time of change that lies ahead (another machine's clock) says nothing: `settle_s` from now.
    """
    return settle_s if seen.age_s < 0 else max(0.0, settle_s - seen.age_s)


def editor_of(target: str) -> str:
    """Who has the file open, "" for nobody that left a sign."""
    folder, name = os.path.split(target)
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    for each in names[:NAMES_MAX]:
        for pattern, editor in BESIDE:
            match = pattern.match(each)
            if match is not None and match["name"] == name and _is_live(os.path.join(folder, each)):
                return editor
    swap = os.path.join(_state_home(), "nvim", "swap", target.replace("/", "%") + ".swp")
    return "neovim" if os.path.exists(swap) and _is_live(swap) else ""


def _state_home() -> str:
    return os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")


def _is_live(path: str) -> bool:
    """False where it names a process of this machine that is dead."""
    try:
        if os.path.islink(path):  # emacs: USER@HOST.PID:BOOT
            match = re.match(r".*@(?P<host>.+)\.(?P<pid>\d{1,10})(?::\d+)?$", os.readlink(path))
            return match is None or match["host"] != _host() or _lives(int(match["pid"]))
        if _JETBRAINS.match(os.path.basename(path)):
            return time.time() - os.stat(path).st_mtime < PASSING_S
        if not path.endswith(".swp") and not _SWAP.match(os.path.basename(path)):
            return True
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            head = file.read(SWAP_MAX_BYTES)
    except OSError:
        return os.path.lexists(path)
    if len(head) < SWAP_HOST_AT + 1 or not head.startswith(b"b0"):
        return True
    host = head[SWAP_HOST_AT:].partition(b"\0")[0].decode("utf-8", "replace")
    pid = struct.unpack_from("<I", head, SWAP_PID_AT)[0]
    return host != _host()[: len(host) or None] or not pid or _lives(pid)


def _host() -> str:
    return os.uname().nodename


def _lives(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")
