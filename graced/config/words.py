"""Texts with a form of their own: names, signals, sockets, URLs, status codes, patterns, umasks.

Each function makes the value of a text, or raises ValueError(message) or ValueError(message, hint).
"""

import re
import signal
from typing import Any, Final

from graced.spec.config import Socket
from graced.spec.roles import MEMBERS
from graced.yaml_source.node import Node
from graced.yaml_source.problem import nearest
from graced.yaml_source.scalars import Text
from graced.yaml_source.shape import INVALID, Reading, Shape, Spot

NAME_LIMIT_CHARS: Final = 128
"""A kernel's name is part of file names, which end at 255 bytes."""

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
SOCKET_PATH_BYTES: Final = 107  # unix(7)
_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))
_STATUS = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?\Z", re.ASCII)
_RESERVED_ENV: Final = ("GRACED_HOME_ID", "GRACED_KERNEL", "GRACED_RUN", "GRACED_REPLICA")


def name_fault(name: str) -> str:
    """What is wrong with the name of a kernel; empty if nothing is."""
    if name in MEMBERS:
        return "is the name of a member of graced; choose another"
    if len(name) > NAME_LIMIT_CHARS:
        return f"a name has at most {NAME_LIMIT_CHARS} characters"
    if not _NAME.match(name):
        return "a name begins with a letter or digit, then letters, digits, _ . -"
    return ""


def group_name(text: str) -> str:
    if not _NAME.match(text) or len(text) > NAME_LIMIT_CHARS:
        raise ValueError("needs a name of letters, digits, _ . -")
    return text


def env_fault(name: str) -> str:
    from graced.config.env_file import name_fault as fault

    return "is set by graced itself" if name in _RESERVED_ENV else fault(name)


def signal_number(text: str) -> int:
    """TERM, SIGTERM, 15, RTMIN+3."""
    if text.isascii() and text.isdigit():
        if len(text) <= 2 and 1 <= int(text) <= int(signal.SIGRTMAX):
            return int(text)
        raise ValueError(f"there is no signal {text[:20]}", f"they go from 1 to {int(signal.SIGRTMAX)}")
    name = text.upper().removeprefix("SIG")
    base, plus, more = name.partition("+")
    known = {s.name.removeprefix("SIG"): int(s) for s in signal.Signals}
    if base in known and not plus:
        return known[base]
    if base == "RTMIN" and more.isascii() and more.isdigit() and len(more) <= 2:
        number = int(signal.SIGRTMIN) + int(more)
        if number <= signal.SIGRTMAX:
            return number
    hint = nearest(name, known)
    raise ValueError("needs a signal such as TERM or SIGTERM", hint if hint.startswith("did") else "")


def umask(text: str) -> int:
    digits = text.removeprefix("0o")
    if not (1 <= len(digits) <= 4 and set(digits) <= set("01234567") and int(digits, 8) <= 0o777):
        raise ValueError("needs an octal number such as 022")
    return int(digits, 8)


def web_url(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises ValueError for a port that is no number
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        whole = False
    if not whole or any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("needs a URL such as http://127.0.0.1:8080/health")
    return text


def notify_url(text: str) -> str:
    scheme, colon, rest = text.partition("://")
    if not colon or not rest or not scheme.replace("+", "").replace("-", "").isalnum():
        raise ValueError("needs an Apprise URL such as mailto://… or json://HOST/PATH")
    return text


def pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise ValueError(f"is no regular expression: {wrong}") from None
    return text


def timezone(text: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if known:  # a machine without a zone database knows none: then it is for the start to tell
            hint = nearest(text, sorted(known))
            raise ValueError("needs a time zone such as Europe/Berlin", hint) from None
    return text


def socket(text: str) -> Socket:
    """As systemd's ListenStream=: PORT, HOST:PORT, [V6]:PORT, /PATH."""
    form = "needs PORT, HOST:PORT, [V6]:PORT or /PATH"
    if text.startswith("/"):
        if len(text.encode()) > SOCKET_PATH_BYTES:
            raise ValueError(f"a socket's path has at most {SOCKET_PATH_BYTES} bytes")
        return Socket(text, path=text)
    host, colon, port_text = text.rpartition(":")
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 1 <= int(port_text) <= 65535):
        raise ValueError(form, "a port is a number from 1 to 65535" if port_text.isdigit() else "")
    if not colon:
        return Socket(text, port=int(port_text))
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_v6(host):
            raise ValueError(form)
    elif ":" in host:
        raise ValueError(form, "an IPv6 address stands in brackets: [::1]:80")
    elif not host or any(char.isspace() or char in "/[]@" for char in host):
        raise ValueError(form)
    return Socket(text, host=host, port=int(port_text))


def _is_v6(text: str) -> bool:
    from socket import AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


class Statuses(Shape):
    """HTTP codes: 200, 200-399, or a list of those. Read into ranges, both ends included."""

    wants = "HTTP status codes such as 200 or 200-399"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind == "sequence" and spot.node.items:
            ranges = [self._one(spot.item(index), reading) for index in range(len(spot.node.items))]
            return INVALID if any(one is INVALID for one in ranges) else tuple(ranges)
        one = self._one(spot, reading)
        return one if one is INVALID else (one,)

    def _one(self, spot: Spot, reading: Reading) -> Any:
        return Text(self.wants, _status_range, numbers=True).read(spot, reading)

    def schema(self) -> dict[str, Any]:
        one: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 100, "maximum": 599}, {"type": "string"}]}
        return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 1}]}

    def surface(self, node: Node) -> Any:
        return node.value()


def _status_range(text: str) -> tuple[int, int]:
    found = _STATUS.match(text)
    if not found:
        raise ValueError(f"needs {Statuses.wants}")
    low, high = int(found[1]), int(found[2] or found[1])
    if low > high:
        raise ValueError(f"the first of {low}-{high} is the larger one")
    return low, high
