"""What kernels print: whole in logs/NAME.log, whoever opens /dev/stderr, moves the log, dies or is stopped."""

import json
import os
import pwd
import shutil
import signal
from pathlib import Path

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.kernels import PYTHON
from support.witness import ROLES

VICTIMS = [("spawner",), ("spawner", "watchdog"), ROLES[:-1], ("writer",), ("writer", "spawner")]
STEADY = """
import os, sys, time
side = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
number = 0
while True:
    number += 1
    os.write(1, b"line %d\\n" % number)
    os.write(side, b"%d\\n" % number)
    time.sleep(0.002)
"""


def log(graced: Graced, name: str) -> Path:
    return graced.home / "logs" / f"{name}.log"


def lines(graced: Graced, name: str) -> list[str]:
    return procs.slurp(str(log(graced, name))).decode().splitlines()


def says(graced: Graced, name: str, *wanted: str) -> None:
    until(lambda: lines(graced, name) == list(wanted), 3.0, lambda: f"{wanted} in {lines(graced, name)}")


def caught_up(graced: Graced, side: Path) -> None:
    count = len(side.read_text().split())
    until(lambda: len(lines(graced, "k")) >= count, 5.0, "what was printed so far is in the log")


def in_order(written: list[str]) -> bool:
    """Each line once, in order."""
    return written == [f"line {n}" for n in range(1, len(written) + 1)]


def writer(graced: Graced) -> procs.Identity:
    """The log writer, by its lock."""

    def found() -> procs.Identity | None:
        data = procs.slurp(str(graced.home / "run" / "logwriter.lock")).strip(b" \0\n")
        try:
            record = json.loads(data) if data else {}
        except ValueError:  # half way in a write
            return None
        identity = procs.Identity(record.get("pid", 0), record.get("start_ticks", 0))
        return identity if record and procs.alive(identity) else None

    return until(found, 3.0, "a log writer")


@pytest.mark.parametrize(
    "opening",
    [
        "echo b > /dev/stderr",
        "echo b > /dev/stdout",
        "echo b | tee /dev/stderr > /dev/null",
        "echo b > /proc/self/fd/1",
        "echo b 1>/dev/fd/2",
        "python3 -c \"open('/dev/stdout', 'w').write('b\\\\n')\"",
        "python3 -c \"open('/dev/stderr', 'a').write('b\\\\n')\"",
        "dd if=/dev/stdin of=/dev/stderr status=none <<< b",
    ],
)
def test_a_kernel_that_opens_its_output_again_loses_nothing_of_it(make: Make, opening: str) -> None:
    graced = make({"k": {"command": ["bash", "-c", f"echo a; {opening}; echo c; exec sleep 1000"]}})
    graced.start()
    says(graced, "k", "a", "b", "c")
    graced.stop_and_prove()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")
def test_another_user_may_open_its_output_again(make: Make) -> None:
    graced = make()
    script = "id -un; echo b > /dev/stderr; echo c | tee /dev/stderr; exec sleep 1000"
    other = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, os.geteuid()))
    graced.write({"kernels": {"k": {"command": ["bash", "-c", script], "user": other, "cwd": "/"}}})
    graced.start()
    says(graced, "k", other, "b", "c", "c")
    assert (graced.home / "logs" / "k.log").stat().st_mode & 0o777 == 0o600
    graced.stop_and_prove()


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_no_line_is_lost_whoever_dies(make: Make, victims: tuple[str, ...]) -> None:
    graced = make()
    side = graced.folder / "side"
    graced.write({"kernels": {"k": {"command": [*PYTHON, STEADY, str(side)]}}})
    graced.start()
    for _ in range(3):
        until(lambda: len(lines(graced, "k")) > 5, 3.0, "it prints")
        before = graced.incarnations()
        if "writer" in victims:
            os.kill(writer(graced).pid, signal.SIGKILL)
        roles = [role for role in victims if role != "writer"]
        if roles:
            graced.kill(*roles)
        graced.await_healthy(10.0, newer={role: before[role] for role in roles})
        caught_up(graced, side)
    kernel = graced.kernel("k")
    graced.stop_and_prove()
    assert not procs.alive(kernel)
    assert in_order(lines(graced, "k")), "each once, in order"
    assert len(lines(graced, "k")) >= len(side.read_text().split()), "what it said last too"


