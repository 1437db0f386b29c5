"""`graced start` and `graced stop`: from nothing to nothing, beside each other, in the middle of recoveries."""

import json
import os
import signal
import time
from typing import Final

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import until
from support.fixtures import COUNTERS, Make, running_counters
from support.home import HEALERS, Graced, finish
from support.whole import assert_one, assert_whole, counters
from support.witness import ROLES

STOPPED: Final = [("spawner",), ("watchdog",), ("self_healing",), ("spawner", "watchdog", *HEALERS), ROLES]


def test_a_started_home_is_healthy_and_each_member_is_one_titled_process(graced: Graced) -> None:
    code, status = graced.told()
    assert (code, status["healthy"], status["mode"]) == (0, True, "normal")
    for role in ROLES:
        assert_one(graced, role)
    assert {name: row["state"] for name, row in status["kernels"].items()} == dict.fromkeys(COUNTERS, "ready")


def test_a_start_while_running_says_so_and_changes_nothing(graced: Graced) -> None:
    kernels, before = counters(graced), graced.incarnations()
    done = graced.ok("start")
    assert "already running" in done.out + done.err
    assert graced.incarnations() == before
    assert_whole(graced, kernels)


def test_two_starts_at_once_make_one_graced(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.witness.start()
    starts = [graced.spawn("start", "--json") for _ in range(4)]
    done = [finish(process) for process in starts]
    assert [each.code for each in done] == [0] * 4, done
    graced.await_healthy()
    assert graced.incarnations() == dict.fromkeys(ROLES, 1), "nobody was born twice"
    assert_whole(graced, counters(graced))
    assert len(graced.audited("kernel.started")) == 3
    graced.stop_and_prove()


def test_a_start_during_a_recovery_waits_for_its_end(graced: Graced) -> None:
    kernels = counters(graced)
    for roles in (("self_healing",), HEALERS, ROLES[:-1]):
        before = graced.incarnations()
        graced.kill(*roles)
        done = graced.ok("start", "--json")
        status = json.loads(done.out)
        assert status["healthy"], done
        assert all(status["members"][role]["incarnation"] > before[role] for role in roles)
    assert_whole(graced, kernels)


def test_a_stop_without_anything_running_is_exit_3(make: Make) -> None:
    graced = make()
    done = graced.run("stop")
    assert done.code == 3
    assert "nothing" in done.out + done.err
    code, status = graced.told()
    assert (code, status["mode"], status["healthy"]) == (3, "stopped", False)
    graced.start()
    graced.stop_and_prove()
    assert graced.run("stop").code == 3


@pytest.mark.parametrize("roles", [("spawner",), HEALERS, ROLES[:-1]], ids="+".join)
def test_a_stop_during_a_recovery_leaves_nothing(graced: Graced, roles: tuple[str, ...]) -> None:
    """The fixture's own stop proves it: it comes while the recovery is under way."""
    graced.kill(*roles)


def test_a_stop_with_no_member_alive_ends_the_kernels(graced: Graced) -> None:
    graced.kill(*ROLES)
    graced.growing(*COUNTERS)


@pytest.mark.parametrize("roles", STOPPED, ids="+".join)
def test_a_stop_while_members_are_stopped_leaves_nothing(graced: Graced, roles: tuple[str, ...]) -> None:
    graced.signal(signal.SIGSTOP, *roles)


def test_a_stop_of_a_stopped_kernel_leaves_nothing(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one", stop={"timeout": "500ms"}), "two": graced.counter("two")}})
    graced.start()
    os.kill(graced.kernel("one").pid, signal.SIGSTOP)
    graced.stop_and_prove()


def test_a_status_answers_though_every_member_is_stopped(graced: Graced) -> None:
    kernels = counters(graced)
    graced.signal(signal.SIGSTOP, *ROLES)
    began = time.monotonic()
    code, status = graced.told()
    took_s = time.monotonic() - began
    assert code == 1
    assert not status["healthy"]
    assert {name: row["pid"] for name, row in status["kernels"].items()} == {n: i.pid for n, i in kernels.items()}
    assert {row["state"] for row in status["members"].values()} == {"suspect"}
    assert took_s < 10.0, "2 s, and what a busy machine adds"


def test_a_stop_that_dies_midway_lets_the_healing_go_on(make: Make) -> None:
    graced = make()
    deaf = scripts.stubborn(graced.counter_file("deaf"), stop={"timeout": "3s"})
    graced.write({"kernels": {"one": graced.counter("one"), "deaf": deaf}})
    graced.start()
    stop = graced.spawn("stop")
    until((graced.home / "run" / "stopping").exists, 3.0, "the stop has announced itself")
    until(lambda: not procs.alive(kernel) if (kernel := one(graced)) else True, 3.0, "the stop has begun with kernels")
    stop.kill()
    finish(stop)
    graced.await_healthy(10.0)
    graced.growing("one")
    graced.stop_and_prove()


def one(graced: Graced) -> procs.Identity | None:
    pid = graced.pid("one")
    return procs.identify(pid) if pid else None


def test_two_stops_at_once_both_end_well(graced: Graced) -> None:
    done = [finish(process) for process in [graced.spawn("stop") for _ in range(3)]]
    assert {each.code for each in done} <= {0, 3}, done
    assert 0 in {each.code for each in done}
    graced.prove_nothing_left()
    graced.ok("start")


def test_a_start_beside_a_stop_ends_running(graced: Graced) -> None:
    stop = graced.spawn("stop")
    until(lambda: (graced.home / "run" / "stopping").exists() or stop.poll() is not None, 3.0, "a stop is at work")
    done = graced.run("start")
    assert finish(stop).code == 0
    assert done.code == 0, done
    graced.await_healthy()


def test_a_start_leaves_its_caller_free(graced: Graced) -> None:
    """It returned, so nothing holds its pipes; nobody is in its session or has it as parent."""
    mine = procs.stat(os.getpid())
    assert mine is not None
    for identity in graced.witness.look():
        found = procs.stat(identity.pid)
        assert found is not None
        assert found.session != mine.session, procs.title(identity.pid)
        assert found.ppid != os.getpid()
    for role in ROLES:
        pid = graced.member(role).pid
        assert os.readlink(f"/proc/{pid}/fd/1") == str(graced.home / "logs" / f"{role}.log")
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_a_stop_is_no_failure_of_what_it_stops(graced: Graced) -> None:
    graced.ok("stop")
    status = graced.told()[1]
    assert {row["restarts"] for row in status["kernels"].values()} == {0}
    assert {row["state"] for row in status["kernels"].values()} == {"stopped"}
    assert json.loads(graced.ok("incidents", "--json").out)["incidents"] == []
    assert not graced.audited("member.down")
    graced.ok("start")
    status = graced.status()
    assert {row["run"] for row in status["kernels"].values()} == {2}
    assert {row["restarts"] for row in status["members"].values()} == {0}, "counted from this start"
    assert {row["incarnation"] for row in status["members"].values()} == {2}, "counted over the life of the home"


def test_two_homes_do_not_touch_each_other(make: Make) -> None:
    """Kernels of the same names, deaths and a stop in one: the other keeps every process."""
    first, second = running_counters(make), running_counters(make)
    kernels, members = counters(second), {role: second.member(role) for role in ROLES}
    first.signal(signal.SIGSTOP, "watchdog")
    first.kill("spawner", *HEALERS)
    first.await_healthy()
    first.kill(*ROLES)
    first.stop_and_prove()
    assert {role: second.member(role) for role in ROLES} == members
    assert_whole(second, kernels)
    assert not second.audited("member.down")
    second.stop_and_prove()
