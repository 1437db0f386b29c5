"""The end state of every recovery: what must hold once status is healthy again."""

import json
from collections.abc import Iterable
from typing import Any, Final

from support import procs
from support.deadlines import until
from support.fixtures import COUNTERS
from support.home import Graced
from support.procs import Identity
from support.witness import ROLES

EMERGENCY: Final = "emergency_healer_recovery"
EMERGENCY_ORDER: Final = (
    "playbook.started",
    "emergency.activated",
    *["delegation.granted"] * 3,
    "recovery.started",
    "recovery.succeeded",
    *["delegation.revoked"] * 3,
    "emergency.ended",
    "playbook.finished",
)
POWERS: Final = {
    "architect": {"generate_recovery_code", "deploy_fix", "analyze_failure"},
    "parliament": {"coordinate_vote", "approve_action", "escalate_to_human"},
    "trigger": {"restart_kernel", "run_playbook", "monitor_recovery"},
}

Record = dict[str, Any]


def counters(graced: Graced) -> dict[str, Identity]:
    return {name: graced.kernel(name) for name in COUNTERS}


def assert_whole(graced: Graced, kernels: dict[str, Identity], dead: Iterable[Identity] = ()) -> None:
    """One process a role, the one that status names; who was killed is dead; kernels are the old ones, at work."""
    for role in ROLES:
        assert_one(graced, role)
    left = [identity for identity in dead if procs.alive(identity)]
    assert not left, f"alive after they were replaced: {left}"
    now = counters(graced)
    assert now == kernels, f"kernels were replaced: {kernels} -> {now}\n{graced.story()}"
    graced.growing(*COUNTERS)


def assert_one(graced: Graced, role: str) -> None:
    """One living process, the one that status names. A fork has its parent's title for its first instants."""
    pid = graced.status()["members"][role]["pid"]

    def living() -> list[int]:
        return [identity.pid for identity in graced.witness.alive_of(role)]

    until(lambda: living() == [pid], 0.5, lambda: f"{role}: {living()}, status says {pid}\n{graced.story()}")


def since(graced: Graced, seq: int) -> list[Record]:
    """The audit records after `seq`."""
    return [record for record in graced.audit() if record["seq"] > seq]


def last_seq(graced: Graced) -> int:
    records = graced.audit()
    return records[-1]["seq"] if records else 0


def of_emergency(records: Iterable[Record]) -> list[Record]:
    """Those that tell the course of emergencies, in order."""
    found = []
    for record in records:
        kind, data = record["kind"], record["data"]
        playbook = kind.startswith("playbook.") and data.get("playbook") == EMERGENCY
        recovery = kind.startswith("recovery.") and data.get("tier") == 3
        if playbook or recovery or kind.startswith(("emergency.", "delegation.")):
            found.append(record)
    return found


def assert_emergency_order(records: Iterable[Record]) -> None:
    """One emergency from its first to its last record, as CONTRACT.md orders them."""
    course = of_emergency(records)
    order = [record["kind"] for record in course if record["kind"] != "playbook.step"]
    assert order == list(EMERGENCY_ORDER), order
    by_kind: dict[str, list[Record]] = {}
    for record in course:
        by_kind.setdefault(record["kind"], []).append(record["data"])
    for kind in ("delegation.granted", "delegation.revoked"):
        lent = {data["agent"]: set(data["powers"]) for data in by_kind[kind]}
        assert lent == POWERS, f"{kind}: {lent}"
    assert len({data["incident"] for kind in by_kind if kind.startswith("delegation") for data in by_kind[kind]}) == 1
    for kind in ("recovery.started", "recovery.succeeded"):
        assert set(by_kind[kind][0]["targets"]) == {"self_healing", "coding_agent"}
    assert len({record["member"] for record in course}) == 1, "one writer"
    assert by_kind["playbook.finished"][0]["ok"] is True
    assert by_kind["playbook.finished"][0]["slo_s"] == 120
    verified = [
        index for index, record in enumerate(course)
        if record["kind"] == "playbook.step" and str(record["data"]["step"]).startswith("verify_")
        and record["data"]["step"] != "verify_mutual_recovery" and record["data"]["ok"]
    ]  # fmt: skip
    succeeded = next(index for index, record in enumerate(course) if record["kind"] == "recovery.succeeded")
    assert len(verified) == 2
    assert max(verified) < succeeded, "recovery.succeeded comes after both verify steps"


def assert_no_grant_left(graced: Graced) -> None:
    assert graced.status()["delegations"] == []
    left: dict[tuple[str, str], Record] = {}  # by agent and incident; after a takeover a grant is told again
    for record in graced.audit():
        key = (str(record["data"].get("agent")), str(record["data"].get("incident")))
        if record["kind"] == "delegation.granted":
            left[key] = record
        elif record["kind"] == "delegation.revoked":
            left.pop(key, None)
    incidents = {incident for _, incident in left}
    assert not left, f"granted and never revoked: {list(left)}\n{course_of(graced, incidents)}"


def course_of(graced: Graced, incidents: set[str]) -> str:
    """What the audit has about some incidents, and every start of a member between."""
    told = [r for r in graced.audit() if r["kind"] == "member.started" or incidents & set(map(str, r["data"].values()))]
    about = [index for index, record in enumerate(told) if record["kind"] != "member.started"]
    return "\n".join(
        f"  {r['at']} {r['member']}/{r['incarnation']} {r['kind']} {json.dumps(r['data'])[:200]}"
        for r in (told[about[0] : about[-1] + 5] if about else [])
    )
