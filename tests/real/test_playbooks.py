"""Playbooks of users on real processes: what starts them, what their actions do, and what a kill leaves of them."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support import procs
from support.deadlines import holds_for, until
from support.fixtures import Make
from support.home import Graced, finish
from support.kernels import exiting

RUN_S = 15.0
Step = dict[str, Any]


def write(one: Graced, name: str, steps: list[Step], **keys: Any) -> None:
    books = one.folder / "books"
    books.mkdir(exist_ok=True)
    (books / f"{name}.yaml").write_text(json.dumps({"name": name, "slo": "30s", **keys, "steps": steps}))


def home(make: Make, **config: Any) -> Graced:
    """With one kernel, `one`, and a folder of playbooks."""
    one = make()
    (one.folder / "books").mkdir()
    kernels = {"one": one.counter("one"), **config.pop("kernels", {})}
    one.write({"playbooks": [str(one.folder / "books")], "kernels": kernels, **config})
    return one


def failing(code: int) -> dict[str, Any]:
    """A kernel that fails again and again."""
    many = {"max_restarts": 1000, "backoff": {"initial": "50ms", "max": "200ms"}}
    return exiting("/dev/null", code, 0.2, restarts=many, ready={"when": "started", "for": "1ms"})


def says(path: Path, text: str, before: str = "") -> Step:
    """A command that appends a line to a file; `before`: Python that runs first."""
    say = f"open({str(path)!r}, 'a').write({text!r} + chr(10))"
    code = f"{before}; {say}" if before else say
    return {"uses": "run_command", "with": {"command": [sys.executable, "-S", "-c", code]}}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def finished(one: Graced, playbook: str) -> list[dict[str, Any]]:
    return [record["data"] for record in one.audited("playbook.finished", playbook=playbook)]


def await_finished(one: Graced, playbook: str, count: int = 1) -> list[dict[str, Any]]:
    until(lambda: len(finished(one, playbook)) >= count, RUN_S, one.story, 0.05)
    return finished(one, playbook)


# --- what actions do

RESTART: Step = {"name": "restart", "uses": "restart_kernel", "with": {"kernel": "{{ k }}"}}


def test_restart_kernel_restarts_it_and_waits_until_it_is_ready(make: Make) -> None:
    one = home(make)
    write(
        one, "again", [{"name": "restart", "uses": "restart_kernel", "with": {"kernel": "{{ k }}"}}], vars={"k": "one"}
    )
    one.start()
    before = one.kernel("one")
    done = one.ok("playbook", "run", "again")
    assert "one is ready, run 2" in done.out
    now = one.kernel("one")
    assert now != before
    assert not procs.alive(before)
    assert one.status()["recoveries"]["kernel"] == 0  # a person's restart is no failure
    one.stop_and_prove()


def test_restart_kernel_of_a_trigger_leaves_alone_what_a_person_stopped(make: Make) -> None:
    one = home(make, kernels={"bad": failing(1)})
    steps = [{"name": "restart", "uses": "restart_kernel", "with": {"kernel": "one"}, "timeout": "5s"}]
    write(one, "again", steps, on={"kernel.crashed": {"only": ["bad"], "at_most": 1}})
    one.start("one")
    one.ok("stop", "one")
    one.ok("start", "bad")
    assert await_finished(one, "again")[0]["ok"] is False
    assert one.status()["kernels"]["one"]["state"] == "stopped"
    assert one.audited("playbook.step", playbook="again", ok=False)[0]["data"]["text"].startswith("one is not meant")
    one.stop_and_prove()


def test_a_command_has_the_kernels_environment_and_knows_its_run(make: Make) -> None:
    one = home(make)
    path = one.folder / "environ.json"
    code = f"import json, os; json.dump(dict(os.environ), open({str(path)!r}, 'w'))"
    steps = [{"name": "tell", "uses": "run_command", "with": {"command": [sys.executable, "-S", "-c", code]}}]
    write(one, "tell", steps, vars={"target": None})
    one.start(environ={"SAID": "at the start", "LISTEN_FDS": "3", "WATCHDOG_USEC": "1"})
    one.ok("playbook", "run", "tell", "-e", "target=one", environ={"SAID": "later"})
    found = json.loads(path.read_text())
    assert found["SAID"] == "at the start"
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC"} & found.keys()
    assert found["GRACED_HOME"] == str(one.home)
    assert (found["GRACED_PLAYBOOK"], found["GRACED_STEP"], found["GRACED_TARGET"]) == ("tell", "tell", "one")
    assert "GRACED_KERNEL" not in found
    one.stop_and_prove()


def test_a_step_with_a_power_is_refused_where_nobody_lent_it(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    write(one, "might", [{"name": "do", **says(path, "done"), "power": "deploy_fix"}])
    one.start()
    done = one.run("playbook", "run", "might")
    assert done.code == 1
    assert "self_healing does not hold the power deploy_fix" in done.out
    assert not lines(path)
    assert one.audited("power.refused", agent="self_healing", power="deploy_fix")
    one.stop_and_prove()


# --- what starts them


def test_a_crash_starts_a_playbook_as_often_as_its_limit_allows(make: Make) -> None:
    one = home(make, kernels={"bad": failing(3)})
    path = one.folder / "said"
    write(one, "react", [{"name": "do", **says(path, "{{ event.target }}: {{ event.evidence }}")}],
          on={"kernel.crashed": {"only": ["b*"], "at_most": 2, "within": "1h"}})  # fmt: skip
    one.start("one")
    one.ok("start", "bad")
    until(lambda: one.audited("playbook.limited", playbook="react", target="bad"), RUN_S, one.story, 0.05)
    await_finished(one, "react", 2)
    one.kill("self_healing")
    one.await_members({"self_healing": 1})
    run = one.status()["kernels"]["bad"]["run"]
    one.await_kernel("bad", lambda row: row["run"] > run + 1, RUN_S)
    assert lines(path) == ["bad: exit code 3"] * 2, one.story()
    assert len(one.audited("playbook.started", playbook="react")) == 2
    one.stop_and_prove()


def test_a_dead_member_starts_a_playbook_once(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    write(one, "react", [{"name": "do", **says(path, "{{ event.target }}")}], on="member.down")
    one.start()
    one.kill("parliament")
    one.await_healthy(newer={"parliament": 1})
    await_finished(one, "react")
    one.kill("self_healing")
    one.await_healthy(newer={"self_healing": 1})
    await_finished(one, "react", 2)
    holds_for(lambda: len(finished(one, "react")) == 2, 0.5, one.story)
    assert sorted(lines(path)) == ["parliament", "self_healing"]
    one.stop_and_prove()


# --- one target, one playbook


def test_two_playbooks_never_work_on_one_target_at_once(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    slow = [
        {"name": "begin", **says(path, "slow begins")},
        {"name": "wait", "uses": "sleep", "with": {"seconds": 1}},
        {"name": "end", **says(path, "slow ends")},
    ]
    write(one, "slow", slow, vars={"target": "one"})
    quick = [
        {"name": "say", **says(path, "quick")},
        {"name": "restart", "uses": "restart_kernel", "with": {"kernel": "one"}},
    ]
    write(one, "quick", quick)
    one.start()
    first = one.spawn("playbook", "run", "slow")
    until(lambda: lines(path) == ["slow begins"], RUN_S, one.story)
    second = one.spawn("playbook", "run", "quick")
    assert [finish(command).code for command in (first, second)] == [0, 0]
    assert lines(path) == ["slow begins", "slow ends", "quick"]
    one.stop_and_prove()


# --- kills


def gated(path: Path, gate: Path) -> Step:
    """Says `in`, waits for the gate, says `out`."""
    say = f"open({str(path)!r}, 'a').write"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    code = f"{say}('in' + chr(10))\n{wait}{say}('out' + chr(10))"
    return {"uses": "run_command", "with": {"command": [sys.executable, "-S", "-c", code]}}


@pytest.mark.parametrize("first", [True, False])
def test_a_run_goes_on_with_its_variables_when_its_executor_dies_inside_a_step(make: Make, first: bool) -> None:
    one = home(make)
    path, gate = one.folder / "said", one.folder / "gate"
    steps = [
        *([] if first else [{"name": "before", **says(path, "before {{ kernel }}")}]),
        {"name": "gated", **gated(path, gate)},
        {"name": "after", **says(path, "after {{ kernel }} {{ steps.gated.ok }}")},
    ]
    write(one, "long", steps, vars={"kernel": "web"})
    one.start()
    command = one.spawn("playbook", "run", "long", "-e", "kernel=api")
    until(lambda: "in" in lines(path), RUN_S, one.story)
    one.kill("self_healing")
    one.await_healthy(newer={"self_healing": 1})
    gate.touch()
    done = finish(command)
    assert done.code == 0, f"{done.out} {done.err} {one.story()}"
    assert lines(path) == [*([] if first else ["before api"]), "in", "out", "after api true"]
    assert [record["ok"] for record in finished(one, "long")] == [True]
    one.stop_and_prove()


def test_a_step_whose_worker_died_as_well_is_done_again_only_if_it_says_so(make: Make) -> None:
    one = home(make)
    path, gate = one.folder / "said", one.folder / "gate"
    for name, repeatable in (("once", False), ("twice", True)):
        step = gated(path.with_suffix(f".{name}"), gate)
        step["with"]["repeatable"] = repeatable
        write(one, name, [{"name": "gated", **step}])
    one.start()
    for name, code, said in (("once", 1, ["in"]), ("twice", 0, ["in", "in", "out"])):
        gate.unlink(missing_ok=True)
        command = one.spawn("playbook", "run", name)
        mine = path.with_suffix(f".{name}")
        until(lambda mine=mine: "in" in lines(mine), RUN_S, one.story)
        count = one.incarnations_of("self_healing")
        executor = one.member("self_healing")
        os.kill(executor.pid, signal.SIGSTOP)
        for identity in [s.identity for s in procs.everyone() if s.ppid == executor.pid]:
            procs.send(identity, signal.SIGKILL)  # its worker, and with it nobody who would wait for the command
        one.kill("self_healing")
        one.await_healthy(newer={"self_healing": count})
        gate.touch()
        done = finish(command)
        assert done.code == code, f"{name}: {done.out} {done.err} {one.story()}"
        assert lines(mine) == said, one.story()
    one.stop_and_prove()


def test_a_kill_at_every_moment_of_a_run_ends_it_as_if_nothing_had_been(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    steps = [{"name": f"s{n}", **says(path, f"s{n} {{{{ k }}}}", "import time; time.sleep(0.1)")} for n in range(6)]
    write(one, "six", steps, vars={"k": "default"})
    one.start()
    for count, wait in enumerate((0.0, 0.05, 0.13, 0.21, 0.34, 0.5, 0.62), 1):
        path.unlink(missing_ok=True)
        newer = one.incarnations_of("self_healing")
        command = one.spawn("playbook", "run", "six", "-e", "k=given")
        until(lambda count=count: len(one.audited("playbook.started", playbook="six")) == count, RUN_S, one.story)
        time.sleep(wait)  # the moment of the kill, not a wait for anything
        one.kill("self_healing")
        done = finish(command)
        assert done.code == 0, f"kill after {wait}: {done.out} {done.err} {one.story()}"
        assert lines(path) == [f"s{n} given" for n in range(6)], f"kill after {wait}: {one.story()}"
        one.await_healthy(newer={"self_healing": newer})
    assert len(finished(one, "six")) == 7
    one.stop_and_prove()


def test_a_full_stop_ends_the_runs(make: Make) -> None:
    one = home(make)
    path, gate = one.folder / "said", one.folder / "gate"
    write(one, "long", [{"name": "gated", **gated(path, gate)}])
    one.start()
    command = one.spawn("playbook", "run", "long")
    until(lambda: "in" in lines(path), RUN_S, one.story)
    one.ok("stop")
    finish(command)
    one.prove_nothing_left()
    one.ok("start")
    assert await_finished(one, "long")[0]["ok"] is False
    assert lines(path) == ["in"]
    one.stop_and_prove()


# --- rungs of a ladder

LADDER_RESTARTS = {"max_restarts": 2, "window": "60s", "backoff": {"initial": "50ms", "max": "1s"}}


def crashing(one: Graced, **keys: Any) -> dict[str, Any]:
    """A kernel that fails until the file `cure` is there."""
    cure = one.folder / "cure"
    code = f"import os, sys, time\nif not os.path.exists({str(cure)!r}): sys.exit(7)\nwhile True: time.sleep(0.2)\n"
    return {"command": [sys.executable, "-I", "-S", "-c", code], "restarts": LADDER_RESTARTS, **keys}


@pytest.mark.parametrize("restarts", [True, False])
def test_a_playbook_is_a_rung_of_the_ladder(make: Make, restarts: bool) -> None:
    """It cures what ails the kernel; then the kernel is started, by the playbook's own step or by its ladder."""
    one = home(make)
    path, cure = one.folder / "said", one.folder / "cure"
    steps: list[Step] = [
        {"name": "tell", **says(path, "{{ event.kernel }} {{ event.rung }} {{ event.run }}")},
        {"name": "cure", "uses": "run_command", "with": {"command": ["touch", str(cure)]}},
    ]
    if restarts:
        steps += [
            {"name": "restart", "uses": "restart_kernel", "with": {"kernel": "{{ event.kernel }}"}},
            {"name": "after", **says(path, "up: {{ steps.restart.output.run }}")},
        ]
    write(one, "my_playbook", steps)
    kernels = {"sick": crashing(one, ladder=["restart", "my_playbook", "notify"])}
    one.write({"playbooks": [str(one.folder / "books")], "kernels": kernels})
    one.witness.start()
    one.run("start")
    row = one.await_kernel("sick", lambda row: row["state"] == "ready" and row["rung"] == "my_playbook", RUN_S)
    await_finished(one, "my_playbook")
    failed = row["run"] - 1
    assert lines(path)[0] == f"sick my_playbook {failed}"
    assert lines(path)[1:] == ([f"up: {row['run']}"] if restarts else [])
    assert not one.audited("escalated", subject="sick")
    one.stop_and_prove()


