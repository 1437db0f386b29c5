"""A `graced stop` that is asked for from inside: by a kernel, a shell or an agent that runs below graced itself.

It would be ended with the tree that it ends, half way, and all be healed again. So the work is done by a process that
has left that tree: in a session of its own, named in run/stopping from its first instant, which is how everyone
spares it.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Final

from graced.control.errors import EX_FAILED
from graced.home.paths import Home
from graced.home.presence import presences
from graced.home.slots import identity_of, stored_slots
from graced.home.stopping import announce
from graced.posix import proc
from graced.posix.scan import HOME_TAG

CHAIN_MAX: Final = 64
"""Generations that are looked up for an ancestor that is ours."""


def is_inside(home: Home) -> bool:
    """Is this process below a kernel or a member of the home: by its environment, or by an ancestor?"""
    if os.environ.get(HOME_TAG) == home.known_id():
        return True
    ours = {here.pid for here in presences(home).values() if here.alive}
    runs = [slot.run for slot in stored_slots(home).values() if slot.run.pid > 0]
    ours |= {run.pid for run in runs if proc.alive(identity_of(run))}
    pid: int | None = os.getppid()
    for _ in range(CHAIN_MAX):
        if not pid:
            return False
        if pid in ours:
            return True
        pid = proc.parent_of(pid)
    return False


def carry_out(home: Home, work: Callable[[], int]) -> int:
    """Has `work` done by a process outside of the caller's tree, with the same output; its exit code.

    Returns in the caller alone, if that one lives to see it.
    """
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(reader)
        _be_outside(home, work, writer)
    os.close(writer)
    os.waitpid(middle, 0)
    with os.fdopen(reader, "rb") as answer:
        told = answer.read()
    return int(told) if told else EX_FAILED


def _be_outside(home: Home, work: Callable[[], int], writer: int) -> None:
    code = EX_FAILED
    try:
        with contextlib.suppress(OSError):
            home.ensure()
        announce(home)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        code = work()
    finally:
        with contextlib.suppress(OSError):  # the caller was in the tree that is no more
            os.write(writer, str(code).encode())
        os._exit(code)
