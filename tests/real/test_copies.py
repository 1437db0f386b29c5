"""A home that was copied or moved is another home: it never sees, adopts, stops or kills what belongs to the first."""

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.witness import ROLES, Witness

SEQUENCES = 50
STEPS = 6
WELL_S = 15.0
KERNEL = {"command": ["sleep", "1000"]}


def running(make: Make) -> Graced:
    shop = make(name="shop")
    shop.write({"home": ".graced", "kernels": {"web": KERNEL, "db": KERNEL}})
    shop.move(shop.folder / ".graced")
    shop.start()
    return shop


def start(copy: Graced) -> str:
    """Starts a copy; what the command said. Only then is it witnessed: before, the id in it is that of the first."""
    said = copy.ok("start").err
    copy.witness = Witness(copy.home)
    return said


def copy_of(make: Make, shop: Graced, how: str = "cp") -> Graced:
    """`cp -a`, or a `mv` after which the first folder is there no more."""
    there = shop.folder.parent / "copy"
    if how == "cp":
        subprocess.run(["cp", "-a", str(shop.folder), str(there)], check=True)
    elif how == "tar":
        there.mkdir()
        subprocess.run(f"tar -C {shop.folder} -c . 2>/dev/null | tar -C {there} -x", shell=True, check=True)
    else:
        shop.folder.rename(there)
    one = make(name="unused")
    one.folder, one.yaml = there, there / "graced.yaml"
    one.move(there / ".graced")
    return one


def everyone(graced: Graced) -> set[procs.Identity]:
    return {identity for identity, mark in graced.witness.look().items() if mark.kind not in ("worker", "starting")}


@pytest.mark.parametrize("how", ["cp", "tar"])
def test_what_runs_is_not_seen_in_a_copy_nor_touched(make: Make, how: str) -> None:
    shop = running(make)
    copy = copy_of(make, shop, how)
    before = everyone(shop)
    code, told = copy.told()
    assert (code, told["mode"]) == (3, "stopped")
    assert [row["pid"] for rows in (told["members"], told["kernels"]) for row in rows.values()] == [None] * 9
    assert copy.run("stop").code == 3
    assert copy.run("stop", "web").code == 3
    assert everyone(shop) == before
    said = start(copy)
    assert "is a copy of another home" in said
    assert len({(shop.home / "id").read_text(), (copy.home / "id").read_text()}) == 2
    assert everyone(shop) == before and not everyone(copy) & before
    assert "is a copy" not in copy.run("start").err
    shop.stop_and_prove()
    copy.await_healthy(WELL_S)
    copy.stop_and_prove()


def test_a_copy_counts_on_from_what_it_was_copied_from(make: Make) -> None:
    shop = running(make)
    runs = {name: shop.slot(name)["run"] for name in ("web", "db")}
    copy = copy_of(make, shop)
    start(copy)
    assert {name: copy.slot(name)["run"] for name in runs} == {name: run + 1 for name, run in runs.items()}
    assert all(copy.incarnations()[role] > shop.incarnations()[role] for role in ROLES)
    assert copy.run("audit", "verify").code == 0


def test_kernels_that_outlived_everyone_are_adopted_by_their_own_home_alone(make: Make) -> None:
    shop = running(make)
    kernels = {shop.kernel("web"), shop.kernel("db")}
    shop.kill(*ROLES)
    copy = copy_of(make, shop)
    start(copy)
    assert kernels <= everyone(shop) and not kernels & everyone(copy)
    copy.stop_and_prove()
    assert kernels <= everyone(shop)
    shop.ok("start")
    assert {shop.kernel("web"), shop.kernel("db")} == kernels
    shop.stop_and_prove()


def test_a_home_that_is_moved_away_under_its_members_is_theirs_no_more(make: Make) -> None:
    shop = running(make)
    before = everyone(shop)
    moved = copy_of(make, shop, "mv")
    assert moved.told()[0] == 3
    assert moved.run("stop").code == 3
    assert all(procs.alive(identity) for identity in before)
    start(moved)
    assert not {moved.member(role) for role in ROLES} & before
    moved.ok("stop")
    assert all(procs.alive(identity) for identity in before)
    shop.await_healthy(WELL_S)
    shop.yaml = moved.yaml
    shop.ok("--home", str(shop.home), "stop")


def test_a_copied_announcement_of_a_stop_stops_nobody(make: Make) -> None:
    shop = running(make)
    copy = copy_of(make, shop)
    me = procs.identify(os.getpid())
    assert me is not None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    announced = {"pid": me.pid, "start_ticks": me.start_ticks, "boot_id": boot, "done": False}
    (copy.home / "run" / "stopping").write_text(json.dumps(announced))
    start(copy)
    copy.stop_and_prove()


def test_the_same_folder_under_another_path_is_the_same_home(make: Make) -> None:
    shop = running(make)
    link = shop.folder.parent / "link"
    link.symlink_to(shop.folder)
    done = subprocess.run(
        [*shop.command("--home", str(link / ".graced"), "status", "--json")], capture_output=True, text=True,
        env=shop.environ, cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["members"]["watchdog"]["pid"] == shop.pid("watchdog")


# --- any order


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_neither_of_two_copies_touches_a_process_of_the_other(make: Make, seed: int) -> None:
    dice = random.Random(seed)
    shop = running(make)
    copy = copy_of(make, shop)
    start(copy)
    homes = [shop, copy]
    for _ in range(STEPS):
        one = dice.choice(homes)
        other = homes[1 - homes.index(one)]
        _settle(other)  # what it heals itself it may also kill itself
        before = everyone(other)
        name, act = dice.choice(list(ACTS.items()))
        act(one, dice)
        gone = {identity for identity in before if not procs.alive(identity)}
        assert not gone, f"{name} in {one.folder.name} ended {gone} of the other (seed {seed})\n{other.story()}"
    for one in homes:
        one.run("stop")
        assert not everyone(one), one.story()


def _kill_some(one: Graced, dice: random.Random) -> None:
    there = sorted(everyone(one))
    for identity in dice.sample(there, dice.randint(0, len(there))):
        procs.send(identity, signal.SIGKILL)


def _freeze(one: Graced, dice: random.Random) -> None:
    there = sorted(everyone(one))
    for identity in dice.sample(there, min(2, len(there))):
        procs.send(identity, signal.SIGSTOP)


def _settle(one: Graced, dice: random.Random | None = None) -> None:
    """Until all is well, or nobody of its members is alive. A kernel that was frozen is its user's to go on with."""
    for identity in everyone(one):
        if not procs.title(identity.pid).startswith("graced"):
            procs.send(identity, signal.SIGCONT)
    until(lambda: one.told()[0] in (0, 3), WELL_S, one.story, 0.2)


def _lose(one: Graced, dice: random.Random) -> None:
    name = dice.choice(["id", "place", "run", "kernels", "state.db", "config"])
    path = one.home / name
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


ACTS: dict[str, Callable[[Graced, random.Random], object]] = {
    "start": lambda one, dice: one.run("start"),
    "stop": lambda one, dice: one.run("stop"),
    "stop web": lambda one, dice: one.run("stop", "web"),
    "restart": lambda one, dice: one.run("restart", dice.choice(["web", "db"])),
    "status": lambda one, dice: one.run("status"),
    "kill": _kill_some,
    "freeze": _freeze,
    "heal": _settle,
    "lose a file": _lose,
}
