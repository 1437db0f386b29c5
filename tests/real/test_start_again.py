"""A start beside what is there: a stop at work, another start, a graced that cannot be seen, half of the kernels."""

import shutil
import subprocess
import sys
import threading

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced, finish

WELL_S = 20.0
SLOW_S = 2.0
KEPT = ("config", "environ", "playbooks", "base", "id", "place", "key")


def slow_to_stop() -> dict[str, object]:
    """A kernel that takes its whole time to stop."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    return {"command": [sys.executable, "-c", code], "stop": {"timeout": f"{SLOW_S:g}s"}}


def kept(graced: Graced) -> dict[str, bytes]:
    return {name: (graced.home / name).read_bytes() for name in KEPT}


# --- a stop at work


@pytest.mark.parametrize("words", [("start",), ("start", "one"), ("start", "--foreground")], ids=" ".join)
@pytest.mark.parametrize("late_s", [0.0, 0.7])
def test_a_start_waits_for_the_end_of_a_stop_and_then_starts(make: Make, words: tuple[str, ...], late_s: float) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one"), "slow": slow_to_stop()}})
    graced.start()
    before = {graced.member("watchdog"), graced.kernel("one")}
    stop = graced.spawn("stop")
    until((graced.home / "run" / "stopping").exists, WELL_S, "the stop is announced", 0.01)
    threading.Event().wait(late_s)
    start = graced.spawn(*words)
    assert finish(stop).code == 0
    graced.await_healthy(WELL_S)
    assert not {graced.member("watchdog"), graced.kernel("one")} & before
    if "--foreground" in words:
        graced.ok("stop")
    said = finish(start)
    assert said.code == 0, said
    assert "`graced stop` is at work" in said.err
    assert "already running" not in said.out
    if "--foreground" not in words:
        graced.stop_and_prove()


# --- two starts at once


def test_of_two_starts_in_the_foreground_at_once_one_is_the_spawner_and_the_other_says_so(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one")}})
    both = [graced.spawn("start", "--foreground", environ={"TURN": turn}) for turn in "ab"]
    graced.await_healthy(WELL_S)
    winner = graced.member("spawner").pid
    loser = next(process for process in both if process.pid != winner)
    said = finish(loser)
    assert (said.code, said.out.splitlines()[0]) == (0, "already running")
    kernel = procs.environ(graced.pid("one"))
    assert kernel["TURN"] == ("a" if both[0].pid == winner else "b")
    graced.stop_and_prove()
    for process in both:
        finish(process)


# --- a graced that cannot be seen


@pytest.fixture
def elsewhere() -> list[str]:
    """Puts a command into a pid namespace of its own, as a second container is."""
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("pid namespaces are refused")
    return words


@pytest.mark.parametrize("words", [("start",), ("start", "--foreground"), ("start", "one")], ids=" ".join)
@pytest.mark.parametrize("alone", ["all", "survivors"])
def test_a_start_in_a_second_container_changes_nothing_and_says_why(
    make: Make, elsewhere: list[str], words: tuple[str, ...], alone: str
) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one")}})
    graced.start(environ={"TURN": "first"})
    if alone == "survivors":  # for an instant: they bring it back
        graced.kill("spawner")
    before = kept(graced)
    graced.write({"kernels": {"two": graced.counter("two")}})
    done = subprocess.run(
        [*elsewhere, *graced.command(*words)], capture_output=True, text=True, cwd=graced.folder, timeout=60,
        env={**graced.environ, "TURN": "second"}, check=False,
    )  # fmt: skip
    if "one" in words:
        assert done.returncode in (4, 75)
    else:
        assert done.returncode == 75, done
        assert f"{graced.home} is in use" in done.stderr and "Traceback" not in done.stderr
    assert kept(graced) == before
    graced.await_healthy(WELL_S)
    graced.stop_and_prove()


def test_a_spawner_that_does_not_win_its_role_says_so(make: Make) -> None:
    graced = make()
    graced.start()
    words = [sys.executable, "-P", "-m", "graced.members.spawner", "--home", str(graced.home)]
    done = subprocess.run(words, capture_output=True, text=True, env=graced.environ, timeout=60, check=False)
    assert done.returncode == 75
    assert done.stderr.count("\n") == 1 and "role of the spawner" in done.stderr and str(graced.home) in done.stderr
    graced.stop_and_prove()


# --- half of the kernels


def half(make: Make) -> Graced:
    graced = make()
    kernels = {name: graced.counter(name) for name in ("clock", "web", "db")}
    kernels["manual"] = {**graced.counter("manual"), "autostart": False}
    kernels["many"] = {**graced.counter("many"), "replicas": 2}
    graced.write({"kernels": kernels})
    graced.witness.start()
    return graced


def states(graced: Graced) -> dict[str, bool]:
    return {name: bool(row["pid"]) for name, row in graced.status()["kernels"].items()}


def test_a_start_without_names_after_one_with_names_starts_the_rest_and_says_so(make: Make) -> None:
    graced = half(make)
    graced.ok("start", "clock")
    assert states(graced) == {
        "clock": True,
        "web": False,
        "db": False,
        "manual": False,
        "many.0": False,
        "many.1": False,
    }
    said = graced.ok("start")
    assert said.out.splitlines()[:2] == ["already running", "starting web, db, many.0, many.1"]
    assert states(graced) == {"clock": True, "web": True, "db": True, "manual": False, "many.0": True, "many.1": True}
    again = graced.ok("start")
    assert "starting" not in again.out.split("KERNEL")[0].replace("MEMBER", "")
    graced.stop_and_prove()


def test_what_a_person_stopped_by_name_is_not_the_rest(make: Make) -> None:
    graced = half(make)
    graced.ok("start", "clock", "web")
    graced.ok("stop", "web")
    assert "web" not in graced.ok("start").out.splitlines()[1]
    assert states(graced)["db"] and not states(graced)["web"]
    assert graced.ok("start", "web").out.splitlines()[1] == "starting web"
    graced.stop_and_prove()


def test_the_rest_is_known_to_whoever_comes_back(make: Make) -> None:
    graced = half(make)
    graced.ok("start", "many.1")
    before = graced.incarnations()
    graced.kill("spawner", "self_healing")
    graced.await_healthy(WELL_S, newer={role: before[role] for role in ("spawner", "self_healing")})
    assert states(graced)["many.1"] and not states(graced)["many.0"]
    graced.ok("start")
    assert [name for name, up in states(graced).items() if not up] == ["manual"]
    graced.stop_and_prove()
