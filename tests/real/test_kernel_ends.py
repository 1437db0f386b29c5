"""How a kernel is ended, by whichever door: `stop.command` first, then the signal, to its first process or its tree."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced

Door = Callable[[Graced], None]


def stop_name(graced: Graced) -> None:
    graced.ok("stop", "one")


def restart_name(graced: Graced) -> None:
    graced.ok("restart", "one")


def stop_all(graced: Graced) -> None:
    graced.stop_and_prove()


DOORS = pytest.mark.parametrize("door", [stop_name, restart_name, stop_all])


def started(make: Make, kernel: dict[str, Any]) -> Graced:
    graced = make()
    graced.write({"kernels": {"one": kernel}})
    graced.start()
    return graced


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@DOORS
def test_a_pool_that_conducts_its_own_end_loses_no_job(make: Make, door: Door) -> None:
    graced = make()
    graced.write({"kernels": {"one": scripts.pool(graced.folder)}})
    graced.start()
    begun, done = graced.folder / "begun", graced.folder / "done"
    until(lambda: len(lines(begun)) > 3, 5.0, lambda: f"jobs: {lines(begun)}")
    door(graced)
    if door is restart_name:
        graced.ok("stop", "one")
    assert sorted(lines(begun)) == sorted(line for line in lines(done) if line != "pool")
    assert "pool" in lines(done), "it was not left the time to end by itself"


def test_the_workers_of_a_pool_are_signalled_where_that_is_asked_for(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"one": scripts.pool(graced.folder, stop={"to": "tree"})}})
    graced.start()
    begun, done = graced.folder / "begun", graced.folder / "done"
    until(lambda: len(lines(begun)) > 3, 5.0, lambda: f"jobs: {lines(begun)}")
    stop_name(graced)
    assert len(lines(begun)) > len([line for line in lines(done) if line != "pool"])


@DOORS
def test_the_stop_command_runs_first_with_the_first_process_in_its_environment(make: Make, door: Door) -> None:
    graced = make()
    told = graced.folder / "told"
    script = (
        f'echo "$MAINPID $GRACED_KERNEL" >> {told}; kill -INT $MAINPID; while kill -0 $MAINPID; do sleep 0.01; done'
    )
    command = ["/bin/sh", "-c", script]
    graced.write({"kernels": {"one": graced.counter("one", stop={"command": command})}})
    graced.start()
    pid = graced.kernel("one").pid
    door(graced)
    assert lines(told) == [f"{pid} "]
    assert [r["data"]["exit"] for r in graced.audited("kernel.exited")][:1] in ([{"signal": 2}], [])


def test_a_stop_command_that_never_ends_does_not_hold_up_the_stop(make: Make) -> None:
    graced = make()
    pid_file = graced.folder / "command.pid"
    command = ["/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 1000"]
    graced.write({"kernels": {"one": graced.counter("one", stop={"command": command, "timeout": "300ms"})}})
    graced.start()
    stop_name(graced)
    command_is = int(pid_file.read_text())
    until(lambda: not os.path.exists(f"/proc/{command_is}"), 2.0, "the end of the command")


def test_a_stop_command_that_cannot_be_run_is_passed_over(make: Make) -> None:
    graced = started(make, {"command": ["sleep", "1000"], "stop": {"command": ["/no/such/program"]}})
    one = graced.kernel("one")
    stop_name(graced)
    assert not procs.alive(one)


@DOORS
def test_what_the_first_process_leaves_behind_is_ended_at_once(make: Make, door: Door) -> None:
    """A shell that runs a program dies of the signal, and its child is told then: nobody waits for the timeout."""
    graced = started(make, {"command": ["/bin/sh", "-c", "sleep 1000; true"], "stop": {"timeout": "100s"}})
    shell = graced.kernel("one")
    child = until(lambda: next((s.pid for s in procs.everyone() if s.ppid == shell.pid), 0), 2.0, "the shell's child")
    identity = procs.identify(child)
    door(graced)
    assert identity is not None
    assert not procs.alive(identity)
