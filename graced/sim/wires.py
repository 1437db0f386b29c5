"""The bus: heartbeats to everyone, commands to one role, with delays, losses and repeats on order.

Messages of one sender to one receiver keep their order, as ZeroMQ keeps it. A command to a role that nobody holds
waits for the next holder until its deadline, as the shell's resending does; one past its deadline is refused.
"""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from graced.core.vocabulary import Beat, Heard
from graced.sim.clock import Clock

if TYPE_CHECKING:
    from graced.sim.member import Member

BEAT_S: Final = 0.0003
COMMAND_S: Final = (0.0002, 0.0006)
CONNECT_S: Final = (0.002, 0.008)  # from a bind to the first message heard, both ways

Taken = Callable[["Member"], None]


class Disturbance(Struct):
    """What befalls messages from `source` to `target` ("" for all) until a moment.

    `share`: of them; those are lost, or come `delay` seconds late, or twice.
    """

    until: float
    what: str  # beats | commands
    source: str = ""
    target: str = ""
    share: float = 1.0
    lose: bool = False
    delay: float = 0.0
    repeat: bool = False


class Question(Struct):
    """A command that wants an answer: `answer` is called once, with None when there was none in time."""

    to: str
    answer: Callable[[Any], None]
    deadline: float
    done: bool = False


class Wires:
    """`bound`: role -> the process that holds its socket, alive or frozen."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self.clock, self.random = clock, random
        self.bound: dict[str, Member] = {}
        self.disturbances: list[Disturbance] = []
        self._parked: dict[str, list[tuple[Member, float, Taken]]] = {}
        self._last: dict[tuple[int, int, str], float] = {}
        self._late_until = 0.0
        self.troubled_at = 0.0  # when a command was last lost or late

    # --- who is there

    def bind(self, member: "Member") -> None:
        self.bound[member.role] = member
        self.clock.after(self.random.uniform(*CONNECT_S), member.process.deliver, self._connect, member)
        for sender, deadline, taken in self._parked.pop(member.role, ()):
            self._send(sender, member.role, deadline, taken)

    def _connect(self, member: "Member") -> None:
        """Subscriptions come through both ways: each side is told the other's current heartbeat (XPUB)."""
        member.linked = True
        self._publish(member, member.beat())
        for other in self.bound.values():
            if other is not member and other.linked:
                other.process.deliver(self._greet, other, member)

    def _greet(self, speaker: "Member", listener: "Member") -> None:
        self._beat_to(listener, speaker, Heard(speaker.beat()))

    def lost(self, member: "Member") -> None:
        if self.bound.get(member.role) is member:
            del self.bound[member.role]

    # --- heartbeats

    def publish(self, sender: "Member") -> None:
        self._publish(sender, sender.beat())

    def _publish(self, sender: "Member", beat: Beat) -> None:
        event = Heard(beat)
        listeners = [m for m in self.bound.values() if m.linked and m is not sender]
        if not self.disturbances and self.clock.now > self._late_until:
            self.clock.after(BEAT_S, _hear_all, listeners, event)
            return
        for listener in listeners:
            self._beat_to(listener, sender, event)

    def _beat_to(self, listener: "Member", sender: "Member", event: Heard) -> None:
        for at in self._arrivals("beats", sender, listener.role, listener.process.pid, BEAT_S):
            self.clock.at(at, _hear_all, (listener,), event)

    # --- commands

    def tell(self, sender: "Member", to: str, patience: float, taken: Taken) -> None:
        """Send a command; `taken` runs in the receiver unless it is lost or comes past its deadline."""
        self._send(sender, to, self.clock.now + patience, taken)

    def ask(
        self, sender: "Member", to: str, patience: float, question: Callable[["Member"], Any],
        answer: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Send a command; `answer` is called in the sender with what `question` gave in the receiver, or with None."""
        asked = Question(to, answer, self.clock.now + patience)
        sender.questions.append(asked)

        def taken(receiver: "Member") -> None:
            reply = question(receiver)
            for at in self._arrivals("commands", receiver, sender.role, sender.process.pid, self._lag()):
                self.clock.at(at, sender.process.deliver, sender.answered, asked, reply)

        self._send(sender, to, asked.deadline, taken)
        self.clock.at(asked.deadline, sender.process.deliver, sender.answered, asked, None)

    def _send(self, sender: "Member", to: str, deadline: float, taken: Taken) -> None:
        if not sender.process.alive:
            return  # it died in the middle of its turn
        receiver = self.bound.get(to)
        pid = receiver.process.pid if receiver else 0
        for at in self._arrivals("commands", sender, to, pid, self._lag()):
            self.clock.at(at, self._arrive, sender, to, deadline, taken)

    def _arrive(self, sender: "Member", to: str, deadline: float, taken: Taken) -> None:
        receiver = self.bound.get(to)
        if receiver is not None:
            receiver.process.deliver(self._take, receiver, deadline, taken)
        elif sender.process.alive and self.clock.now < deadline:
            self._parked.setdefault(to, []).append((sender, deadline, taken))

    def _take(self, receiver: "Member", deadline: float, taken: Taken) -> None:
        if self.clock.now <= deadline:
            taken(receiver)

    def _lag(self) -> float:
        return self.random.uniform(*COMMAND_S)

    # --- disturbances

    def _arrivals(self, what: str, sender: "Member", to: str, pid: int, delay: float) -> tuple[float, ...]:
        """When a message comes in: not at all when it is lost, twice when it is repeated."""
        now = self.clock.now
        copies = 1
        for d in self.disturbances:
            if d.what != what or d.source not in ("", sender.role) or d.target not in ("", to):
                continue
            if now >= d.until or self.random.random() > d.share:
                continue
            if what == "commands" and (d.lose or d.delay):
                self.troubled_at = now + d.delay
            if d.lose:
                return ()
            delay += d.delay
            copies += d.repeat
        key = (sender.process.pid, pid, what)
        at = max(now + delay, self._last.get(key, 0.0))
        if at > now + 0.001:
            self._last[key] = at
            self._late_until = max(self._late_until, at)
        return (at,) * copies

    def calm(self) -> None:
        """Forget disturbances that are over."""
        if self.disturbances:
            now = self.clock.now
            self.disturbances = [d for d in self.disturbances if d.until > now]


def _hear_all(listeners: "list[Member] | tuple[Member, ...]", event: Heard) -> None:
    for listener in listeners:
        listener.process.deliver(listener.hear, event)
