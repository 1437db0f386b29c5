"""Must a broken file wait before it is touched? While another tool works on it, or somebody may still be typing."""

import time
from typing import Final

from msgspec import Struct

from graced.mending.patience import Seen
from graced.mending.quiet import look, wait_s
from graced.mending.underway import underway

AGAIN_S: Final = 10.0
"""After which it is looked again whether an editor or a tool is done, unless somebody says otherwise."""


class Hold(Struct, frozen=True):
    """`why` in words; look again in `wait_s`. `by_tool`: nothing but the end of another tool's work ends it."""

    why: str
    wait_s: float
    by_tool: bool = False


def hold(path: str, settle_s: float, crashed: bool = False, again_s: float = AGAIN_S) -> Hold | None:
    """None: the file may be touched. `crashed`: a kernel fell over it, so nobody waits for the quiet."""
    doing = underway(path)
    if doing is not None:
        return Hold(f"a {doing} is under way: it is left alone until that is over", again_s, True)
    if crashed:
        return None
    seen = look(path, time.time())
    if seen is None:
        return None
    if seen.editor:
        return Hold(f"{seen.editor} has it open: it is left alone until it is closed", again_s)
    wait = wait_s(seen, settle_s)
    return (
        Hold(f"it was changed just now: left alone until nobody touched it for {settle_s:g} s", wait) if wait else None
    )


def looked_at(tasks: list[tuple[str, str, bool]], settle_s: float, again_s: float) -> list[Seen]:
    """Of each (task, path, crashed): whether it must wait."""
    found = []
    for task, path, crashed in tasks:
        held = hold(path, settle_s, crashed, again_s)
        found.append(Seen(task) if held is None else Seen(task, held.wait_s, held.why, held.by_tool))
    return found
