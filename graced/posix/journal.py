"""Structured entries for systemd's journal by its native protocol: one datagram of FIELD=VALUE lines.

Only what is short goes through a datagram alone, and an audit record is at most 16 KiB. What the journal does not take
at once is lost to it: the audit log is the record, this is a copy for `journalctl`.
"""

import _socket
import contextlib
import os
from collections.abc import Mapping
from typing import Any, Final

SOCKET: Final = "/run/systemd/journal/socket"
IDENTIFIER: Final = "graced"
VALUE_CHARS: Final = 2048

NOTICE, WARNING, ERROR, INFO, DEBUG = 5, 4, 3, 6, 7
PRIORITY: Final[dict[str, int]] = {
    "member.down": WARNING,
    "recovery.succeeded": NOTICE,
    "recovery.failed": ERROR,
    "emergency.activated": WARNING,
    "emergency.ended": NOTICE,
    "kernel.exited": NOTICE,
    "kernel.unhealthy": WARNING,
    "fix.applied": NOTICE,
    "escalated": ERROR,
    "power.refused": WARNING,
    "playbook.step": DEBUG,
    "vote.cast": DEBUG,
}
"""syslog(3) levels; any other kind is INFO."""

FIELDS: Final = ("target", "kernel", "incident", "run", "tier", "playbook", "step", "agent", "pid")
"""Of a record's data, those that become fields of their own: GRACED_TARGET and so on."""


class Journal:
    """One member's voice. `tell` never blocks and never raises."""

    def __init__(self, member: str, home: str, path: str = SOCKET) -> None:
        self._member, self._home, self._path = member, home, path
        self._socket = _socket.socket(
            _socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        )

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        fields = {
            "MESSAGE": message(self._member, kind, data),
            "PRIORITY": str(PRIORITY.get(kind, INFO)),
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            "GRACED_MEMBER": self._member,
            "GRACED_HOME": self._home,
            "GRACED_KIND": kind,
        }
        for name in FIELDS:
            if data.get(name) not in (None, ""):
                fields[f"GRACED_{name.upper()}"] = str(data[name])
        with contextlib.suppress(OSError):
            self._socket.sendto(encode(fields), self._path)


def send(fields: Mapping[str, str], path: str = SOCKET) -> None:
    """One entry, at once. Raises OSError when no journal takes it."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        socket.sendto(encode(fields), path)
    finally:
        socket.close()


def message(member: str, kind: str, data: Mapping[str, Any]) -> str:
    """`watchdog: member.down target=trigger evidence=exit`."""
    words = [f"{key}={value}" for key, value in data.items() if not isinstance(value, dict)]
    return f"{member}: {kind} {' '.join(words)}"[:VALUE_CHARS].rstrip()


def encode(fields: Mapping[str, str]) -> bytes:
    """As systemd's documentation of the native protocol: a value with a newline is sent with its length."""
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode(errors="replace")[: 4 * VALUE_CHARS]
        if b"\n" in data:
            parts += [name.encode(), b"\n", len(data).to_bytes(8, "little"), data, b"\n"]
        else:
            parts += [name.encode(), b"=", data, b"\n"]
    return b"".join(parts)


def at_hand() -> bool:
    """Is there a journal that is ours to write to: one of the supervisor that started us?"""
    return "NOTIFY_SOCKET" in os.environ and os.path.exists(SOCKET)
