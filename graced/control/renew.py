"""Restart of a member by a person: it ends itself, the others bring it back, and it has a greater incarnation then."""

import signal
import time
from typing import Final

from graced.bus.client import ask
from graced.control.errors import Refusal, not_running
from graced.home.paths import Home
from graced.home.presence import Presence, anyone, presence
from graced.posix import proc
from graced.posix.clock import monotonic
from graced.status.compose_members import member_statuses
from graced.status.gather import gather

RESIGN_S: Final = 1.0
"""A member that has not ended itself by then is hung, and is killed: the person wants another."""

BACK_S: Final = 60.0
POLL_S: Final = 0.03


def restart_member(home: Home, member: str) -> None:
    """Returns once the successor is healthy. Raises Refusal when that takes longer than BACK_S."""
    if not anyone(home):
        raise not_running(home.root)
    before = presence(home, member)
    if before.alive:
        _end(home, member, before)
    deadline = monotonic() + BACK_S
    while monotonic() < deadline:
        now = member_statuses(gather(home, {}))[member]
        if now.state == "healthy" and now.incarnation > before.incarnation:
            return
        if not anyone(home):
            raise Refusal("nobody is left to bring it back: start graced with `graced start`")
        time.sleep(POLL_S)
    raise Refusal(f"{member} is not healthy again after {BACK_S:g} s; `graced status {member}` tells why")


def _end(home: Home, member: str, before: Presence) -> None:
    assert before.record is not None
    identity = before.record.identity
    ask(home, member, "resign", {"reason": "restarted by a person"}, RESIGN_S, before.incarnation)
    deadline = monotonic() + RESIGN_S
    while proc.alive(identity):
        if monotonic() >= deadline:
            proc.signal_identity(identity, signal.SIGKILL)
            return
        time.sleep(POLL_S / 3)
