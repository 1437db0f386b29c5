"""One member's sockets: XPUB for its heartbeats, one SUB for everybody's, a ROUTER for commands, a DEALER per peer.

Measured rules (see ARCHITECTURE.md, "The bus"): a new subscriber is answered with the current heartbeat, so nobody
waits an interval for it; reconnect after 5 ms without backoff, and a peer that is absent for long is disconnected
until its socket file is another one; a command goes only to a connection that stands, never to a successor.
"""

import contextlib
import os
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import zmq

from graced.bus.protocol import MAX_MESSAGE_BYTES, Ask, Reply, decode_ask, decode_beat, decode_reply, encode
from graced.core.vocabulary import Beat
from graced.home.paths import Home
from graced.posix.clock import monotonic

RECONNECT_MS: Final = 5
ABSENT_S: Final = 2.0  # a peer that is away for longer is disconnected: trying every 5 ms costs CPU
AGAIN_S: Final = 6.0  # then it is tried once more for ABSENT_S: a process that was stopped has its old socket file
RECEIVE_BATCH: Final = 64  # messages taken from one socket before the loop looks at the others
UNSENT_MAX: Final = 256  # commands that wait for a connection; more than that is a bug, the oldest is dropped


class Bus:
    """All sockets of one process. Bind only after the role lock is held: libzmq steals the path of a live binder."""

    def __init__(self, home: Home, me: str) -> None:
        self.home, self.me = home, me
        with warnings.catch_warnings():
            # Python warns of threads at fork: our children close all descriptors and never touch this context.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._context = zmq.Context(1)
        self._context.set(zmq.MAX_SOCKETS, 256)
        self._xpub = self._socket(zmq.XPUB)
        self._xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._router = self._socket(zmq.ROUTER)
        self._sub = self._socket(zmq.SUB)
        self._sub.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._sub.setsockopt(zmq.SUBSCRIBE, b"")
        self.poller = zmq.Poller()
        for socket in (self._xpub, self._router, self._sub):
            self.poller.register(socket, zmq.POLLIN)
        self._dealers: dict[str, zmq.Socket[bytes]] = {}
        self._unsent: deque[tuple[str, Ask]] = deque(maxlen=UNSENT_MAX)
        self._away: dict[str, tuple[float, tuple[int, int] | None]] = {}  # peer -> (since, socket file then)
        self._connected: set[str] = set()
        self._greeter: zmq.Socket[bytes] | None = None
        self._beat = b""
        self._ready: dict[Any, int] = {}
        self._bind()

    def _socket(self, kind: int) -> "zmq.Socket[bytes]":
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        return socket

    def _bind(self) -> None:
        """Raises OSError: libzmq cannot replace the file of a dead socket where nothing may be written, for one."""
        try:
            self._router.bind(self.home.endpoint(self.me, "cmd"))
            self._xpub.bind(self.home.endpoint(self.me, "hb"))
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror, self.home.run) from None

    def poll(self, wait_ms: int) -> dict[Any, int]:
        """Wait for something to be readable; `asks`, `replies`, `beats` and `subscribers` take what is."""
        self._ready = dict(self.poller.poll(wait_ms))
        return self._ready

    def rebind(self) -> None:
        """After run/ was deleted and made again: new socket files, the old connections live on."""
        commands, heartbeats = self.home.endpoint(self.me, "cmd"), self.home.endpoint(self.me, "hb")
        for socket, address in ((self._router, commands), (self._xpub, heartbeats)):
            with contextlib.suppress(zmq.ZMQError):
                socket.unbind(address)
        self._bind()

    # --- heartbeats

    def publish(self, beat: Beat) -> None:
        self._beat = encode(beat)
        self._send_beat()

    def _send_beat(self) -> None:
        with contextlib.suppress(zmq.Again):
            self._xpub.send(self._beat, zmq.NOBLOCK)

    def subscribers(self) -> None:
        """Answer new subscriptions with the current heartbeat."""
        if self._xpub in self._ready:
            self.welcome()

    def welcome(self) -> None:
        """The same, without a poll before it: a newborn does so between the steps of its birth."""
        joined = False
        for message in self._received(self._xpub):
            joined = joined or message[:1] == b"\x01"
        if joined and self._beat:
            self._send_beat()

    def beats(self) -> Iterator[Beat]:
        if self._sub not in self._ready:
            return
        for message in self._received(self._sub):
            beat = decode_beat(message)
            if beat is not None:
                self._away.pop(beat.member, None)
                yield beat

    def _received(self, socket: "zmq.Socket[bytes]") -> Iterator[bytes]:
        for _ in range(RECEIVE_BATCH):
            try:
                yield socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return

    # --- who is followed

    def follow(self, peer: str) -> None:
        """Subscribe to a peer's heartbeats; again after it was given up. Until it is heard it counts as away."""
        if peer not in self._connected:
            self._sub.connect(self.home.endpoint(peer, "hb"))
            self._connected.add(peer)
        self._away[peer] = (monotonic(), self._socket_file(peer))

    def greet(self, peer: str, ask: Ask) -> None:
        """A newborn's first word to a peer that listens already and need not wait for its next try to connect."""
        self._greeter = self._socket(zmq.DEALER)
        self._greeter.connect(self.home.endpoint(peer, "cmd"))
        with contextlib.suppress(zmq.Again):
            self._greeter.send(encode(ask), zmq.NOBLOCK)

    def lost(self, peer: str, now: float) -> None:
        """The peer died: its command connection is closed with all that was under way; its successor gets a new one."""
        dealer = self._dealers.pop(peer, None)
        if dealer is not None:
            self.poller.unregister(dealer)
            dealer.close(0)
        self._unsent = deque(((to, ask) for to, ask in self._unsent if to != peer), UNSENT_MAX)
        self._away.setdefault(peer, (now, self._socket_file(peer)))

    def tend(self, now: float) -> None:
        """Give up peers that are away for long; take them up when their socket file is a new one."""
        if self._greeter is not None:
            self._greeter.close(0)
            self._greeter = None
        for peer, (since, was) in tuple(self._away.items()):
            same = self._socket_file(peer) == was
            if peer in self._connected:
                # With a new file the next try is about to succeed: it must not be taken for the old one.
                if same and now - since > ABSENT_S:
                    self._sub.disconnect(self.home.endpoint(peer, "hb"))
                    self._connected.discard(peer)
            elif not same or now - since > AGAIN_S:
                self.follow(peer)

    def _socket_file(self, peer: str) -> tuple[int, int] | None:
        try:
            stat = os.stat(self.home.socket_file(peer, "hb"))
        except OSError:
            return None
        return stat.st_ino, stat.st_ctime_ns

    # --- commands

    def connect(self, peer: str) -> None:
        """Have the command connection to a peer stand before it is needed."""
        if peer in self._dealers:
            return
        dealer = self._socket(zmq.DEALER)
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        dealer.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        dealer.connect(self.home.endpoint(peer, "cmd"))
        self._dealers[peer] = dealer
        self.poller.register(dealer, zmq.POLLIN)

    def send(self, peer: str, ask: Ask) -> bool:
        """Send a command, or keep it until the connection stands or its deadline has passed; False: it is kept."""
        self.connect(peer)
        sent = self._try(peer, ask)
        if not sent:
            self._unsent.append((peer, ask))
        return sent

    def _try(self, peer: str, ask: Ask) -> bool:
        dealer = self._dealers.get(peer)
        if dealer is None:
            return False
        try:
            dealer.send(encode(ask), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def resend(self, now: float) -> bool:
        """Try what is kept; True while something is left to be tried soon."""
        for _ in range(len(self._unsent)):
            peer, ask = self._unsent.popleft()
            if (ask.deadline == 0.0 or now < ask.deadline) and not self._try(peer, ask):
                self._unsent.append((peer, ask))
        return bool(self._unsent)

    def asks(self) -> Iterator[tuple[bytes, Ask]]:
        """Commands that came in, each with the address that `reply` needs."""
        if self._router not in self._ready:
            return
        for _ in range(RECEIVE_BATCH):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            ask = decode_ask(frames[-1])
            if ask is not None and len(frames) == 2:
                yield frames[0], ask

    def reply(self, address: bytes, reply: Reply) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self._router.send_multipart((address, encode(reply)), zmq.NOBLOCK)

    def replies(self) -> Iterator[Reply]:
        for dealer in tuple(self._dealers.values()):
            if dealer in self._ready:
                for message in self._received(dealer):
                    reply = decode_reply(message)
                    if reply is not None:
                        yield reply
