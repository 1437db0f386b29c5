"""What commands say in unusual places: closed streams, other bytes than UTF-8, a stop that waits, an original gone."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support.deadlines import until
from support.fixtures import Make
from support.home import HEALERS, Done, Graced, finish

OTHER_BYTES = "b\udcffd.py"
BROKEN = b"def f(:\n    return 1\n"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(1e6)"


def by_shell(one: Graced, words: str, closed: str) -> Done:
    line = f"{shlex.join(one.command(*words.split()))} {closed}"
    found = subprocess.run(["sh", "-c", line], env=one.environ, cwd=one.folder, capture_output=True, text=True)
    return Done(found.returncode, found.stdout, found.stderr)


def test_start_and_stop_work_with_closed_streams(make: Make) -> None:
    one = make()
    one.write({"kernels": {"one": one.counter("one")}})
    one.witness.start()
    assert by_shell(one, "start", "<&- >&- 2>&-").code == 0
    one.growing("one")
    assert not any("/state.db" in path or ".lock" in path for path in standard_streams(one))
    assert by_shell(one, "stop", "2>&-").code == 0
    one.prove_nothing_left()
    one.prove_clean()


def standard_streams(one: Graced) -> list[str]:
    """Where the spawner's descriptors 0 to 2 lead."""
    return [os.readlink(f"/proc/{one.member('spawner').pid}/fd/{fd}") for fd in (0, 1, 2)]


@pytest.fixture
def mending(make: Make) -> Graced:
    """Runs with a coding agent that watches nothing: what it mends was added by hand."""
    one = make()
    one.write({"kernels": {"one": one.counter("one")}})
    one.start()
    return one


def task(one: Graced, path: Path) -> str:
    """A task of this broken file, once it is done."""
    path.write_bytes(BROKEN)
    id: str = json.loads(one.ok("tasks", "add", str(path), "--json").out)["id"]

    def done() -> bool:
        return bool(json.loads(one.ok("tasks", id, "--json").out)["tasks"][0]["state"] == "done")

    until(done, 30.0, one.story, 0.1)
    return id


def test_a_file_with_other_bytes_in_its_name_is_added_mended_and_undone(mending: Graced) -> None:
    path = mending.folder / OTHER_BYTES
    id = task(mending, path)
    assert path.read_bytes() != BROKEN
    mending.ok("tasks", "undo", id)
    assert path.read_bytes() == BROKEN
    assert not mending.crashes()
    mending.stop_and_prove()


def test_an_undo_without_its_original_names_what_is_missing(mending: Graced) -> None:
    path = mending.folder / "late.py"
    id = task(mending, path)
    originals = mending.home / "originals"
    for each in originals.iterdir():
        each.unlink()
    refused = mending.run("tasks", "undo", id)
    assert refused.code == 1
    assert f"{path}: not restored: its original {originals}/" in refused.err
    mending.stop_and_prove()


def test_a_finished_run_tells_its_steps(make: Make) -> None:
    one = make()
    books = one.folder / "books"
    books.mkdir()
    steps = [
        {"name": "first", "uses": "log", "with": {"message": "hello"}},
        {"name": "never", "uses": "sleep", "with": {"seconds": 1}, "when": "False"},
        {"name": "last", "uses": "sleep", "with": {"seconds": 0}},
    ]
    (books / "say.yaml").write_text(json.dumps({"name": "say", "slo": "10s", "steps": steps}))
    one.write({"playbooks": [str(books)], "kernels": {"one": one.counter("one")}})
    one.start()
    result = json.loads(one.ok("playbook", "run", "say", "--json").out)
    assert [(s["step"], s["state"]) for s in result["steps"]] == [("first", "ok"), ("never", "skipped"), ("last", "ok")]
    lines = one.ok("playbook", "run", "say").out.splitlines()
    told = [line.partition(":")[0].split() for line in lines]
    assert told == [["ok", "first"], ["skipped", "never"], ["ok", "last"], ["say"]]
    one.stop_and_prove()


def test_what_a_stop_has_ended_is_shown_as_stopped_while_it_waits_for_others(make: Make) -> None:
    one = make()
    kernels = {
        "deaf": {"command": ["python3", "-c", DEAF], "stop": {"timeout": "3s"}},
        "quick": one.counter("quick"),
    }
    one.write({"kernels": kernels})
    one.start()
    until(lambda: b"deaf" in (one.home / "logs" / "deaf.log").read_bytes(), 10.0, one.story)
    stop = one.spawn("stop")
    seen: set[tuple[str, bool]] = set()

    def ended() -> bool:
        row = one.status()["kernels"]["quick"]
        seen.add((row["state"], bool(row["pid"])))
        return stop.poll() is not None

    until(ended, 20.0, one.story, 0.02)
    assert finish(stop).code == 0
    assert {state for state, lives in seen if not lives} == {"stopped"}
    one.prove_nothing_left()


def test_every_step_of_an_emergency_has_its_time(graced: Graced) -> None:
    before = graced.incarnations()
    graced.kill(*HEALERS)
    graced.await_healthy(newer={role: before[role] for role in HEALERS})

    def steps() -> list[dict[str, str]]:
        found = json.loads(graced.ok("incidents", "--json").out)["incidents"]
        return [step for incident in found if incident["tier"] == 3 for step in incident["steps"]]

    until(lambda: any(step["step"] == "analyze_failure" for step in steps()), 10.0, graced.story, 0.2)
    assert all(step["at"].endswith("Z") for step in steps()), steps()
