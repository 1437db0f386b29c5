"""What the audit log tells of a recovery, in a few words."""

from collections.abc import Iterable, Mapping
from typing import Any

Record = Mapping[str, Any]


def of_members(records: Iterable[Record], killed: Iterable[str]) -> str:
    """Who brought back whom at which tier, from the records that were written since the signal."""
    told = list(records)
    emergency = [r["data"]["targets"] for r in told if r["kind"] == "emergency.ended"]
    first = _first_recoveries(told)
    if emergency and len(set(killed)) == len(set(emergency[0])):
        granted, revoked = (sum(r["kind"] == f"delegation.{what}" for r in told) for what in ("granted", "revoked"))
        return f"tier 3: emergency, {granted} delegates given powers, both restarted, {revoked} revoked"
    by: dict[tuple[str, int], list[str]] = {}
    for target, (who, tier) in first.items():
        by.setdefault((who, tier), []).append(target)
    if len(first) == 1:
        ((who, tier), (target,)) = next(iter(by.items()))
        evidence = {r["data"]["evidence"] for r in told if r["kind"] == "member.down" and r["data"]["target"] == target}
        return (
            f"tier {tier}: {who} {'found it stopped and replaced it' if 'stopped' in evidence else 'brought it back'}"
        )
    return "; ".join(f"{who} brought back {_listed(targets)}" for (who, _), targets in by.items())


def _first_recoveries(records: Iterable[Record]) -> dict[str, tuple[str, int]]:
    """target -> (by, tier). Where two began on one target, the later only finds that it is back."""
    found: dict[str, tuple[str, int]] = {}
    for record in records:
        if record["kind"] == "recovery.succeeded":
            data = record["data"]
            for target in data["targets"]:
                found.setdefault(target, (data["by"], data["tier"]))
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"the other {len(names)}"
