"""What is in state.db, table by table: as it is written, as it is seen while it waits, as a command reads it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graced.posix.clock import boottime
from graced.spec.run import Run
from graced.store import incidents as incident_rows
from graced.store import tables as t
from graced.store import tasks as task_rows
from graced.store.db import Store
from graced.store.file import File
from graced.store.text import path_in, path_out, words

AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


@pytest.fixture
def store(path: str) -> Store:
    return Store(path)


@pytest.fixture
def waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A store whose writes wait until the returned function is called."""
    assert store.open()
    monkeypatch.setattr(Store, "flush", lambda self: False)
    return monkeypatch.undo


# --- counters


def test_counters_add_up_and_only_rise(store: Store) -> None:
    assert t.counters(store) == {}
    assert t.bump(store, "recoveries.kernel") and t.bump(store, "recoveries.kernel", 2)
    for value in (3, 2, 5, 4):
        assert t.raise_to(store, "incarnation.trigger", value)
    assert t.counters(store) == {"recoveries.kernel": 3, "incarnation.trigger": 5}


def test_counters_that_wait_are_seen_by_who_counted(store: Store, path: str, waits: Callable[[], None]) -> None:
    for value in (3, 2, 5, 4):
        assert not t.bump(store, "recoveries.kernel", value)
        assert not t.raise_to(store, "incarnation.trigger", value)
    mine = {"recoveries.kernel": 14, "incarnation.trigger": 5}
    assert t.counters(store) == mine
    assert t.counters(Store(path, readonly=True)) == {}
    assert store.pending == 2
    waits()
    assert store.flush()
    assert t.counters(store) == t.counters(Store(path, readonly=True)) == mine


# --- incidents


def test_an_incident_is_told_in_the_shape_of_the_contract(store: Store) -> None:
    assert t.open_incident(store, "i1", AT, "self_healing", "member", "exit", 1)
    assert t.add_step(store, "i1", AT, "restart_failed_healer", True, "incarnation 2")
    assert t.add_step(store, "i1", AT, "verify_restart", False, "")
    assert t.open_incident(store, "i2", AT, "web", "kernel", "exit code 1")
    assert t.close_incident(store, "i1", "recovered", 0.25, 2)
    assert msgspec.to_builtins(t.incidents(store)) == [
        {
            "id": "i1", "at": AT, "subject": "self_healing", "kind": "member", "evidence": "exit", "tier": 2,
            "steps": [
                {"at": AT, "step": "restart_failed_healer", "ok": True, "text": "incarnation 2"},
                {"at": AT, "step": "verify_restart", "ok": False, "text": ""},
            ],
            "duration_s": 0.25, "state": "recovered",
        },
        {
            "id": "i2", "at": AT, "subject": "web", "kind": "kernel", "evidence": "exit code 1", "tier": None,
            "steps": [], "duration_s": None, "state": "open",
        },
    ]  # fmt: skip
    assert [i.id for i in t.incidents(store, "i2")] == ["i2"]
    assert t.incidents(store, "i3") == []
    assert [i.id for i in t.incidents(store, limit=1)] == ["i2"]


def test_an_incident_opened_again_by_a_takeover_is_one(store: Store) -> None:
    for tier in (1, 3, None):
        assert t.open_incident(store, "i1", AT, "both", "member", "exit", tier)
    assert t.open_incident(store, "i2", AT, "web", "kernel", "exit") and t.open_incident(
        store, "i2", AT, "web", "kernel", "exit"
    )
    assert [i.tier for i in t.incidents(store)] == [3, None]


def test_old_closed_incidents_go_with_their_steps_and_open_ones_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_rows, "INCIDENTS_KEPT", 10)
    for n in range(30):
        t.open_incident(store, f"i{n}", AT, "web", "kernel", "exit")
        t.add_step(store, f"i{n}", AT, "restart", True, "")
        if n != 3:
            t.close_incident(store, f"i{n}", "recovered", 0.1)
    assert [i.id for i in t.incidents(store)] == ["i3", *(f"i{n}" for n in range(20, 30))]
    assert store.read("SELECT count(*) FROM steps") == [(11,)]


