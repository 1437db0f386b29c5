"""One look at all of /proc for a whole home, instead of one for each of its kernels."""

from typing import NamedTuple

from graced.posix import proc
from graced.posix.tree import members_of


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
