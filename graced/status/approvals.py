"""Approvals that wait for a person, as the store holds them with their runs: whoever is alive, or nobody."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from graced.core.vocabulary import Approval, RunNote
from graced.posix.undecodable import UNDECODABLE
from graced.store.runs import PlaybookRun


class OpenApproval(Struct, frozen=True):
    """One question, with the run that waits for the answer and the member that executes it."""

    approval: Approval
    run: str
    playbook: str
    target: str
    incident: str
    executor: str


def open_approvals(runs: Iterable[PlaybookRun]) -> list[OpenApproval]:
    """Oldest first."""
    found: list[OpenApproval] = []
    for run in runs:
        try:
            note = msgspec.msgpack.decode(run.blob, type=RunNote)
        except UNDECODABLE:
            continue
        found += [
            OpenApproval(approval, run.id, run.playbook, run.target, run.incident, run.executor)
            for approval in note.approvals
            if not approval.decided
        ]
    return sorted(found, key=lambda each: each.approval.asked)
