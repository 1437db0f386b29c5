"""What travels on the bus, in MessagePack. Heartbeats are `graced.core.vocabulary.Beat`, the arguments of commands are
in `graced.bus.verbs`; the rest is here.

A command carries an id (a repeat is harmless), the incarnation it is meant for (0: any) and a deadline in
seconds of CLOCK_MONOTONIC (0: none); the receiver refuses the late, the repeated and what is for another.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from graced.core.vocabulary import Beat
from graced.posix.undecodable import UNDECODABLE
from graced.spec.run import Run

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024


class Ask(Struct, frozen=True, array_like=True):
    """A command to one member. `verb` is one of `graced.bus.verbs.VERBS`; `args` are its plain arguments."""

    id: str
    verb: str
    args: dict[str, Any] = {}
    sender: str = ""
    incarnation: int = 0
    deadline: float = 0.0


class Asked(Struct, frozen=True):
    """Who waits for the answer to a command, as whoever takes it needs it."""

    id: str
    sender: str
    address: bytes


class Reply(Struct, frozen=True, array_like=True):
    """The answer to `id`. `error` is one line for people when `ok` is false."""

    id: str
    ok: bool
    data: Any = None
    error: str = ""


class PeerView(Struct, frozen=True):
    """One member as another sees it. `age`: seconds since its last heartbeat, -1 if never heard."""

    state: str
    evidence: str
    pid: int
    start_ticks: int
    incarnation: int
    age: float


class KernelView(Struct, frozen=True):
    """One kernel as self_healing has it. A `run.pid` of 0: it is not alive; `due`: seconds of CLOCK_MONOTONIC, or 0."""

    run: Run
    state: str
    reason: str
    restarts: int
    exit: Any
    critical: bool
    rung: str | None
    wanted: bool
    stopped_by_person: bool
    due: float


class View(Struct, frozen=True):
    """A member's answer to `status`: itself, its peers, its work. `pending` audit records wait to be written."""

    member: str
    pid: int
    start_ticks: int
    incarnation: int
    born: float
    now: float
    healthy: bool
    lag: float
    peers: dict[str, PeerView]
    runs: list[dict[str, Any]]  # {id, playbook, targets, tier, step, incident}
    emergency: str = ""  # incident of the open emergency, on the watchdog
    leases: list[dict[str, Any]] = []  # on delegates: {agent, powers, incident, expires_in}
    pending: int = 0
    degraded: bool = False
    detail: dict[str, Any] = {}
    kernels: dict[str, KernelView] | None = None  # self_healing only
    failing: dict[str, str] = {}  # spawner only: members whose starts do not become healthy, and why


_encoder = msgspec.msgpack.Encoder()
_beats = msgspec.msgpack.Decoder(Beat)
_asks = msgspec.msgpack.Decoder(Ask)
_replies = msgspec.msgpack.Decoder(Reply)


def encode(message: Any) -> bytes:
    return _encoder.encode(message)


def to_plain(value: Any) -> Any:
    """A struct as plain dicts and lists, for `args` and `data`."""
    return msgspec.to_builtins(value)


def decode_beat(data: bytes) -> Beat | None:
    """None for what is no heartbeat: a message that cannot be read is dropped, never an error."""
    try:
        return _beats.decode(data)
    except UNDECODABLE:
        return None


def decode_ask(data: bytes) -> Ask | None:
    try:
        return _asks.decode(data)
    except UNDECODABLE:
        return None


def decode_reply(data: bytes) -> Reply | None:
    try:
        return _replies.decode(data)
    except UNDECODABLE:
        return None
