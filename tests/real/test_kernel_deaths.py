"""Kernels die and come back: by standing order, after backoff, or not at all, as their configuration says."""

import itertools
import json
import os
import signal
import time
from typing import Any, Final

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import holds_for, told, until
from support.fixtures import Make
from support.home import Graced

SETTLE_S: Final = 0.6
"""Long enough for a restart that must not come: it would come in a millisecond."""


def kill_kernel(graced: Graced, name: str) -> procs.Identity:
    old = graced.kernel(name)
    os.kill(old.pid, signal.SIGKILL)
    return old


def row(graced: Graced, name: str) -> dict[str, Any]:
    return dict(graced.status()["kernels"][name])


def test_a_killed_kernel_comes_back_as_the_next_run(graced: Graced) -> None:
    before = row(graced, "one")
    old = kill_kernel(graced, "one")
    graced.await_kernel("one", lambda now: now["state"] == "ready" and now["run"] > before["run"])
    # A run that the spawner began by standing order is shown before self_healing has counted it.
    after = graced.await_kernel("one", lambda now: now["restarts"] > before["restarts"])
    assert (after["run"], after["restarts"]) == (before["run"] + 1, before["restarts"] + 1)
    assert after["pid"] != before["pid"]
    assert not procs.alive(old)
    graced.growing("one", "two", "three")
    graced.await_healthy()
    exits = graced.audited("kernel.exited", kernel="one")
    assert [(r["data"]["run"], r["data"]["pid"], r["data"]["exit"]) for r in exits] == [(1, old.pid, {"signal": 9})]
    assert [r["data"]["run"] for r in graced.audited("kernel.started", kernel="one")] == [1, 2]
    assert graced.status()["recoveries"]["kernel"] == 1


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_kernel_comes_back_though_self_healing_is_gone_in_the_same_instant(graced: Graced, sig: int) -> None:
    old = graced.kernel("one")
    graced.signal(sig, "self_healing")
    began = time.monotonic()
    os.kill(old.pid, signal.SIGKILL)
    graced.growing("one", limit_s=1.0)
    took_s = time.monotonic() - began
    after = graced.await_kernel("one", lambda now: now["state"] == "ready" and now["run"] == 2)
    graced.await_healthy()
    assert not procs.alive(old)
    assert row(graced, "one")["pid"] == after["pid"], "the run of the standing order is the one that is kept"
    assert row(graced, "one")["restarts"] == 1
    until(lambda: graced.audited("kernel.exited", kernel="one"), 3.0, graced.story)
    assert len(graced.audited("kernel.exited", kernel="one")) == 1
    assert [r["data"]["run"] for r in graced.audited("kernel.started", kernel="one")] == [1, 2]
    print(f"kill to the successor's first mark: {told([took_s])}")


def test_a_kernel_dies_together_with_the_spawner_and_one_run_replaces_it(graced: Graced) -> None:
    old = graced.kernel("one")
    graced.kill("spawner")
    os.kill(old.pid, signal.SIGKILL)
    after = graced.await_kernel("one", lambda now: now["state"] == "ready" and now["run"] == 2)
    graced.await_healthy()
    assert after["pid"] != old.pid
    graced.growing("one", "two", "three")
    assert graced.audited("kernel.exited", kernel="one", run=1)


@pytest.mark.parametrize("deaths", [1, 2])
def test_deaths_are_told_though_the_spawner_that_saw_them_died_before_anyone_heard(graced: Graced, deaths: int) -> None:
    """The standing order was carried out while self_healing slept; run 2 had none. Then both died with the news."""
    old = graced.kernel("one")
    graced.signal(signal.SIGSTOP, "self_healing")
    os.kill(old.pid, signal.SIGKILL)
    until(lambda: graced.slot("one")["run"] == 2 and graced.slot("one")["pid"] > 0, 1.0, "run 2 by standing order")
    before = graced.incarnations()
    if deaths == 2:
        os.kill(graced.slot("one")["pid"], signal.SIGKILL)
    graced.kill("spawner", "self_healing")
    graced.await_healthy(newer={role: before[role] for role in ("spawner", "self_healing")})
    now = row(graced, "one")
    assert (now["run"], now["restarts"]) == (1 + deaths, deaths)
    assert graced.status()["recoveries"]["kernel"] == deaths
    assert [r["data"]["run"] for r in graced.audited("kernel.exited", kernel="one")] == [*range(1, 1 + deaths)]
    assert [r["data"]["run"] for r in graced.audited("kernel.started", kernel="one")] == [*range(1, 2 + deaths)]