def test_with_every_process_of_graced_dead_a_kernel_runs_on_and_its_words_wait(make: Make) -> None:
    graced = make()
    side = graced.folder / "side"
    graced.write({"kernels": {"k": {"command": [*PYTHON, STEADY, str(side)]}}})
    graced.start()
    until(lambda: len(lines(graced, "k")) > 5, 3.0, "it prints")
    os.kill(writer(graced).pid, signal.SIGSTOP)  # or it would write on, as it outlives the spawner
    stopped = writer(graced)
    graced.kill(*ROLES)
    os.kill(stopped.pid, signal.SIGKILL)
    kernel = graced.kernel("k")
    count = len(side.read_text().split())
    until(lambda: len(side.read_text().split()) > count + 20, 3.0, "it goes on")
    graced.ok("start")
    assert graced.kernel("k") == kernel, "adopted"
    caught_up(graced, side)
    assert in_order(lines(graced, "k"))
    graced.stop_and_prove()


def test_a_log_writer_that_somebody_stopped_is_replaced(make: Make) -> None:
    graced = make()
    side = graced.folder / "side"
    graced.write({"kernels": {"k": {"command": [*PYTHON, STEADY, str(side)]}}})
    graced.start()
    until(lambda: len(lines(graced, "k")) > 5, 3.0, "it prints")
    stopped = writer(graced)
    os.kill(stopped.pid, signal.SIGSTOP)
    until(lambda: not procs.alive(stopped), 3.0, "it is ended")
    count = len(lines(graced, "k"))
    until(lambda: len(lines(graced, "k")) > count + 20, 3.0, "another one writes")
    graced.stop_and_prove()


def test_the_last_words_of_a_kernel_are_in_its_log_before_its_death_is_dealt_with(make: Make) -> None:
    graced = make()
    words = "".join(f"word {n}\n" for n in range(20_000))  # more than a pipe holds
    (graced.folder / "words").write_text(words)
    graced.write({"kernels": {"k": {"command": ["sh", "-c", "cat words; exit 3"], "restart": "never"}}})
    graced.run("start")
    graced.witness.start()
    graced.await_kernel("k", lambda row: row["state"] == "failed")
    assert log(graced, "k").read_text() == words
    graced.stop_and_prove()


BYE = "trap 'seq 5000; echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"


@pytest.mark.parametrize("foreground", [False, True])
def test_what_a_kernel_says_at_a_stop_is_in_its_log(make: Make, foreground: bool) -> None:
    graced = make()
    graced.write({"kernels": {f"k{n}": {"command": ["sh", "-c", BYE]} for n in range(5)}})
    if foreground:
        graced.witness.start()
        process = graced.spawn("start", "--foreground")
        until(lambda: (graced.home / "run" / "spawner.lock").exists() and graced.status()["healthy"], 10.0, "healthy")
    else:
        graced.start()
    for n in range(5):
        until(lambda n=n: lines(graced, f"k{n}") == ["up"], 5.0, "it is up")
    if foreground:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    else:
        graced.ok("stop")
    for n in range(5):
        assert lines(graced, f"k{n}") == ["up", *map(str, range(1, 5001)), "bye"]
    graced.prove_nothing_left()


# --- the log itself


def ticking(graced: Graced, name: str = "k") -> None:
    graced.write({"kernels": {name: {"command": [*PYTHON, STEADY, str(graced.folder / "side")]}}})
    graced.start()
    until(lambda: len(lines(graced, name)) > 5, 3.0, "it prints")


def remove(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def replace(path: Path) -> None:
    """As logrotate with `create` does."""
    path.rename(path.with_suffix(".1"))
    path.touch(0o600)


def remove_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("logs.old"))


