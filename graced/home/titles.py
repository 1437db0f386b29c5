"""Process titles: which member of which home a process is, for `ps`, and for another graced that finds it among its
own.

A title overwrites the memory that /proc/PID/environ shows, so a member bears no marks but this one.
"""

import re
from typing import Final, NamedTuple

_TITLE: Final = re.compile(
    r"graced(?:: (?P<member>\w+)(?P<worker> worker)?| (?P<newborn>\w+) \(starting\)) \[(?P<home>.*)\]"
)


class Title(NamedTuple):
    """`role`: the member that the process is; empty for a worker, and for a newborn that has no role yet."""

    role: str
    home: str


def of_member(home_root: str, member: str) -> str:
    return f"graced: {member} [{home_root}]"


def of_worker(home_root: str, member: str) -> str:
    return f"graced: {member} worker [{home_root}]"


def of_newborn(home_root: str, member: str) -> str:
    """Until it holds its role."""
    return f"graced {member} (starting) [{home_root}]"


def parse(cmdline: bytes) -> Title | None:
    """What a title says, by /proc/PID/cmdline; None for any other command line, and for a title that was cut short."""
    found = _TITLE.fullmatch(cmdline.rstrip(b"\0 ").decode(errors="surrogateescape"))
    if found is None:
        return None
    return Title(found["member"] or "" if not found["worker"] else "", found["home"])
