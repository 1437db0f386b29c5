"""A member's (event, now) stream with the actions that the core answered, kept for `graced.sim.conformance`.

Off unless GRACED_RECORD names a folder. One file a process: a header, then for each step what went in and came out,
each a MessagePack value with its length before it. Nothing is buffered: a kill -9 costs the step that it fell into.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.core import member
from graced.core.state import State, Stepped
from graced.core.vocabulary import Event

if TYPE_CHECKING:
    from graced.members.shell import Shell

FOLDER: Final = "GRACED_RECORD"
STEPS_MAX: Final = 200_000  # of one process; what comes after is not kept
LENGTH_BYTES: Final = 4

Step = Callable[[State, Event, float], Stepped]


def named(value: msgspec.Struct) -> list[Any]:
    """An event or action with the name of its type, as plain values."""
    return [type(value).__name__, value]


def recorder(write: Callable[[bytes], Any], state: State) -> Step:
    """A `member.step` that writes what goes in and comes out; `state`: from which the first step is taken."""
    left = STEPS_MAX

    def put(value: Any) -> None:
        data = msgspec.msgpack.encode(value)
        write(len(data).to_bytes(LENGTH_BYTES, "big") + data)

    put(state)

    def step(state: State, event: Event, now: float) -> Stepped:
        nonlocal left
        stepped = member.step(state, event, now)
        if left:
            left -= 1
            put([named(event), now, [named(action) for action in stepped[1]]])
        return stepped

    return step


def record(shell: "Shell", folder: str) -> None:
    """From now on. A folder that cannot be written to is no reason not to heal."""
    try:
        path = os.path.join(folder, f"{shell.me}-{shell.incarnation}-{shell.identity.pid}.steps")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    shell.step = recorder(lambda data: os.write(fd, data), shell.state)