def test_a_rung_that_fails_or_does_not_hold_is_followed_by_the_next(make: Make) -> None:
    one = home(make)
    write(one, "fails", [{"name": "no", "uses": "run_command", "with": {"command": ["false"]}}])
    write(one, "passes", [{"name": "no", "uses": "run_command", "with": {"command": ["true"]}, "when": "false"}])
    write(one, "useless", [{"name": "yes", "uses": "run_command", "with": {"command": ["true"]}}])
    kernels = {"sick": crashing(one, ladder=["restart", "fails", "passes", "useless", "notify"])}
    one.write({"playbooks": [str(one.folder / "books")], "kernels": kernels})
    one.witness.start()
    one.run("start")
    row = one.await_kernel("sick", lambda row: row["state"] == "failed", RUN_S)
    assert row["rung"] == "notify"
    ends = [(name, data["ok"], data["did"]) for name in ("fails", "passes", "useless") for data in finished(one, name)]
    assert ends == [("fails", False, True), ("passes", True, False), ("useless", True, True)], one.story()
    assert len(one.audited("escalated", subject="sick")) == 1
    one.stop_and_prove()


def test_a_rung_outlives_the_death_of_its_executor(make: Make) -> None:
    one = home(make)
    path, gate, cure = one.folder / "said", one.folder / "gate", one.folder / "cure"
    steps = [
        {"name": "gated", **gated(path, gate)},
        {"name": "cure", "uses": "run_command", "with": {"command": ["touch", str(cure)]}},
    ]
    write(one, "my_playbook", steps)
    kernels = {"sick": crashing(one, ladder=["restart", "my_playbook", "notify"])}
    one.write({"playbooks": [str(one.folder / "books")], "kernels": kernels})
    one.witness.start()
    starting = one.spawn("start")
    until(lambda: "in" in lines(path), RUN_S, one.story)
    one.kill("self_healing")
    one.await_members({"self_healing": 1})
    gate.touch()
    one.await_kernel("sick", lambda row: row["state"] == "ready", RUN_S)
    finish(starting)
    assert lines(path) == ["in", "out"]
    assert len(finished(one, "my_playbook")) == 1
    one.stop_and_prove()


