"""The homes that run on this machine, by the titles of their members; as far as /proc shows them to the caller."""

import os

from msgspec import Struct

from graced.home.titles import parse
from graced.posix import proc
from graced.spec.roles import MEMBERS


class Running(Struct, frozen=True):
    """`home` is the path as its members see it, inside of a container if they are in one; `pid`: the spawner's, or 0.

    `uid`: whose processes they are; `elsewhere`: they see another file system than the caller.
    """

    home: str
    uid: int
    elsewhere: bool
    pid: int
    members: tuple[str, ...]


def running() -> list[Running]:
    """One of each home, by path. A title is no proof: it is what the process calls itself."""
    mine = _namespace("self")
    found: dict[tuple[str, int, str], dict[str, int]] = {}
    for pid in proc.all_pids():
        try:
            title = parse(proc.slurp(f"/proc/{pid}/cmdline"))
            if title is None or title.role not in MEMBERS:
                continue
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:  # it has gone
            continue
        found.setdefault((title.home, uid, _namespace(str(pid))), {})[title.role] = pid
    return [
        Running(
            home,
            uid,
            bool(mine and namespace and namespace != mine),
            roles.get("spawner", 0),
            tuple(member for member in MEMBERS if member in roles),
        )
        for (home, uid, namespace), roles in sorted(found.items())
    ]


def _namespace(pid: str) -> str:
    """Of the mounts that a process sees; "" where that may not be known."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""
