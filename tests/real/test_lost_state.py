"""Files of the home that are lost or damaged between two lives: kernels are still known, and never doubled."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Final

import pytest
from support.deadlines import until
from support.fixtures import COUNTERS
from support.home import Graced
from support.whole import assert_whole, counters
from support.witness import ROLES

from graced.store.db import Store
from graced.store.tables import kernels as kernels_of

LIVES: Final = 3
DATABASE: Final = ("state.db", "state.db-wal", "state.db-shm", "state.db.lock")
LOSSES: Final = {
    "slots": ["kernels"],
    "database": [*DATABASE],
    "slots and database": ["kernels", *DATABASE],
    "run": ["run"],
    "key and base": ["key", "base"],
    "all but the id": [
        "kernels",
        "state.db",
        "state.db-wal",
        "state.db-shm",
        "state.db.lock",
        "run",
        "config",
        "environ",
    ],
}


def lose(graced: Graced, names: list[str]) -> None:
    for name in names:
        path = graced.home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_kernels_that_outlived_everyone_are_adopted_though_files_are_lost(graced: Graced, loss: str) -> None:
    kernels = counters(graced)
    graced.kill(*ROLES)
    lose(graced, LOSSES[loss])
    graced.ok("start")
    graced.await_healthy()
    assert_whole(graced, kernels)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_stop_finds_kernels_that_outlived_everyone_though_files_are_lost(graced: Graced, loss: str) -> None:
    graced.kill(*ROLES)
    lose(graced, LOSSES[loss])
    graced.growing(*COUNTERS)


def test_kernels_survive_files_that_are_lost_while_members_die(graced: Graced) -> None:
    kernels, before = counters(graced), graced.incarnations()
    lose(graced, LOSSES["slots and database"])
    graced.kill("spawner", "self_healing", "watchdog")
    graced.await_healthy(10.0, newer={role: before[role] for role in ("spawner", "self_healing", "watchdog")})
    assert_whole(graced, kernels)


def row_of(graced: Graced, kernel: str) -> object:
    store = Store(str(graced.home / "state.db"), readonly=True)
    try:
        return kernels_of(store).get(kernel)
    finally:
        store.close()


@pytest.mark.parametrize("names", [DATABASE, ("state.db-wal",)], ids=["all of it", "the WAL"])
def test_a_stopped_kernel_stays_stopped_though_the_database_is_lost(graced: Graced, names: tuple[str, ...]) -> None:
    graced.ok("stop", "one")
    lose(graced, [*names])
    until(lambda: row_of(graced, "one") is not None, 5.0, "its row is there again")
    before = graced.incarnations()
    graced.kill("self_healing")
    graced.await_healthy(10.0, newer={"self_healing": before["self_healing"]})
    assert graced.status()["kernels"]["one"]["state"] == "stopped"
    assert graced.run("tasks").code == 0
    graced.ok("start", "one")


def test_what_a_start_left_in_the_home_is_written_back(graced: Graced) -> None:
    kernels, before = counters(graced), graced.incarnations()
    kept = {name: (graced.home / name).read_bytes() for name in ("config", "environ", "key", "id")}
    lose(graced, ["environ", "id"])
    (graced.home / "config").write_bytes(kept["config"][:20] + b"\xf3" + kept["config"][21:])  # one flipped bit
    (graced.home / "key").write_bytes(b"garbage")
    until(
        lambda: all((graced.home / n).exists() and (graced.home / n).read_bytes() == b for n, b in kept.items()),
        5.0, "they are written back",
    )  # fmt: skip
    until(lambda: graced.audited("escalated"), 5.0, "a person is told, in the turn that wrote them back")
    graced.kill("spawner", "self_healing", "coding_agent")
    graced.await_healthy(10.0, newer={role: before[role] for role in ("spawner", "self_healing", "coding_agent")})
    assert_whole(graced, kernels)


def test_a_damaged_database_is_set_aside_and_everything_runs(graced: Graced) -> None:
    graced.ok("stop")
    (graced.home / "state.db").write_bytes(b"this is no database" * 1000)
    lose(graced, ["state.db-wal", "state.db-shm"])
    graced.ok("start")
    graced.await_healthy()
    assert_whole(graced, counters(graced))


def test_incarnations_and_runs_grow_over_the_life_of_the_home(graced: Graced) -> None:
    graced.kill("trigger", "self_healing")
    graced.await_healthy(newer={"trigger": 1, "self_healing": 1})
    before = graced.incarnations()
    runs = {name: row["run"] for name, row in graced.status()["kernels"].items()}
    for life in range(1, LIVES + 1):
        graced.ok("stop")
        lose(graced, ["run"])
        graced.ok("start")
        expected, after = {role: n + life for role, n in before.items()}, graced.incarnations()
        assert after == expected, f"{expected} -> {after}\n{graced.story(60)}"
    after = {name: row["run"] for name, row in graced.status()["kernels"].items()}
    assert after == {name: n + LIVES for name, n in runs.items()}


def test_a_torn_last_line_of_the_audit_is_set_aside(graced: Graced) -> None:
    graced.kill(*ROLES)
    last = newest_audit(graced)
    with open(last, "ab") as file:
        file.write(b'{"seq":999,"at":"2026-01-01T00:0')
    verified = graced.run("audit", "verify")
    assert verified.code == 0, "an unfinished last line is mentioned and is no breach"
    graced.ok("start")
    assert list((graced.home / "audit").glob("torn-*")), "the tail is kept"
    assert graced.run("audit", "verify").code == 0


def test_a_broken_chain_does_not_stop_the_start_and_is_told_once(graced: Graced) -> None:
    graced.ok("stop")
    path = newest_audit(graced)
    original = path.read_bytes()
    lines = original.splitlines(keepends=True)
    record = json.loads(lines[3])
    record["kind"] = "member.down"
    lines[3] = json.dumps(record).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    broken = graced.run("audit", "verify")
    assert broken.code == 1
    assert str(record["seq"]) in broken.out + broken.err
    graced.ok("start")
    graced.await_healthy()
    assert graced.run("audit", "verify").code == 1
    graced.ok("stop")
    # Mended again, the rest of the chain that was written meanwhile holds.
    grown = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*original.splitlines(keepends=True)[:4], *grown[4:]]))
    graced.ok("start")


def newest_audit(graced: Graced) -> Path:
    return max((graced.home / "audit").glob("[0-9]*.jsonl"))


def test_what_is_in_the_home_is_for_its_owner_alone(graced: Graced) -> None:
    assert stat.S_IMODE(os.stat(graced.home / "run").st_mode) == 0o700
    loose = [
        str(path.relative_to(graced.home))
        for path in graced.home.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert not loose, f"others may read {loose}"
