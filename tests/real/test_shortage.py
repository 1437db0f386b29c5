"""What passes: no descriptor is left, the installation is gone. No member dies of it, kernels run on, all heals."""

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.witness import ROLES

import graced as package

FEW = 64
MANY = 22
TROUBLE_S = 2.0
HEALED_S = 5.0
DEAD = [("spawner",), ("spawner", "watchdog"), ("self_healing", "coding_agent"), ("trigger",)]
SLEEPER = {"command": ["sleep", "1000"]}


def limit_of(pid: int) -> tuple[int, int]:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def start_with(graced: Graced, limit: str) -> None:
    """As from a shell with such an `ulimit`."""
    graced.witness.start()
    words = ["sh", "-c", f'{limit}; exec "$@"', "sh", *graced.command("start")]
    done = subprocess.run(words, env=graced.environ, cwd=graced.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + graced.story()


@pytest.mark.xfail(
    strict=True, reason="the pipe of each kernel costs the spawner a descriptor: its successor runs out of them"
)
def test_many_kernels_run_and_are_adopted_with_few_descriptors(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"many": {**SLEEPER, "replicas": MANY}, "one": graced.counter("one")}})
    start_with(graced, f"ulimit -n {FEW}")
    kernels = {name: row["pid"] for name, row in graced.status()["kernels"].items()}
    before = graced.incarnations()
    graced.kill("spawner")
    graced.await_healthy(HEALED_S, newer={"spawner": before["spawner"]})
    assert {name: row["pid"] for name, row in graced.status()["kernels"].items()} == kernels
    for name in ("many.0", f"many.{MANY - 1}", "one"):  # with a pidfd, without one
        os.kill(kernels[name], signal.SIGKILL)
        graced.await_kernel(name, lambda row, name=name: row["pid"] not in (None, kernels[name]), HEALED_S)
    assert graced.incarnations() == {**before, "spawner": before["spawner"] + 1}
    graced.stop_and_prove()


def test_graced_raises_its_own_limit_and_gives_kernels_the_one_that_it_was_started_with(make: Make) -> None:
    graced = make()
    kernels = {
        "plain": SLEEPER,
        "forked": {**SLEEPER, "nice": 1},
        "set": {**SLEEPER, "limits": {"open_files": 99}},
    }
    graced.write({"kernels": {name: kernels[name] for name in ("plain", "forked")}})
    start_with(graced, f"ulimit -Sn {FEW}")
    hard = limit_of(os.getpid())[1]
    for _ in range(2):
        assert limit_of(graced.pid("spawner"))[0] > FEW and limit_of(graced.pid("watchdog"))[0] > FEW
        assert {limit_of(graced.pid(name)) for name in ("plain", "forked")} == {(FEW, hard)}
        before = graced.incarnations()
        graced.kill("spawner")  # whom a survivor brings back
        graced.await_healthy(HEALED_S, newer={"spawner": before["spawner"]})
        graced.ok("restart", "plain", "forked")
    graced.stop_and_prove()


@pytest.mark.parametrize("roles", [("spawner",), ("watchdog", "self_healing"), ROLES], ids=["spawner", "two", "all"])
@pytest.mark.parametrize("dies", ["", "parliament"])
def test_no_member_dies_when_its_table_of_files_is_full(make: Make, roles: tuple[str, ...], dies: str) -> None:
    """Nobody connects meanwhile: libzmq itself aborts when it cannot accept (src/ipc_listener.cpp)."""
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one")}})
    graced.start()
    before = graced.incarnations()
    pids = {role: graced.member(role).pid for role in roles if role != dies}
    limits = {pid: limit_of(pid) for pid in pids.values()}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, hard))
    if dies:
        graced.kill(dies)
    time.sleep(TROUBLE_S)
    now = graced.incarnations()
    assert {role: now[role] for role in pids} == {role: before[role] for role in pids}, graced.story()
    graced.growing("one")
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    graced.await_healthy(HEALED_S)
    now = graced.incarnations()
    assert {role: now[role] for role in pids} == {role: before[role] for role in pids}, graced.story()
    graced.stop_and_prove()


# --- the installation


@pytest.fixture
def installation(folder: Path) -> Path:
    """A copy of the package, that can be taken away while graced runs from it."""
    there = folder / "site" / "graced"
    shutil.copytree(Path(package.__file__).parent, there, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(package.__file__).parents[1] / "playbooks", folder / "site" / "playbooks")
    return there


def take_away(installation: Path) -> Path:
    """What is imported from then on fails."""
    aside = installation.with_name("aside")
    installation.rename(aside)
    installation.mkdir()
    (installation / "__init__.py").write_text("raise ModuleNotFoundError('the installation is gone')\n")
    return aside


def put_back(installation: Path, aside: Path) -> None:
    shutil.rmtree(installation)
    aside.rename(installation)


@pytest.mark.parametrize("dead", DEAD, ids=" ".join)
def test_the_installation_is_gone_when_somebody_dies(make: Make, installation: Path, dead: tuple[str, ...]) -> None:
    graced = make()
    graced.environ["PYTHONPATH"] = str(installation.parent)
    graced.crash_wanted = True  # of newborns, whose first import fails
    graced.write({"kernels": {"one": graced.counter("one")}})
    graced.start()
    kernel, before = graced.kernel("one"), graced.incarnations()
    rest = {role: graced.member(role) for role in ROLES if role not in dead}
    aside = take_away(installation)
    try:
        graced.kill(*dead)
        ended = time.monotonic() + TROUBLE_S
        until(lambda: time.monotonic() > ended or not all(map(procs.alive, rest.values())), 10.0, "trouble")
        assert [role for role, identity in rest.items() if not procs.alive(identity)] == [], graced.story()
        assert procs.alive(kernel)
    finally:
        put_back(installation, aside)
    graced.await_healthy(HEALED_S, newer={role: before[role] for role in dead})
    assert graced.kernel("one") == kernel
    graced.stop_and_prove()