def test_the_steps_of_one_incident_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_rows, "STEPS_MAX", 5)
    t.open_incident(store, "i1", AT, "web", "kernel", "exit")
    for n in range(9):
        t.add_step(store, "i1", AT, f"s{n}", True, "x" * 10_000)
    (incident,) = t.incidents(store)
    assert [step.step for step in incident.steps] == ["s0", "s1", "s2", "s3", "s4"]
    assert len(incident.steps[0].text) == 4096 and incident.steps[0].text.endswith("…")


# --- playbook runs


def test_a_run_is_kept_until_it_is_finished(store: Store) -> None:
    for step in (b"\x00", b"\x01"):
        assert t.save_run(store, "r1", "mutual", "trigger", "watchdog", "i1", step, "running")
    assert t.open_runs(store) == [t.PlaybookRun("r1", "mutual", "trigger", "watchdog", "i1", b"\x01", "running")]
    assert t.finish_run(store, "r1") and t.finish_run(store, "r2")
    assert t.open_runs(store) == []


def test_runs_that_wait_are_seen(store: Store, waits: Callable[[], None]) -> None:
    t.save_run(store, "r1", "mutual", "trigger", "watchdog", "i1", b"", "running")
    t.save_run(store, "r2", "mutual", "trigger", "watchdog", "i1", b"", "running")
    t.finish_run(store, "r1")
    assert [run.id for run in t.open_runs(store)] == ["r2"]
    waits()
    assert store.flush()
    assert [run.id for run in t.open_runs(store)] == ["r2"]


def test_the_progress_of_a_run_is_bounded(store: Store) -> None:
    with pytest.raises(ValueError, match="at most 1048576 bytes"):
        t.save_run(store, "r1", "mutual", "trigger", "watchdog", "i1", b"x" * 1048577, "running")


# --- leases


def ids(store: Store) -> list[str]:
    """Of leases that are lent, and not taken back, by id."""
    return [row[0] for row in store.read("SELECT id FROM leases WHERE revoked = 0 ORDER BY id")]


def lend(store: Store, id: str, incident: str = "i1", ttl: float = 60.0, revoked: bool = False) -> None:
    t.save_lease(store, id, incident, "trigger", "restart_kernel", boottime() + ttl, revoked, incarnation=4)


def test_leases_are_kept_until_they_are_revoked(store: Store) -> None:
    lend(store, "a")
    lend(store, "c", "i2")
    assert store.read("SELECT agent, power, incarnation FROM leases WHERE id = 'a'") == [
        ("trigger", "restart_kernel", 4)
    ]
    assert t.revoke_leases(store, "i1")
    assert ids(store) == ["c"]


def test_a_renewal_revives_no_revoked_lease_but_a_new_one_may_be_lent(store: Store) -> None:
    lend(store, "a")
    t.revoke_leases(store, "i1")
    lend(store, "a")
    assert ids(store) == []
    lend(store, "b")
    assert ids(store) == ["b"]
    lend(store, "b", revoked=True)
    lend(store, "b")
    assert ids(store) == []


@pytest.mark.parametrize("written_before", [True, False])
def test_so_it_is_while_all_of_it_waits(store: Store, waits: Callable[[], None], written_before: bool) -> None:
    if written_before:
        waits()
        lend(store, "a")
        lend(store, "d")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "flush", lambda self: False)
            _lease_history(store)
    else:
        _lease_history(store)
        waits()
    assert store.flush()
    assert ids(store) == ["b", "c"]


def _lease_history(store: Store) -> None:
    lend(store, "a")
    lend(store, "c", "i2")
    lend(store, "d", revoked=True)
    t.revoke_leases(store, "i1")
    lend(store, "a")
    lend(store, "d")
    lend(store, "b")


def test_leases_of_another_boot_and_long_expired_ones_are_gone(store: Store) -> None:
    lend(store, "a")
    lend(store, "b")
    store.write("UPDATE leases SET boot_id = 'another' WHERE id = 'a'")
    store.write("UPDATE leases SET expires_boottime = -4000 WHERE id = 'b'")
    lend(store, "c")
    assert store.read("SELECT id FROM leases") == [("c",)]


# --- kernels


def test_a_kernel_has_one_row_and_an_older_run_does_not_replace_it(store: Store) -> None:
    row = t.KernelRow(Run("web", 7, 123, 456, "boot"), "ready", "up", {"signal": 9}, 2, AT, True, "restart")
    assert t.save_kernel(store, row)
    assert t.kernels(store) == {"web": row}
    t.save_kernel(store, t.KernelRow(Run("web", 6, 1, 1, "boot"), "starting"))
    assert t.kernels(store)["web"].state == "ready"
    t.save_kernel(store, t.KernelRow(Run("web", 7), "exited", exit="unknown"))
    assert (t.kernels(store)["web"].exit, t.kernels(store)["web"].run.pid) == ("unknown", 0)


