"""What the audit log tells of a recovery, in a few words."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from graced.spec.roles import HEALERS

Record = Mapping[str, Any]


def of_members(records: Iterable[Record], killed: Collection[str]) -> str:
    """Who brought back whom at which tier, from the records that were written since the signal."""
    told = list(records)
    first = _first_recoveries(told)
    if len(killed) == 1:
        who, tier = next(iter(first.values()), ("nobody", 0))
        return f"tier {tier}: {who} {_found(told)}"
    emergency = any(record["kind"] == "emergency.ended" for record in told)
    if set(killed) == set(HEALERS) and emergency:
        granted, revoked = (sum(r["kind"] == f"delegation.{what}" for r in told) for what in ("granted", "revoked"))
        return f"tier 3: emergency, both started anew; {granted} grants made, {revoked} revoked"
    by: dict[str, list[str]] = {}
    for target, (who, _) in first.items():
        by.setdefault(who, []).append(target)
    parts = [f"{who}: {_listed(targets)}" for who, targets in by.items()]
    return "; ".join(parts) + (" (emergency)" if emergency else "")


def _found(records: Iterable[Record]) -> str:
    evidence = {record["data"]["evidence"] for record in records if record["kind"] == "member.down"}
    return "found it stopped and replaced it" if "stopped" in evidence else "started it anew"


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