@pytest.mark.parametrize("take_away", [remove, move, replace, remove_folder])
def test_a_log_that_is_taken_away_is_written_on_under_its_name(make: Make, take_away: object) -> None:
    graced = make()
    ticking(graced)
    take_away(log(graced, "k"))  # type: ignore[operator]
    until(lambda: log(graced, "k").exists() and len(lines(graced, "k")) > 20, 5.0, "it goes on")
    first = int(lines(graced, "k")[0].split()[1])
    assert lines(graced, "k")[:10] == [f"line {first + n}" for n in range(10)]
    until(lambda: graced.audited("escalated", subject="k"), 3.0, "told")
    log(graced, "k").unlink()
    until(lambda: log(graced, "k").exists(), 3.0, "again")
    assert len(graced.audited("escalated", subject="k")) == 1, "told once"
    done = graced.ok("logs", "k")
    assert "moved or removed" in done.err and "k.log" in done.err
    graced.stop_and_prove()


def test_the_log_of_a_silent_kernel_is_missed_within_an_interval(make: Make) -> None:
    graced = make({"k": {"command": ["sh", "-c", "echo once; exec sleep 1000"]}})
    graced.start()
    says(graced, "k", "once")
    log(graced, "k").unlink()
    until(lambda: graced.audited("escalated", subject="k"), 1.0, "told")
    assert log(graced, "k").exists()
    done = graced.ok("logs", "k")
    assert done.out == ""
    assert "k.log was moved or removed" in done.err
    graced.stop_and_prove()


def test_a_log_that_somebody_empties_goes_on_at_its_beginning(make: Make) -> None:
    graced = make()
    ticking(graced)
    os.truncate(log(graced, "k"), 0)
    until(lambda: len(lines(graced, "k")) > 5, 3.0, "it goes on")
    assert b"\0" not in log(graced, "k").read_bytes(), "no hole"
    graced.stop_and_prove()


def test_a_log_that_cannot_be_written_holds_up_no_kernel_and_says_so(make: Make) -> None:
    graced = make()
    side = graced.folder / "side"
    ticking(graced)
    log(graced, "k").unlink()
    (graced.home / "logs").rename(graced.home / "logs.old")
    (graced.home / "logs").write_text("no folder")
    until(lambda: graced.audited("escalated", subject="k"), 3.0, "told")
    count = len(side.read_text().split())
    until(lambda: len(side.read_text().split()) > count + 50, 5.0, "it goes on")
    (graced.home / "logs").unlink()
    until(lambda: log(graced, "k").exists() and len(lines(graced, "k")) > 5, 5.0, "it is written again")
    assert any("could not be written" in line for line in lines(graced, "k")[:3])
    graced.stop_and_prove()


def test_with_run_deleted_there_is_still_one_log_writer(make: Make) -> None:
    graced = make()
    ticking(graced)
    first, before = writer(graced), graced.incarnations()
    (graced.home / "run").rename(graced.folder / "gone")  # in one step: members write into it all the time
    shutil.rmtree(graced.folder / "gone")
    until(lambda: writer(graced) == first, 5.0, "it has its lock again")
    graced.kill("spawner")
    graced.await_healthy(10.0, newer={"spawner": before["spawner"]})
    until(lambda: writer(graced) != first, 5.0, "another one in its place")
    assert not procs.alive(first)
    caught_up(graced, graced.folder / "side")
    assert in_order(lines(graced, "k")), "each once, in order"
    graced.stop_and_prove()


@pytest.mark.parametrize("too", [False, True], ids=["the writer lives", "the writer dies too"])
def test_a_kernel_whose_slot_was_lost_keeps_its_log(make: Make, too: bool) -> None:
    graced = make()
    ticking(graced)
    kernel, before = graced.kernel("k"), graced.incarnations()
    (graced.home / "kernels" / "k.slot").unlink()
    if too:
        os.kill(writer(graced).pid, signal.SIGKILL)
    graced.kill("spawner", "self_healing")
    graced.await_healthy(10.0, newer={"spawner": before["spawner"]})
    assert graced.kernel("k") == kernel
    count = len(lines(graced, "k"))
    until(lambda: len(lines(graced, "k")) > count + 20, 5.0, "it is written on")
    assert in_order(lines(graced, "k"))
    graced.stop_and_prove()
