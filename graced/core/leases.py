"""Powers as leases: lent for a short time, renewed by the watchdog, revoked at the end, expiring by themselves."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.core.vocabulary import Lease, Timing
from graced.spec.roles import POWERS

LEASE_EXTRA_S: Final = 5.0
RENEW_FRACTION: Final = 1 / 3


class Grant(Struct, frozen=True):
    """The watchdog's side of a lease. `acked`: the delegate said that it holds it; `revoked`: or gave it back."""

    lease: Lease
    renew_at: float
    acked: bool = False
    revoked: bool = False
    returned: bool = False


class Held(Struct, frozen=True):
    """The delegate's side. `until`: seconds of CLOCK_MONOTONIC (the shell checks CLOCK_BOOTTIME as well)."""

    lease: Lease
    until: float


def ttl(timing: Timing) -> float:
    return timing.timeout + LEASE_EXTRA_S


def grant(agent: str, incarnation: int, incident: str, timing: Timing, now: float) -> Grant:
    span = ttl(timing)
    lease = Lease(f"{incident}/{agent}-{incarnation}", incident, agent, incarnation, POWERS[agent], span)
    return Grant(lease, now + span * RENEW_FRACTION)


def renew(old: Grant, now: float) -> Grant:
    return replace(old, renew_at=now + old.lease.ttl * RENEW_FRACTION)


def may(held: dict[str, Held], power: str, now: float) -> bool:
    """Does a live lease allow this very power?"""
    return any(power in h.lease.powers and now < h.until for h in held.values())


def unexpired(held: dict[str, Held], now: float) -> dict[str, Held]:
    return {incident: h for incident, h in held.items() if now < h.until}
