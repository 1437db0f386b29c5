"""Leases on the wire: signed with the home's key, bound to the boot, expiring by CLOCK_BOOTTIME.

The key (0600, in the home) keeps out other users only: whoever may read it may as well kill the members.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from graced.core.vocabulary import Lease, RunNote
from graced.home.kept import read_key
from graced.home.paths import Home
from graced.posix.clock import boottime
from graced.posix.proc import boot_id
from graced.posix.undecodable import UNDECODABLE


def _mac(home: Home, lease: Lease, expires: float, boot: str) -> str:
    key = read_key(home)
    text = "\0".join(
        (lease.id, lease.incident, lease.agent, str(lease.incarnation), *lease.powers, repr(expires), boot)
    )
    return hashlib.blake2b(text.encode(), key=key, digest_size=32).hexdigest()


def sign(home: Home, lease: Lease) -> dict[str, Any]:
    """The lease as it travels: {lease, expires (CLOCK_BOOTTIME s), boot_id, mac}."""
    expires = boottime() + lease.ttl
    boot = boot_id()
    try:
        mac = _mac(home, lease, expires, boot)
    except OSError:
        mac = ""  # no key, no power: the delegate refuses it
    return {"lease": msgspec.to_builtins(lease), "expires": expires, "boot_id": boot, "mac": mac}


def verify(home: Home, signed: dict[str, Any]) -> Lease | None:
    """The lease with what is left of its time; None when it is forged, of another boot, or over."""
    lease = msgspec.convert(signed["lease"], Lease)
    expires = float(signed["expires"])
    try:
        mac = _mac(home, lease, expires, boot_id())
    except OSError:
        return None
    left = expires - boottime()
    if left <= 0 or signed["boot_id"] != boot_id() or not hmac.compare_digest(mac, str(signed["mac"])):
        return None
    return msgspec.structs.replace(lease, ttl=left)


def pack(note: RunNote) -> bytes:
    """A run's progress as the store keeps it."""
    return msgspec.msgpack.encode(note)


def unpack(blob: bytes) -> RunNote | None:
    try:
        return msgspec.msgpack.decode(blob, type=RunNote)
    except UNDECODABLE:
        return None