def test_kernels_that_wait_are_seen(store: Store, waits: Callable[[], None]) -> None:
    newest = t.KernelRow(Run("web", 8, 2, 2, "boot"), "starting", exit={"code": 0})
    t.save_kernel(store, t.KernelRow(Run("web", 7, 1, 1, "boot"), "ready"))
    t.save_kernel(store, newest)
    t.save_kernel(store, t.KernelRow(Run("web", 7, 1, 1, "boot"), "exited"))
    assert {name: (row.run.run, row.state) for name, row in t.kernels(store).items()} == {"web": (8, "starting")}
    assert store.pending == 1
    waits()
    assert store.flush()
    assert t.kernels(store)["web"] == newest


# --- tasks


def test_a_task_goes_from_queued_to_done(store: Store) -> None:
    assert t.claim_next(store, "me") is None
    assert t.add_task(store, "t1", "/src/a.py", "invalid syntax", AT, "aa")
    assert t.add_task(store, "t2", "/src/b.py", "unexpected indent", AT)
    task = t.claim_next(store, "me")
    assert task is not None and (task.id, task.state, task.agent, task.sha256_before) == ("t1", "running", "me", "aa")
    assert t.finish_task(store, "t1", "done", AT, sha256_after="bb", original="/home/originals/1")
    assert msgspec.to_builtins(t.tasks(store)) == [
        {"id": "t1", "path": "/src/a.py", "state": "done", "error": "invalid syntax", "created_at": AT,
         "finished_at": AT},
        {"id": "t2", "path": "/src/b.py", "state": "queued", "error": "unexpected indent", "created_at": AT,
         "finished_at": None},
    ]  # fmt: skip
    done = t.get_task(store, "t1")
    assert done is not None
    assert (done.sha256_before, done.sha256_after, done.original) == ("aa", "bb", "/home/originals/1")
    assert t.task_counts(store) == {
        "queued": 1, "running": 0, "done": 1, "failed": 0, "undone": 0, "suggested": 0
    }  # fmt: skip
    assert t.get_task(store, "t9") is None and t.task_of(store, "/src/z.py") is None


def test_a_newer_task_of_a_path_supersedes_the_older_ones(store: Store) -> None:
    t.add_task(store, "t1", "/src/a.py", "one", AT)
    t.claim_next(store, "me")
    t.finish_task(store, "t1", "done", AT, original="/kept")
    t.add_task(store, "t2", "/src/a.py", "two", AT)
    t.add_task(store, "t3", "/src/a.py", "three", AT)
    t.add_task(store, "t3", "/src/a.py", "three", AT)
    assert [(task.id, task.state) for task in t.tasks(store)] == [("t3", "queued")]
    assert t.task_counts(store)["queued"] == 1
    old = t.get_task(store, "t1")
    assert old is not None and old.superseded and old.original == "/kept"
    newest = t.task_of(store, "/src/a.py")
    assert newest is not None and newest.id == "t3"
    claimed = t.claim_next(store, "me")
    assert claimed is not None and claimed.id == "t3"
    assert t.claim_next(store, "me") is None


def test_no_task_is_claimed_twice(path: str, store: Store) -> None:
    for n in range(20):
        t.add_task(store, f"t{n}", f"/src/{n}.py", "", AT)
    agents = [Store(path), Store(path)]
    claimed = [t.claim_next(agents[n % 2], f"agent-{n % 2}") for n in range(22)]
    assert [task.id if task else None for task in claimed] == [*(f"t{n}" for n in range(20)), None, None]


def test_what_ran_under_a_dead_agent_is_queued_again(store: Store) -> None:
    for n in range(3):
        t.add_task(store, f"t{n}", f"/src/{n}.py", "", AT)
    t.claim_next(store, "dead")
    t.claim_next(store, "alive")
    assert t.resume(store, "alive") == 1
    assert [(task.id, task.state) for task in t.tasks(store)] == [
        ("t0", "queued"), ("t1", "running"), ("t2", "queued"),
    ]  # fmt: skip
    again = t.claim_next(store, "alive")
    assert again is not None and again.id == "t0"


