"""What the spawner tells self_healing of kernels, kept until somebody in that role has taken it."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from graced.bus.protocol import Reply, to_plain
from graced.core.orders import Report
from graced.core.vocabulary import Beat

if TYPE_CHECKING:
    from graced.members.shell import Shell

NEWS_MAX: Final = 4096  # reports kept for a self_healing that is away; older ones are dropped, a sync tells the rest
NEWS_TIMEOUT_S: Final = 1.0
LOG_S: Final = 0.25
"""For so long an exit is not told while the kernel's last words are on their way to its log, which is then read."""

LOG_LOOK_S: Final = 0.002


class News:
    """`unread`: of a kernel, whether it has printed what is not in its log yet."""

    def __init__(self, shell: "Shell", unread: Callable[[str], bool]) -> None:
        self._shell, self._unread = shell, unread
        self._items: deque[dict[str, Any]] = deque(maxlen=NEWS_MAX)
        self._count = 0
        self._sent = 0
        self._listener = 0  # incarnation of self_healing that has synced

    def report(self, report: Report) -> None:
        self._count += 1
        self._items.append(
            {
                "n": self._count,
                "what": report.what,
                "running": to_plain(report.running),
                "at": report.at,
                "text": report.text,
                "by_order": report.by_order,
                "wanting": report.wanting,
            }
        )

    def synced(self, incarnation: int) -> list[dict[str, Any]]:
        """This self_healing listens from now on; what nobody has taken."""
        self._listener = incarnation
        return list(self._items)

    def heard(self, beat: Beat) -> None:
        if beat.member == "self_healing" and beat.incarnation != self._listener:
            self._sent = 0

    def _early(self, now: float) -> bool:
        fresh = [item for item in self._items if item["n"] > self._sent and now - item["at"] < LOG_S]
        return any(item["what"] == "exited" and self._unread(item["running"]["run"]["kernel"]) for item in fresh)

    def tend(self, now: float) -> None:
        """Send what self_healing has not taken."""
        peer = self._shell.state.peers["self_healing"]
        if not self._items or self._sent >= self._count or peer.down or peer.incarnation != self._listener:
            return
        if self._early(now):
            self._shell.after(LOG_LOOK_S, lambda: None)
            return
        self._sent = top = self._count

        def taken(reply: Reply | None) -> None:
            if reply is not None and reply.ok:
                while self._items and self._items[0]["n"] <= top:
                    self._items.popleft()
            else:
                self._sent = 0

        self._shell.send("self_healing", "kernel.news", {"items": list(self._items)}, NEWS_TIMEOUT_S, taken)
