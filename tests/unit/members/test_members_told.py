"""What a successor finds told of runs, and what a newborn's look at the store leaves open."""

import gc
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from graced.audit.lately import lately
from graced.audit.log import AuditLog
from graced.core.vocabulary import Bump, Record
from graced.home.paths import Home
from graced.members.process import take_role
from graced.members.told import LOOK_BYTES, Told, emergency_left, fixes_told, runs_told, told_of
from graced.store import tables
from graced.store.db import Store


def log(folder: Path) -> AuditLog:
    return AuditLog(str(folder), "self_healing", os.getpid(), 1)


def test_runs_runs_told_are_found_and_old_ones_are_not(tmp_path: Path) -> None:
    audit = log(tmp_path / "audit")
    audit.append("kernel.started", {"kernel": "old", "run": 1, "pid": 5})
    for number in range(LOOK_BYTES // 1000):
        audit.append("escalated", {"incident": "x", "subject": "y", "text": "filler " * 200 + str(number)})
    audit.append("kernel.started", {"kernel": "web", "run": 3, "pid": 5})
    audit.append("kernel.exited", {"kernel": "web", "run": 3, "pid": 5, "exit": {"signal": 9}, "text": ""})
    assert runs_told(partial(lately, str(tmp_path / "audit"))) == {
        Told("kernel.started", "web", 3),
        Told("kernel.exited", "web", 3),
    }


def test_a_torn_line_and_garbage_are_passed_over(tmp_path: Path) -> None:
    audit = log(tmp_path)
    audit.append("kernel.started", {"kernel": "web", "run": 3, "pid": 5})
    with open(tmp_path / "000001.jsonl", "ab") as file:
        file.write(b'{"kind":"kernel.exited","data":{"kernel":1}}\n\xff\n"kind":"kernel.started"\n{"kind":"kernel.star')
    assert runs_told(partial(lately, str(tmp_path))) == {Told("kernel.started", "web", 3)}


def test_without_a_log_nothing_was_told(tmp_path: Path) -> None:
    assert runs_told(partial(lately, str(tmp_path / "none"))) == set()


def test_a_byte_that_somebody_flipped_is_no_obstacle(tmp_path: Path) -> None:
    audit = log(tmp_path)
    audit.append("kernel.started", {"kernel": "web", "run": 3, "pid": 5})
    with open(tmp_path / "000001.jsonl", "ab") as file:
        file.write(b'{"at":"\xb2","kind":"kernel.exited","data":{"kernel":"web","run":3}}\n')
        file.write(b'{"at":"","kind":"kernel.exited","data":{"kernel":"web","run":[]}}\n')
        file.write(b'{"at":"\xb2","kind":"member.down","data":{}}\n')
        file.write(b'{"at":"noon","kind":"emergency.activated","data":{"incident":"x"}}\n')
    assert runs_told(partial(lately, str(tmp_path))) == {Told("kernel.started", "web", 3)}
    assert emergency_left(partial(lately, str(tmp_path)), 100.0, time.time()) is None
    assert fixes_told(partial(lately, str(tmp_path))) == set()


def emergency(audit: AuditLog, incident: str, upto: int) -> None:
    about = {"incident": incident, "targets": ["self_healing", "coding_agent"]}
    step = {"playbook": "emergency_healer_recovery", "run": incident, "ok": True}
    lent = {"agent": "trigger", "powers": [], "incident": incident}
    whole: list[tuple[str, Mapping[str, object]]] = [
        ("member.down", {"target": "self_healing", "evidence": "exit", "incarnation": 4, "incident": incident}),
        ("member.down", {"target": "coding_agent", "evidence": "exit", "incarnation": 6, "incident": incident}),
        ("emergency.activated", about),
        ("delegation.granted", lent),
        ("playbook.step", {**step, "step": "delegate_powers"}),
        ("delegation.revoked", lent),
        ("emergency.ended", about),
    ]
    for kind, data in whole[:upto]:
        audit.append(kind, data)


def test_an_emergency_whose_end_was_not_told_is_found_as_far_as_it_got(tmp_path: Path) -> None:
    audit = log(tmp_path)
    emergency(audit, "emergency-1-1", 7)
    assert emergency_left(partial(lately, str(tmp_path)), 100.0, time.time()) is None
    emergency(audit, "emergency-4-6", 5)
    note = emergency_left(partial(lately, str(tmp_path)), 100.0, time.time() + 7)
    assert note is not None
    assert (note.id, note.incident, note.tier) == ("emergency-4-6", "emergency-4-6", 3)
    assert note.dead == {"self_healing": 4, "coding_agent": 6}
    assert set(note.done) == {"activate_emergency", "delegate_powers", "granted:trigger"}
    assert 80 < note.started < 94
    emergency(audit, "emergency-4-6", 7)
    assert emergency_left(partial(lately, str(tmp_path)), 100.0, time.time()) is None


def test_only_records_of_runs_are_looked_up() -> None:
    assert told_of(Record("kernel.exited", {"kernel": "web", "run": 2})) == Told("kernel.exited", "web", 2)
    assert told_of(Record("member.started", {"member": "trigger"})) is None
    assert told_of(Bump("recoveries.kernel", "x")) is None


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_role_taken_over_a_garbage_lock_leaves_no_database_open(tmp_path: Path) -> None:
    """A spawner that forks with SQLite open gives its children a connection, which closes their sockets one day."""
    home = Home(str(tmp_path / "home"))
    home.ensure()
    store = Store(home.db)
    tables.raise_to(store, "incarnation.trigger", 7)
    store.close()
    Path(home.lock("trigger")).write_bytes(b"garbage")
    taken = take_role(home, "trigger", 0)
    assert taken is not None
    assert taken[1] == 8
    links = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    assert [link for link in links if link.startswith(str(tmp_path)) and "state.db" in link] == []
    taken[0].close()


def test_a_newborn_makes_run_again_where_somebody_deleted_it(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    home.ensure()
    shutil.rmtree(home.run)
    taken = take_role(home, "trigger", 3)
    assert taken is not None
    assert taken[1] == 4
    taken[0].close()