def test_a_task_that_waits_is_claimed_only_once_it_is_written(store: Store, waits: Callable[[], None]) -> None:
    assert not t.add_task(store, "t1", "/src/a.py", "", AT)
    assert not t.add_task(store, "t2", "/src/a.py", "", AT)
    assert t.claim_next(store, "me") is None and t.tasks(store) == [] and t.resume(store, "me") is None
    assert store.pending == 1
    waits()
    claimed = t.claim_next(store, "me")
    assert claimed is not None and claimed.id == "t2"


def test_tasks_that_are_over_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_rows, "TASKS_KEPT", 10)
    t.add_task(store, "waiting", "/src/w.py", "", AT)
    for n in range(30):
        t.add_task(store, f"a{n}", "/src/a.py", "", AT)
        t.add_task(store, f"b{n}", f"/src/b{n}.py", "", AT)
        t.finish_task(store, f"b{n}", "done", AT)
    assert [task.id for task in t.tasks(store)] == ["waiting", *(f"b{n}" for n in range(25, 29)), "a29", "b29"]
    assert store.read("SELECT count(*) FROM tasks") == [(11,)]


# --- scanned files


def test_scanned_files_are_kept_and_forgotten(store: Store) -> None:
    files = [t.Scanned(f"/src/{n}.py", f"{n}:1:2", "a" * 64, n != 1) for n in range(3)]
    assert t.save_scanned(store, files)
    assert t.scanned(store) == {file.path: file for file in files}
    assert t.scan_counts(store) == (3, 1)
    assert t.save_scanned(store, [t.Scanned("/src/1.py", "new", "b" * 64, True)])
    assert t.forget_scanned(store, ["/src/0.py", "/src/9.py"])
    assert t.scanned(store)["/src/1.py"].key == "new"
    assert t.scan_counts(store) == (2, 0)
    assert t.save_scanned(store, []) and t.forget_scanned(store, [])


def test_two_thousand_scanned_files_are_read_fast(store: Store) -> None:
    t.save_scanned(store, [t.Scanned(f"/src/some/folder/{n}.py", "1:2:3", "a" * 64, True) for n in range(2000)])
    start = time.perf_counter()
    assert len(t.scanned(store)) == 2000
    assert time.perf_counter() - start < 0.05  # 2 ms where it was measured


# --- text that is no Unicode


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_a_path_comes_back_byte_for_byte(name: bytes) -> None:
    path = os.fsdecode(name)
    stored = path_in(path)
    if isinstance(stored, str):
        stored.encode()
    assert os.fsencode(path_out(stored)) == name


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_words_are_valid_text(text: str) -> None:
    words(text).encode()


def test_paths_that_are_no_utf8_are_kept(store: Store) -> None:
    path = "/src/\udcff.py"
    assert t.add_task(store, "t1", path, "bad \udcff", AT)
    assert t.finish_task(store, "t1", "done", AT, original="/kept/\udcfe")
    task = t.task_of(store, path)
    assert task is not None and (task.path, task.original, task.error) == (path, "/kept/\udcfe", "bad \ufffd")
    assert t.save_scanned(store, [t.Scanned(path, "k", "a", True)])
    assert t.scanned(store).keys() == {path}
    assert t.forget_scanned(store, [path]) and t.scanned(store) == {}


# --- as a command sees it


def test_every_reader_works_without_a_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(str(home / "state.db"), readonly=True)
    assert t.counters(store) == {} and t.kernels(store) == {} and t.scanned(store) == {}
    assert t.incidents(store) == t.open_runs(store) == t.tasks(store) == []
    assert t.scan_counts(store) == (0, 0) and t.get_task(store, "t1") is None and t.task_of(store, "/a") is None
    assert sum(t.task_counts(store).values()) == 0
    assert not store.degraded and not home.exists()


def test_every_reader_works_when_all_writers_were_killed(store: Store, path: str) -> None:
    t.bump(store, "a")
    t.open_incident(store, "i1", AT, "web", "kernel", "exit")
    t.add_task(store, "t1", "/src/a.py", "", AT)
    store._file = File(path, readonly=True)  # nothing was closed in order
    start = time.perf_counter()
    command = Store(path, readonly=True)
    assert (t.counters(command), len(t.incidents(command)), len(t.tasks(command))) == ({"a": 1}, 1, 1)
    assert time.perf_counter() - start < 0.5
