"""The home's disk lets graced down: full, read-only, run/ deleted. Recovery goes on; each ends in a clear line."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support import procs
from support.deadlines import until
from support.disks import Disk, small_disk
from support.fixtures import COUNTERS, Make
from support.home import HEALERS, Graced
from support.whole import assert_whole, counters
from support.witness import ROLES

pytestmark = pytest.mark.chaos

KILLED: Final = [("self_healing",), ("watchdog",), ("spawner",), HEALERS, ("spawner", "watchdog", *HEALERS)]


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    with small_disk(folder / "disk") as one:
        yield one


def on_disk(make: Make, disk: Disk) -> Graced:
    """Runs with its home on the small disk; the counters count elsewhere."""
    graced = make()
    graced.move(disk.path / "home")
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.start()
    graced.growing(*COUNTERS)
    return graced


def test_on_a_full_disk_everyone_is_brought_back_and_a_summary_follows(make: Make, disk: Disk) -> None:
    graced = on_disk(make, disk)
    kernels = counters(graced)
    disk.fill()
    for roles in KILLED:
        before = graced.incarnations()
        dead = graced.kill(*roles)
        until(lambda: recovered(graced, roles, before), 3.0, graced.story)  # noqa: B023
        assert_whole(graced, kernels, dead.values())
    assert graced.status()["audit"]["degraded"] is True
    old = graced.kernel("one")
    os.kill(old.pid, 9)
    graced.await_kernel("one", lambda row: row["state"] == "ready" and row["run"] == 2)
    graced.growing(*COUNTERS)
    disk.empty()
    until(lambda: graced.audited("audit.summary"), 5.0, graced.story)
    graced.await_healthy()
    until(lambda: graced.status()["audit"]["degraded"] is False, 5.0, graced.story)
    graced.stop_and_prove()


def recovered(graced: Graced, roles: tuple[str, ...], before: dict[str, int]) -> bool:
    members = graced.status()["members"]
    newer = all(members[role]["incarnation"] > before[role] for role in roles)
    return newer and {row["state"] for row in members.values()} == {"healthy"}


def test_a_stop_on_a_full_disk_leaves_nothing(make: Make, disk: Disk) -> None:
    graced = on_disk(make, disk)
    disk.fill()
    graced.stop_and_prove()


def test_a_start_on_a_full_disk_is_one_clear_line_and_nothing_runs(make: Make, disk: Disk) -> None:
    graced = make()
    graced.move(disk.path / "home")
    graced.write({"kernels": {"one": graced.counter("one")}})
    disk.fill()
    graced.witness.start()
    done = graced.run("start")
    assert_clear(done.code, done.err, "No space left on device")
    graced.prove_nothing_left()
    disk.empty()
    graced.ok("start")
    graced.stop_and_prove()


def test_a_start_again_on_a_disk_that_is_full_by_now(make: Make, disk: Disk) -> None:
    graced = on_disk(make, disk)
    graced.ok("stop")
    disk.fill()
    done = graced.run("start")
    if done.code != 0:
        assert_clear(done.code, done.err, "No space left on device")
        graced.prove_nothing_left()
        disk.empty()
    else:
        graced.stop_and_prove()


def test_a_read_only_home_is_one_clear_line_and_nothing_runs(make: Make, disk: Disk) -> None:
    graced = make()
    graced.move(disk.path / "home")
    graced.write({"kernels": {"one": graced.counter("one")}})
    graced.witness.start()
    with disk.read_only():
        done = graced.run("start")
    assert_clear(done.code, done.err, "Read-only file system")
    graced.prove_nothing_left()
    graced.ok("start")
    graced.ok("stop")
    with disk.read_only():
        done = graced.run("start")
        assert_clear(done.code, done.err, "Read-only file system")
        assert graced.run("status").code == 3, "what only reads works"
        assert graced.run("stop").code == 3
    graced.prove_nothing_left()


def test_a_home_that_becomes_read_only_can_be_seen_and_stopped(make: Make, disk: Disk) -> None:
    graced = on_disk(make, disk)
    kernels = counters(graced)
    with disk.read_only():
        assert graced.told()[1]["kernels"]["one"]["pid"] == kernels["one"].pid
        graced.growing(*COUNTERS)
        done = graced.run("stop")
        assert done.code == 0, done
        graced.prove_nothing_left()
    graced.prove_clean()


def test_members_that_die_on_a_read_only_disk_come_back_once_it_can_be_written(make: Make, disk: Disk) -> None:
    graced = on_disk(make, disk)
    kernels, before = counters(graced), graced.incarnations()
    with disk.read_only():
        graced.kill("coding_agent", "parliament")
        graced.growing(*COUNTERS)
        code, status = graced.told()
        assert code == 1
        assert status["members"]["watchdog"]["state"] == "healthy"
    graced.await_healthy(40.0, newer={role: before[role] for role in ("coding_agent", "parliament")})
    assert_whole(graced, kernels)
    graced.stop_and_prove()


def assert_clear(code: int, err: str, why: str) -> None:
    lines = err.strip().splitlines()
    assert code == 1
    assert len(lines) == 1, err
    assert lines[0].startswith("graced: ")
    assert why in lines[0]


# --- run/


def test_a_deleted_run_folder_is_made_again_and_everyone_is_healthy(graced: Graced) -> None:
    kernels = counters(graced)
    for _ in range(2):
        shutil.rmtree(graced.home / "run")
        until(lambda: all((graced.home / "run" / f"{role}.lock").exists() for role in ROLES), 5.0, graced.story)
        graced.await_healthy(5.0)
        assert_whole(graced, kernels)
    before = graced.incarnations()
    dead = graced.kill(*HEALERS)
    graced.await_healthy(newer={role: before[role] for role in HEALERS})
    assert_whole(graced, kernels, dead.values())


def test_incarnations_grow_on_over_a_deleted_run_folder(graced: Graced) -> None:
    before = graced.incarnations()
    shutil.rmtree(graced.home / "run")
    until(lambda: all((graced.home / "run" / f"{role}.lock").exists() for role in ROLES), 5.0, graced.story)
    graced.await_healthy(5.0)
    graced.kill("parliament", "spawner")
    graced.await_healthy(newer={role: before[role] for role in ("parliament", "spawner")})


@pytest.mark.parametrize("roles", [("watchdog",), ("spawner",), HEALERS], ids="+".join)
def test_a_death_together_with_run_is_healed(graced: Graced, roles: tuple[str, ...]) -> None:
    kernels = counters(graced)
    dead = graced.kill(*roles)
    shutil.rmtree(graced.home / "run", ignore_errors=True)
    until(lambda: all((graced.home / "run" / f"{role}.lock").exists() for role in ROLES), 10.0, graced.story)
    graced.await_healthy(10.0)
    assert_whole(graced, kernels, dead.values())


def test_a_stop_right_after_run_was_deleted_leaves_nothing(graced: Graced) -> None:
    shutil.rmtree(graced.home / "run", ignore_errors=True)


# --- sockets


def test_stale_and_foreign_things_in_run_are_no_obstacle(graced: Graced) -> None:
    graced.ok("stop")
    run = graced.home / "run"
    for role in ROLES:
        (run / f"{role}.cmd").unlink(missing_ok=True)
        (run / f"{role}.cmd").write_bytes(b"not a socket")
        (run / f"{role}.lock").write_bytes(b"garbage, longer than a record" * 10)
    graced.ok("start")
    graced.growing(*COUNTERS)


def test_a_home_with_a_path_longer_than_a_socket_takes_works(make: Make) -> None:
    graced = make()
    graced.move(graced.folder / ("long-" * 20) / ("path-" * 20) / "home")
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    assert len(str(graced.home)) > 200
    graced.start()
    kernels = counters(graced)
    for roles in (HEALERS, ("spawner",), ("spawner", "watchdog", *HEALERS)):
        before = graced.incarnations()
        dead = graced.kill(*roles)
        graced.await_healthy(newer={role: before[role] for role in roles})
        assert_whole(graced, kernels, dead.values())
    graced.kill(*ROLES)
    graced.ok("start")
    assert_whole(graced, kernels)
    graced.stop_and_prove()


def test_a_lock_file_that_names_a_stranger_harms_no_stranger(graced: Graced) -> None:
    """A reused pid: the record of a dead member has the pid of somebody else."""
    graced.ok("stop")
    record = graced.lock("watchdog")
    mine = procs.identify(os.getpid())
    assert mine is not None
    text = f'{{"pid":{mine.pid},"incarnation":{record["incarnation"]},"start_ticks":1,"boot_id":"{record["boot_id"]}"}}'
    (graced.home / "run" / "watchdog.lock").write_text(text.ljust(127) + "\n")
    graced.ok("start")
    graced.await_healthy(newer={"watchdog": record["incarnation"]})
    assert procs.alive(mine)
