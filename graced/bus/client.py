"""Asking members from outside, as the command line does: one command to each, all at once, within one limit of time."""

import contextlib
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import zmq

from graced.bus.protocol import MAX_MESSAGE_BYTES, Ask, Reply, decode_reply, encode
from graced.home.paths import Home
from graced.home.presence import presence
from graced.posix.clock import monotonic

SENDER: Final = "cli"
RECONNECT_MS: Final = 5
MUTE: Final = frozenset({"gone", "zombie", "stopped", "traced"})
"""Of these no answer can come, so nobody waits for it."""

Question = tuple[str, Mapping[str, Any]]
"""(verb, args); see `verbs.VERBS`."""


def ask(
    home: Home,
    member: str,
    verb: str,
    args: Mapping[str, Any] | None = None,
    timeout_s: float = 1.0,
    incarnation: int = 0,
) -> Reply | None:
    """Sends one command to one member. None when the member does not run or does not answer in time; it may still act.

    incarnation: refused by any other than this one of the member; 0 means any.
    """
    return ask_many(home, {member: (verb, args or {})}, timeout_s, incarnation).get(member)


def ask_many(home: Home, questions: Mapping[str, Question], timeout_s: float, incarnation: int = 0) -> dict[str, Reply]:
    """The answers that came within `timeout_s`, by member. Whoever is dead or stopped is not asked."""
    awake = {member: question for member, question in questions.items() if listens(home, member)}
    if not awake:
        return {}
    deadline = monotonic() + timeout_s
    asks = {
        member: Ask(os.urandom(12).hex(), verb, dict(args), SENDER, incarnation, deadline)
        for member, (verb, args) in awake.items()
    }
    return _exchange(home, asks, deadline)


@cache
def _context() -> "zmq.Context[Any]":
    """One for the life of the command, never ended: ending waits for each socket, and a Ctrl-C may leave one open."""
    return zmq.Context(1)


def listens(home: Home, member: str) -> bool:
    """Whether the holder of the role can answer at this moment, by its lock file and /proc."""
    return presence(home, member).status not in MUTE


def _exchange(home: Home, asks: dict[str, Ask], deadline: float) -> dict[str, Reply]:
    sockets = {member: socket for member in asks if (socket := _connect(home.endpoint(member, "cmd"))) is not None}
    try:
        return _answers(sockets, asks, deadline)
    finally:
        for socket in sockets.values():
            socket.close(0)


def _answers(sockets: dict[str, Any], asks: dict[str, Ask], deadline: float) -> dict[str, Reply]:
    poller = zmq.Poller()
    member_of = {socket: member for member, socket in sockets.items()}
    for socket in member_of:
        poller.register(socket, zmq.POLLOUT)
    replies: dict[str, Reply] = {}
    while member_of and (left_s := deadline - monotonic()) > 0:
        for socket, event in poller.poll(max(1, int(left_s * 1000))):
            member = member_of[socket]
            if event & zmq.POLLOUT:  # the connection stands: only now is anything sent, so never to a successor
                with contextlib.suppress(zmq.Again):
                    socket.send(encode(asks[member]), zmq.NOBLOCK)
                    poller.modify(socket, zmq.POLLIN)
            elif (reply := _receive(socket)) is not None and reply.id == asks[member].id:
                replies[member] = reply
                poller.unregister(socket)
                del member_of[socket]
    return replies


def _connect(endpoint: str) -> Any:
    """A DEALER, or None where the address cannot be used (no run/ folder)."""
    socket = _context().socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError:
        socket.close(0)
        return None
    return socket


def _receive(socket: Any) -> Reply | None:
    try:
        return decode_reply(socket.recv(zmq.NOBLOCK))
    except zmq.Again:
        return None
