"""`graced start --foreground`, and what a polite signal to a member means."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadlines import until
from support.fixtures import COUNTERS, Make
from support.home import Graced, finish
from support.whole import assert_whole, counters
from support.witness import ROLES


@pytest.fixture
def foreground(make: Make) -> Iterator[tuple[Graced, int]]:
    """A home whose spawner is the command itself, and its pid."""
    graced = make()
    graced.write({"kernels": {name: graced.counter(name) for name in COUNTERS}})
    graced.witness.start()
    process = graced.spawn("start", "--foreground")
    try:
        until(lambda: (graced.home / "run" / "watchdog.lock").exists(), 10.0, "members are born")
        graced.await_healthy(10.0)
        yield graced, process.pid
    finally:
        graced.run("stop")
        finish(process)


def test_the_command_stays_and_is_the_spawner(foreground: tuple[Graced, int]) -> None:
    graced, pid = foreground
    assert graced.member("spawner").pid == pid
    assert_whole(graced, counters(graced))
    again = graced.run("start", "--foreground")
    assert (again.code, again.out.splitlines()[0]) == (0, "already running")
    assert graced.member("spawner").pid == pid
    graced.stop_and_prove()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_polite_signal_stops_everything(foreground: tuple[Graced, int], sig: int) -> None:
    graced, pid = foreground
    os.kill(pid, sig)
    until(lambda: graced.run("status").code == 3, 5.0, graced.story, 0.1)
    until(lambda: not graced.witness.strays(), 5.0, lambda: f"nothing is left: {graced.witness.strays()}", 0.1)
    graced.prove_clean()


def test_the_survivors_bring_back_a_spawner_that_was_in_the_foreground(foreground: tuple[Graced, int]) -> None:
    graced, pid = foreground
    kernels, before = counters(graced), graced.incarnations()
    dead = graced.kill("spawner")
    assert dead["spawner"].pid == pid
    graced.await_healthy(newer={"spawner": before["spawner"]})
    assert_whole(graced, kernels)
    graced.stop_and_prove()


def test_a_polite_signal_to_a_member_has_it_replaced(graced: Graced) -> None:
    kernels = counters(graced)
    for role in ROLES:
        before = graced.incarnations()
        dead = graced.signal(signal.SIGTERM, role)
        graced.await_healthy(newer={role: before[role]})
        assert_whole(graced, kernels, dead.values())


def said(lines: list[str], kind: str, *words: str) -> list[str]:
    return [line for line in lines if f": {kind} " in f"{line} " and all(word in line for word in words)]


def test_it_says_one_line_for_each_change_of_state(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one"), "bad": {"command": ["sh", "-c", "exit 3"]}}})
    graced.witness.start()
    output = graced.folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            graced.command("start", "--foreground"), stdout=file, stderr=file, env=graced.environ
        )
    try:
        until(lambda: said(lines(output), "kernel.exited", "kernel=bad"), 10.0, "the end of a kernel is said", 0.05)
        until(lambda: said(lines(output), "kernel.started", "kernel=one"), 10.0, "the start of a kernel is said", 0.05)
        until(lambda: said(lines(output), "escalated", "bad"), 20.0, "what a person must know is said", 0.05)
        pid = graced.kill("trigger")["trigger"].pid
        until(lambda: said(lines(output), "member.down", "target=trigger"), 10.0, "the death of a member is said", 0.05)
        until(lambda: said(lines(output), "recovery.succeeded", "trigger"), 10.0, "its return is said", 0.05)
        until(
            lambda: len(said(lines(output), "member.started", "member=trigger")) == 2, 5.0, "both births are said", 0.05
        )
        assert len(said(lines(output), "member.down", f"pid={pid}")) == 1
        assert not [line for line in lines(output) if "playbook" in line or "vote" in line]
    finally:
        graced.run("stop")
        process.wait(10)


def test_a_reader_that_takes_nothing_holds_up_nobody(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one")}})
    graced.witness.start()
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(graced.command("start", "--foreground"), stdout=writer, env=graced.environ)
    try:
        graced.await_healthy(10.0)
        for _ in range(8):
            before = graced.incarnations()
            graced.kill("trigger", "architect")
            graced.await_healthy(5.0, newer={"trigger": before["trigger"]})
        os.close(reader)
        graced.kill("trigger")
        graced.await_healthy(5.0)
        assert graced.member("spawner").pid == process.pid
    finally:
        graced.run("stop")
        process.wait(10)
        os.close(writer)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
