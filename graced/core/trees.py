"""Which children of the spawner a tree kill must spare. Pure: from facts about one process."""

from msgspec import Struct


class Facts(Struct, frozen=True):
    """What is known of a child that is neither a member nor the first process of a run, against one run.

    `exiting`: it is gone, or bears no marks any more. `foreign`: it says that it is of another home. `marks`:
    (kernel, run) in its first environment, None when it has none of this home. `in_session`: of the run's first
    process. `writes_log`: it has the kernel's log open.
    """

    exiting: bool = False
    foreign: bool = False
    marks: tuple[str, str] | None = None
    in_session: bool = False
    writes_log: bool = False


def spared(facts: Facts, kernel: str, run: int, others_alive: bool) -> bool:
    """Must it be spared when the tree of `run` of `kernel` is killed?

    One that shows nothing may be any kernel's daemon: it is killed only if there is no other kernel that it could
    belong to (`others_alive`: there is).
    """
    if facts.exiting:
        return False  # to kill it harms nobody; its own children come to us
    if facts.foreign:
        return True
    if facts.marks is not None:
        return facts.marks != (kernel, str(run))
    return not (facts.in_session or facts.writes_log) and others_alive
