"""What a kernel asks of graced: it runs below it, and is carried out all the same; and another graced that a kernel
started is another's, though it hangs below ours."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import CLI, Graced

ASKED_S = 20.0


def command(graced: Graced, *words: str) -> str:
    return shlex.join(graced.command(*words))


def wait_for_word(path: Path) -> str:
    """A kernel that waits until the file is there, and runs what stands behind it."""
    return f"while [ ! -e {shlex.quote(str(path))} ]; do sleep 0.05; done; "


INSIDE = {
    "a shell with its output in a file": "{word}{stop} > {out} 2>&1",
    "a shell that becomes it": "{word}exec {stop} > {out} 2>&1",
    "in the background, in a session of its own": "{word}setsid {stop} > {out} 2>&1 & wait",
    "a washed environment": "{word}env -i PATH=/usr/bin:/bin {stop} > {out} 2>&1",
    "into a pipe whose reader dies with it": "{word}{stop} | cat > {out}",
}


@pytest.mark.parametrize("way", INSIDE, ids=[name.replace(" ", "-") for name in INSIDE])
def test_a_stop_that_a_kernel_asks_for_is_carried_out(make: Make, way: str) -> None:
    graced = make()
    word, out = graced.folder / "word", graced.folder / "out"
    script = INSIDE[way].format(word=wait_for_word(word), stop=command(graced, "stop"), out=shlex.quote(str(out)))
    agent = {"command": ["sh", "-c", script], "cwd": str(graced.folder)}
    graced.write({"kernels": {"agent": agent, "other": graced.counter("other")}})
    graced.start()
    word.touch()
    until(lambda: graced.run("status").code == 3, ASKED_S, graced.story, 0.2)
    until(
        lambda: not graced.witness.strays(), ASKED_S, lambda: f"left: {graced.witness.strays()}\n{graced.story()}", 0.1
    )
    assert graced.run("stop").code == 3
    if "pipe" not in way:
        assert "stopped 2 kernels" in out.read_text()
    graced.prove_clean()


def test_a_parent_that_kills_its_child_at_its_own_end_does_not_undo_the_stop(make: Make) -> None:
    graced = make()
    word = graced.folder / "word"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "def leave(*_): raise SystemExit\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        f"while not os.path.exists({str(word)!r}): time.sleep(0.05)\n"
        f"subprocess.run({graced.command('stop')!r})\n"  # on SystemExit it kills what it runs
    )
    graced.write({"kernels": {"agent": {"command": [sys.executable, "-c", code]}, "other": graced.counter("other")}})
    graced.start()
    word.touch()
    until(lambda: graced.run("status").code == 3, ASKED_S, graced.story, 0.2)
    until(lambda: not graced.witness.strays(), ASKED_S, graced.story, 0.1)


def started_inside(make: Make, *words: str) -> tuple[Graced, Graced]:
    """(outer, inner): a kernel of the first has started the second."""
    inner = make(name="inner")
    inner.write({"kernels": {"mine": inner.counter("mine")}})
    outer = make(name="outer")
    script = f"{command(inner, 'start', *words)}; exec sleep 1000"
    agent = {"command": ["sh", "-c", script], "cwd": str(outer.folder)}
    outer.write({"kernels": {"agent": agent, "plain": outer.counter("plain")}})
    outer.start()
    inner.await_healthy(ASKED_S)
    until(lambda: procs.slurp(f"/proc/{outer.pid('agent')}/cmdline").startswith(b"sleep"), ASKED_S, "its start ends")
    return outer, inner


def everyone(graced: Graced) -> set[procs.Identity]:
    """Members and kernels; workers come and go."""
    return {identity for identity, mark in graced.witness.look().items() if mark.kind not in ("worker", "starting")}


@pytest.mark.parametrize("what", ["restart", "stop NAME", "stop", "kill -9 of its kernel", "kill -9 of its spawner"])
def test_another_graced_that_a_kernel_started_is_left_alone(make: Make, what: str) -> None:
    outer, inner = started_inside(make)
    before = everyone(inner)
    assert len(before) >= 8
    match what:
        case "restart":
            outer.ok("restart", "agent")
        case "stop NAME":
            outer.ok("stop", "agent")
            outer.ok("stop", "plain")  # the last one: what shows no mark could be nobody else's
        case "stop":
            outer.ok("stop")
        case "kill -9 of its kernel":
            run = outer.status()["kernels"]["agent"]["run"]
            os.kill(outer.pid("agent"), signal.SIGKILL)
            outer.await_kernel("agent", lambda row: row["run"] > run and row["pid"], 10.0)
        case _:
            newer = outer.incarnations()
            outer.kill("spawner")
            outer.await_healthy(10.0, newer={"spawner": newer["spawner"]})
            outer.ok("restart", "agent")
    assert before <= everyone(inner)
    inner.growing("mine")
    inner.stop_and_prove()
    if what != "stop":
        outer.stop_and_prove()


def test_each_of_two_nested_homes_stops_its_own_alone(make: Make) -> None:
    outer, inner = started_inside(make)
    before = everyone(outer)
    inner.stop_and_prove()
    assert before <= everyone(outer)
    outer.growing("plain")
    outer.stop_and_prove()


def test_a_graced_in_the_foreground_may_be_a_kernel(make: Make) -> None:
    inner = make(name="inner")
    inner.write({"kernels": {"mine": inner.counter("mine")}})
    outer = make(name="outer")
    nested = {"command": [sys.executable, "-P", "-c", CLI, "--config", str(inner.yaml), "start", "--foreground"]}
    outer.write({"kernels": {"nested": nested}})
    outer.start()
    inner.await_healthy(ASKED_S)
    outer.ok("stop", "nested")
    until(lambda: not everyone(inner), ASKED_S, "a polite end of the nested one ends all of it", 0.1)
    outer.stop_and_prove()
