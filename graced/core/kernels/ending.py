"""How a run is ended: `stop.command`, then `stop.signal`, then KILL to the whole tree once `stop.timeout` is over.

One course for `graced stop`, `stop NAME`, `restart` and whoever else ends a run. Who looks at the processes asks
`step` at every change what is due. Pure.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.spec.config import Stop

Act = Literal["wait", "command", "main", "tree", "kill"]
"""command: run it. main: signal the first process. tree: signal all that were not signalled yet. kill: all of it."""


class Course(Struct, frozen=True):
    """How far the end of one run has got. `began`: seconds of CLOCK_MONOTONIC."""

    stop: Stop
    began: float
    stage: Literal["begun", "commanded", "signalled"] = "begun"

    @property
    def over_at(self) -> float:
        """When politeness is over."""
        return self.began + self.stop.timeout_s


def step(course: Course, now: float, *, command: bool, main: bool) -> tuple[Course, Act]:
    """What is due while something of the run is alive. `command`: stop.command is running; `main`: the first process.

    A pool ends by the hand of its first process, so that alone is signalled (`to: main`). What it leaves behind is
    signalled too, and has the rest of the time.
    """
    if now >= course.over_at:
        return course, "kill"
    if course.stage == "begun" and course.stop.command is not None:
        return replace(course, stage="commanded"), "command"
    if course.stage == "commanded" and command:
        return course, "wait"
    if course.stop.to == "tree" or not main:
        return replace(course, stage="signalled"), "tree"
    return replace(course, stage="signalled"), "wait" if course.stage == "signalled" else "main"
