"""Leases on the wire: signed with the home's key, bound to the boot, expiring by CLOCK_BOOTTIME.

The key (0600, in the home) keeps out other users only: whoever may read it may as well kill the members.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from graced.bus.verbs import SignedLease
from graced.core.vocabulary import Lease, RunNote
from graced.posix.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from graced.members.shell import Shell


def _mac(key: bytes, lease: Lease, expires: float, boot: str) -> str:
    text = "\0".join(
        (lease.id, lease.incident, lease.agent, str(lease.incarnation), *lease.powers, repr(expires), boot)
    )
    return hashlib.blake2b(text.encode(), key=key, digest_size=32).hexdigest()


def sign(shell: "Shell", lease: Lease) -> dict[str, Any]:
    """The lease as it travels; see graced.bus.verbs.SignedLease."""
    expires = shell.boottime() + lease.ttl
    boot = shell.identity.boot_id
    try:
        mac = _mac(shell.files.key(), lease, expires, boot)
    except OSError:
        mac = ""  # no key, no power: the delegate refuses it
    return {"lease": msgspec.to_builtins(lease), "expires": expires, "boot_id": boot, "mac": mac}


def verify(shell: "Shell", signed: SignedLease) -> Lease | None:
    """The lease with what is left of its time; None when it is forged, of another boot, or over."""
    boot = shell.identity.boot_id
    try:
        mac = _mac(shell.files.key(), signed.lease, signed.expires, boot)
    except OSError:
        return None
    left = signed.expires - shell.boottime()
    if left <= 0 or signed.boot_id != boot or not hmac.compare_digest(mac, signed.mac):
        return None
    return msgspec.structs.replace(signed.lease, ttl=left)


def pack(note: RunNote) -> bytes:
    """A run's progress as the store keeps it."""
    return msgspec.msgpack.encode(note)


def unpack(blob: bytes) -> RunNote | None:
    try:
        return msgspec.msgpack.decode(blob, type=RunNote)
    except UNDECODABLE:
        return None
