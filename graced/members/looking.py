"""One look at all of /proc for a whole home, instead of one for each of its kernels."""

from typing import Final, NamedTuple

from graced.posix import proc
from graced.posix.tree import members_of

RUN_DIGITS: Final = 15
"""So many digits a run has at most: more is no number of ours."""


def run_number(text: str) -> int:
    """The run that a mark names; 0 for what is none (`isdigit` holds for `²` as well, and int() refuses 5,000
    digits)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= RUN_DIGITS else 0


class Look(NamedTuple):
    """One look at all of /proc: which (kernel, run) of this home have processes, and which sessions there are."""

    runs: frozenset[tuple[str, str]]
    sessions: frozenset[int]


def look(home_id: str) -> Look:
    environs = [proc.environ(i.pid) for i in members_of({"GRACED_HOME_ID": home_id})]
    runs = frozenset(
        (e["GRACED_KERNEL"], e["GRACED_RUN"]) for e in environs if "GRACED_KERNEL" in e and "GRACED_RUN" in e
    )
    stats = [proc.read_stat(pid) for pid in proc.all_pids()]
    return Look(runs, frozenset(s.session for s in stats if s is not None and not s.dead))