def test_a_crash_loop_ends_as_failed_and_calls_a_human(make: Make) -> None:
    starts = "starts"
    graced = make()
    graced.write(
        {
            "restarts": {"max_restarts": 5, "window": "60s", "backoff": {"initial": "50ms", "jitter": 0}},
            "kernels": {"bad": scripts.exiting(graced.folder / starts, 7), "good": graced.counter("good")},
        }
    )
    graced.witness.start()
    done = graced.run("start")
    assert (done.code, "bad" in done.err) in ((1, True), (0, False)), "`failed` ends the wait; or it was quicker"
    last = graced.await_kernel("bad", lambda now: now["state"] == "failed", 5.0)
    assert "7" in last["reason"]
    assert (last["exit"], last["pid"], last["run"]) == ({"code": 7}, None, 6)
    assert last["rung"] == "notify"
    times = [float(line) for line in (graced.folder / starts).read_text().split()]
    assert len(times) == 6, "max_restarts restarts and the first start"
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(waits[:2]) < 0.5, "the first two restarts do not wait"
    assert all(wait >= due for wait, due in zip(waits[2:], (0.05, 0.1, 0.2), strict=True)), f"backoff doubles: {waits}"
    assert graced.audited("escalated", subject="bad")
    holds_for(lambda: (graced.folder / starts).read_text().count("\n") == 6, SETTLE_S, "no restart after `failed`")
    code, status = graced.told()
    assert (code, status["healthy"], status["mode"]) == (1, False, "normal")
    graced.growing("good")
    (incident,) = json.loads(graced.run("incidents", "--json").out)["incidents"]
    assert (incident["state"], incident["steps"][-1]["step"]) == ("open", "notify"), "it is tried again until it holds"
    # A person's start clears it, and it gets its whole count again.
    graced.run("start", "bad")
    graced.await_kernel("bad", lambda now: now["state"] == "failed" and now["run"] == 12, 5.0)
    graced.stop_and_prove()


def test_a_failed_kernel_stays_failed_through_the_deaths_of_members(make: Make) -> None:
    graced = make({"bad": {}})
    graced.write(
        {
            "kernels": {
                "bad": scripts.exiting(graced.folder / "starts", 1, restart="never"),
                "good": graced.counter("good"),
            }
        }
    )
    graced.witness.start()
    assert graced.run("start").code == 1
    graced.await_kernel("bad", lambda now: now["state"] == "failed")
    for roles in (("self_healing",), ("spawner",), ("spawner", "self_healing", "watchdog")):
        before = graced.incarnations()
        graced.kill(*roles)
        graced.await_members({role: before[role] for role in roles})
        until(lambda: graced.status()["mode"] == "normal", 3.0, graced.story)
        assert row(graced, "bad")["state"] == "failed"
    assert (graced.folder / "starts").read_text().count("\n") == 1
    graced.stop_and_prove()


POLICIES: Final = [
    # (restart, exit code, exit_codes, is it started again, end state when it is not)
    ("always", 0, {}, True, ""),
    ("always", 3, {}, True, ""),
    ("on-failure", 0, {}, False, "exited"),
    ("on-failure", 3, {}, True, ""),
    ("on-failure", 3, {"ok": [0, 3]}, False, "exited"),
    ("on-failure", 5, {"no_restart": [5]}, False, "failed"),
    ("always", 5, {"no_restart": [5]}, False, "failed"),
    ("never", 0, {}, False, "exited"),
    ("never", 3, {}, False, "failed"),
]


def test_each_restart_policy_does_what_its_name_says(make: Make) -> None:
    graced = make()
    kernels = {
        f"k{index}": scripts.exiting(
            graced.folder / f"k{index}", code, 0.3, restart=restart, exit_codes=codes,
            restarts={"max_restarts": 100, "window": "1s"},
        )
        for index, (restart, code, codes, _, _) in enumerate(POLICIES)
    }  # fmt: skip
    graced.write({"kernels": kernels})
    graced.witness.start()
    graced.run("start")
    again = [f"k{index}" for index, policy in enumerate(POLICIES) if policy[3]]
    until(lambda: all(row(graced, name)["run"] >= 3 for name in again), 10.0, graced.story, 0.05)
    for index, (restart, code, _codes, restarted, state) in enumerate(POLICIES):
        now = row(graced, f"k{index}")
        if not restarted:
            assert (now["state"], now["run"], now["exit"]) == (state, 1, {"code": code}), f"{restart} {code}: {now}"
    code, status = graced.told()
    assert (code, status["healthy"]) == (1, False), "two have failed"
    graced.stop_and_prove()


def test_an_exit_that_nobody_could_see_is_unknown_and_counts_as_a_failure(graced: Graced) -> None:
    """The spawner is dead when the kernel ends: whoever comes next is not the parent and cannot have the status."""
    old = graced.kernel("one")
    stopped = graced.member("self_healing")
    graced.signal(signal.SIGSTOP, "self_healing")
    graced.kill("spawner")
    os.kill(old.pid, signal.SIGKILL)
    procs.send(stopped, signal.SIGCONT)
    graced.await_kernel("one", lambda now: now["state"] == "ready" and now["run"] == 2)
    graced.await_healthy()
    exits = [r["data"]["exit"] for r in graced.audited("kernel.exited", kernel="one")]
    assert exits in (["unknown"], [{"signal": 9}]), "a status that was not seen is not made up"
