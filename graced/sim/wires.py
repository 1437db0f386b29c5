"""The bus: heartbeats to everyone, commands to one member, with delays, losses and repeats on order.

Messages of one sender to one receiver keep their order, as ZeroMQ keeps it. They travel as bytes, as on the real bus.
"""

from random import Random
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from graced.bus.protocol import Ask, Reply, decode_ask, decode_reply, encode
from graced.core.vocabulary import Beat
from graced.sim.clock import Clock

if TYPE_CHECKING:
    from graced.sim.machine import Process
    from graced.sim.member import Member

BEAT_S: Final = 0.0003
COMMAND_S: Final = (0.0002, 0.0006)
CONNECT_S: Final = (0.002, 0.008)  # from a bind to the first message heard, both ways
QUEUE_MAX: Final = 1000  # messages that wait for one process, as ZeroMQ's high water mark has it


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


class Wires:
    """`bound`: role -> the process that holds its socket, alive or frozen."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self.clock, self.random = clock, random
        self.bound: dict[str, Member] = {}
        self.disturbances: list[Disturbance] = []
        self._last: dict[tuple[int, int, str], float] = {}
        self._late_until = 0.0
        self.troubled_at = 0.0  # when a command was last lost or late

    # --- who is there

    def bind(self, member: "Member") -> None:
        self.bound[member.role] = member
        self.clock.after(self.random.uniform(*CONNECT_S), self._connect, member)

    def _connect(self, member: "Member") -> None:
        """Subscriptions come through both ways: each side is told the other's current heartbeat (XPUB)."""
        if not member.process.alive:
            return
        member.linked = True
        if member.bus.current is not None:
            self.publish(member, member.bus.current)
        for other in self.bound.values():
            if other is not member and other.linked and other.bus.current is not None:
                self._beat_to(member, other, other.bus.current)

    def lost(self, member: "Member") -> None:
        if self.bound.get(member.role) is member:
            del self.bound[member.role]

    # --- heartbeats

    def publish(self, sender: "Member", beat: Beat) -> None:
        if not sender.linked:
            return
        listeners = [m for m in self.bound.values() if m.linked and m is not sender]
        if not self.disturbances and self.clock.now > self._late_until:
            self.clock.after(BEAT_S, _hear_all, listeners, beat)
            return
        for listener in listeners:
            self._beat_to(listener, sender, beat)

    def _beat_to(self, listener: "Member", sender: "Member", beat: Beat) -> None:
        for at in self._arrivals("beats", sender.role, sender.process.pid, listener, BEAT_S):
            self.clock.at(at, _hear_all, (listener,), beat)

    # --- commands

    def send(self, sender: "Process | None", role: str, to: str, ask: Ask) -> bool:
        """False when nobody is bound there: nothing was sent. `sender` None: a command of a person."""
        receiver = self.bound.get(to)
        if receiver is None or (sender is not None and not receiver.linked):
            return False
        address = str(sender.pid if sender is not None else 0).encode()
        data = encode(ask)
        pid = sender.pid if sender is not None else 0
        for at in self._arrivals("commands", role, pid, receiver, self._lag()):
            self.clock.at(at, self._arrive, receiver, address, data)
        return True

    def _arrive(self, receiver: "Member", address: bytes, data: bytes) -> None:
        if receiver.process.alive and len(receiver.bus.asked) < QUEUE_MAX:
            ask = decode_ask(data)
            assert ask is not None
            receiver.bus.asked.append((address, ask))
            receiver.wake()

    def reply(self, sender: "Member", receiver: "Member", reply: Reply) -> None:
        data = encode(reply)
        for at in self._arrivals("commands", sender.role, sender.process.pid, receiver, self._lag()):
            self.clock.at(at, self._answer, receiver, data)

    def _answer(self, receiver: "Member", data: bytes) -> None:
        if receiver.process.alive and len(receiver.bus.answered) < QUEUE_MAX:
            reply = decode_reply(data)
            assert reply is not None
            receiver.bus.answered.append(reply)
            receiver.wake()

    def _lag(self) -> float:
        return self.random.uniform(*COMMAND_S)

    # --- disturbances

    def _arrivals(self, what: str, role: str, pid: int, to: "Member", delay: float) -> tuple[float, ...]:
        """When a message comes in: not at all when it is lost, twice when it is repeated."""
        now = self.clock.now
        copies = 1
        for d in self.disturbances:
            if d.what != what or d.source not in ("", role) or d.target not in ("", to.role):
                continue
            if now >= d.until or self.random.random() > d.share:
                continue
            if what == "commands" and (d.lose or d.delay):
                self.troubled_at = now + d.delay
            if d.lose:
                return ()
            delay += d.delay
            copies += d.repeat
        key = (pid, to.process.pid, what)
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


def _hear_all(listeners: "list[Member] | tuple[Member, ...]", beat: Beat) -> None:
    for listener in listeners:
        if listener.process.alive and len(listener.bus.heard) < QUEUE_MAX:
            listener.bus.heard.append(beat)
            listener.wake()