# --- a person is asked


def approvals(one: Graced) -> list[dict[str, Any]]:
    return list(json.loads(one.ok("approvals", "--json").out)["approvals"])


def test_a_step_waits_for_graced_approve_and_outlives_its_executor(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    ask = {"approve": {"timeout": "1h", "ask": "Shall {{ target }} go?"}}
    write(one, "careful", [{"name": "go", **says(path, "gone"), **ask}], vars={"target": "one"})
    one.start()
    command = one.spawn("playbook", "run", "careful")
    until(lambda: approvals(one), RUN_S, one.story, 0.2)
    one.kill("self_healing")
    one.await_healthy(newer={"self_healing": 1})
    (waiting,) = approvals(one)
    assert (waiting["ask"], waiting["target"], waiting["otherwise"]) == ("Shall one go?", "one", "deny")
    assert one.status()["approvals"] == 1
    assert not lines(path)
    assert one.run("approve", "nonsense").code == 4
    assert "approved: go of careful" in one.ok("approve", waiting["id"]).out
    done = finish(command)
    assert done.code == 0, f"{done.out} {done.err} {one.story()}"
    assert f"graced approve {waiting['id']}" in done.out
    assert lines(path) == ["gone"]
    assert one.status()["approvals"] == 0
    assert [r["data"]["decided"] for r in one.audited("approval.decided", id=waiting["id"])] == ["approve"]
    one.stop_and_prove()


def test_a_denied_step_has_failed(make: Make) -> None:
    one = home(make)
    path = one.folder / "said"
    write(one, "careful", [{"name": "go", **says(path, "gone"), "approve": True}])
    one.start()
    command = one.spawn("playbook", "run", "careful")
    until(lambda: approvals(one), RUN_S, one.story, 0.2)
    one.ok("deny", approvals(one)[0]["id"])
    done = finish(command)
    assert done.code == 1
    assert "denied by a person" in done.out
    assert not lines(path)
    one.stop_and_prove()


def test_kernels_are_stopped_started_and_waited_for(make: Make) -> None:
    one = home(make)
    steps: list[Step] = [
        {"name": "stop", "uses": "stop_kernel", "with": {"kernel": "one"}},
        {"name": "stopped", "uses": "wait_for_kernel", "with": {"kernel": "one", "state": "stopped"}},
        {"name": "start", "uses": "start_kernel", "with": {"kernel": "one"}},
        {"name": "ready", "uses": "wait_for_kernel", "with": {"kernel": "one"}},
        {"name": "nobody", "uses": "start_kernel", "with": {"kernel": "two"}, "on_failure": "continue"},
    ]
    write(one, "cycle", steps)
    one.start()
    before = one.kernel("one")
    done = one.run("playbook", "run", "cycle")
    assert "no kernel two" in done.out, done.out
    assert [line.split()[0] for line in done.out.splitlines()] == ["ok"] * 4 + ["failed", "cycle:"]
    assert not procs.alive(before)
    assert one.status()["kernels"]["one"]["state"] == "ready"
    one.stop_and_prove()


def test_a_file_that_cannot_be_mended_starts_a_playbook(make: Make) -> None:
    """The coding agent executes it; what it does to kernels it has done by self_healing."""
    one = home(make)
    source, path = one.folder / "src" / "a.py", one.folder / "said"
    source.parent.mkdir()
    steps: list[Step] = [
        {"name": "tell", **says(path, "{{ event.target }}")},
        {"name": "restart", "uses": "restart_kernel", "with": {"kernel": "one"}},
    ]
    write(one, "react", steps, on="task.failed")
    one.home.mkdir(mode=0o700)
    (one.home / "originals").write_text("")  # as good as a full disk: no fix can be put in place
    kernels = {"one": one.counter("one")}
    config = {"playbooks": [str(one.folder / "books")], "kernels": kernels}
    one.write({**config, "coding_agent": {"watch": [str(source.parent)]}})
    one.start()
    before = one.kernel("one")
    source.write_text("while True\n    pass\n")
    assert await_finished(one, "react")[0]["ok"], one.story()
    assert lines(path) == [str(source)]
    assert not procs.alive(before)
    assert {r["member"] for r in one.audited("playbook.started", playbook="react")} == {"coding_agent"}
    one.stop_and_prove()
