"""A kernel for which restarts do not help: its code is mended, or put back, or a person is called."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support import broken
from support.deadlines import holds_for, until
from support.fixtures import Make
from support.home import Graced, Status
from support.kernels import PYTHON

QUICK = {"max_restarts": 2, "window": "60s", "backoff": {"initial": "50ms", "max": "1s"}}
MEND_S = 15.0
SNAPSHOT_S = 3.0

GOOD = "import time\nprint('good', flush=True)\nwhile True:\n    time.sleep(0.2)\n"
RAISES = "import time\nprint('new', flush=True)\nraise KeyError('a')\n"
BROKEN = "import time\nprint('mended', flush=True)\nwhile True\n    time.sleep(0.2)\n"
HOPELESS = "zz ) ( $ 3 ?? def\nqq )) ((\nw $\n"


def app(source: Path, **keys: Any) -> dict[str, Any]:
    return {"app": {"command": [*PYTHON[:-1], str(source)], "restarts": QUICK, **keys}}


def one_kernel(make: Make, text: str, agent: dict[str, Any] | None = None, **keys: Any) -> tuple[Graced, Path]:
    one = make()
    source = one.folder / "app.py"
    source.write_text(text)
    one.write({"kernels": app(source, **{"sources": [str(source)], **keys}), "coding_agent": agent or {}})
    return one, source


def run_anyhow(one: Graced) -> None:
    """Start with a kernel that may not get ready."""
    one.witness.start()
    one.run("start")


def incident_of(one: Graced, state: str) -> Status:
    """The newest incident of the kernel, in that state."""
    found: list[Status] = []

    def there() -> bool:
        rows = json.loads(one.ok("incidents", "--json").out)["incidents"]
        found[:] = [row for row in rows if row["subject"] == "app" and row["state"] == state]
        return bool(found)

    until(there, MEND_S, one.story, 0.2)
    return found[-1]


def task_state(one: Graced) -> str:
    found = json.loads(one.ok("tasks", "--json").out)["tasks"]
    return str(found[0]["state"]) if found else ""


def test_a_syntax_error_in_its_sources_is_mended_and_it_starts_again(make: Make) -> None:
    one, source = one_kernel(make, BROKEN)
    run_anyhow(one)
    row = one.await_kernel("app", lambda row: row["state"] == "ready" and row["rung"] == "fix_source", MEND_S)
    assert "while True:" in source.read_text()
    assert len(one.audited("fix.applied", path=str(source))) == 1
    incident = incident_of(one, "recovered")
    assert any(step["step"] == "fix_source" and step["ok"] for step in incident["steps"])
    run = row["run"]
    holds_for(lambda: one.status()["kernels"]["app"]["run"] == run, 1.0, "it stays up")
    one.stop_and_prove()


def test_code_that_fails_is_put_back_as_it_was_when_healthy(make: Make) -> None:
    one, source = one_kernel(make, GOOD)
    one.start()
    until((one.home / "snapshots" / "app.manifest").exists, SNAPSHOT_S, "a first snapshot", 0.05)
    source.write_text(RAISES)
    os.kill(one.kernel("app").pid, 9)
    one.await_kernel("app", lambda row: row["state"] == "ready" and row["rung"] == "restore_source", MEND_S)
    assert source.read_text() == GOOD
    told = one.audited("source.restored", kernel="app")[0]["data"]
    assert told["files"] == [str(source)]
    kept = Path(told["kept_in"]) / str(source).lstrip("/")
    assert kept.read_text() == RAISES
    incident = incident_of(one, "recovered")
    while not any(told["kept_in"] in step["text"] for step in incident["steps"]):
        incident = incident_of(one, "recovered")
    one.stop_and_prove()


def test_a_failure_with_nothing_to_put_back_calls_a_person(make: Make) -> None:
    one, source = one_kernel(make, RAISES)
    run_anyhow(one)
    row = one.await_kernel("app", lambda row: row["state"] == "failed", MEND_S)
    assert row["rung"] == "notify"
    assert "KeyError" in row["reason"]
    assert source.read_text() == RAISES
    assert one.audited("escalated", subject="app")
    one.stop_and_prove()


def test_what_cannot_be_mended_is_left_alone_and_started_once_a_person_mends_it(make: Make) -> None:
    one, source = one_kernel(make, HOPELESS)
    one.write({"coding_agent": {"watch": [str(source)]}, "kernels": app(source)})
    run_anyhow(one)
    one.await_kernel("app", lambda row: row["state"] == "failed", MEND_S)
    assert source.read_text() == HOPELESS
    source.write_text(GOOD)
    one.await_kernel("app", lambda row: row["state"] == "ready", MEND_S)
    one.stop_and_prove()


def test_a_ladder_without_rungs_for_sources_mends_nothing(make: Make) -> None:
    one, source = one_kernel(make, BROKEN, ladder=["restart", "notify"])
    run_anyhow(one)
    one.await_kernel("app", lambda row: row["state"] == "failed", MEND_S)
    assert source.read_text() == BROKEN
    one.stop_and_prove()


def test_a_file_over_which_a_kernel_crashed_is_not_left_alone_for_the_quiet_time(make: Make) -> None:
    patient = {"max_restarts": 1000, "backoff": {"initial": "50ms", "max": "200ms"}}
    one, source = one_kernel(make, GOOD)
    agent = {"watch": [str(source)], "settle": "1h"}
    one.write({"coding_agent": agent, "kernels": app(source, ladder=["restart"], restarts=patient)})
    one.start()
    source.write_text(BROKEN)
    os.kill(one.kernel("app").pid, signal.SIGKILL)
    until(lambda: "while True:" in source.read_text(), MEND_S, one.story)
    one.await_healthy(MEND_S)
    one.stop_and_prove()


@pytest.mark.parametrize(("verify", "mended"), [("good", True), ("bad", False)])
def test_a_fix_stands_only_if_verify_exits_0(make: Make, verify: str, mended: bool) -> None:
    one = make()
    tree = one.folder / "src"
    tree.mkdir()
    source = tree / "a.py"
    source.write_text(BROKEN)
    check = f"import ast; ast.parse(open({str(source)!r}).read())" if verify == "good" else "raise SystemExit(1)"
    one.write({"coding_agent": {"watch": [str(tree)], "verify": [sys.executable, "-S", "-c", check]}})
    one.start()
    state = "done" if mended else "suggested"
    until(lambda: task_state(one) == state, MEND_S, one.story, 0.2)
    assert ("while True:" in source.read_text()) is mended
    assert bool(one.audited("fix.applied")) is mended
    one.stop_and_prove()


def test_suggest_writes_a_patch_and_changes_nothing(make: Make) -> None:
    one = make()
    tree = one.folder / "src"
    broken.write(tree)
    before = {path.name: path.read_bytes() for path in tree.iterdir()}
    one.write({"coding_agent": {"watch": [str(tree)], "apply": "suggest"}})
    one.start()
    found: list[Status] = []

    def all_over() -> bool:
        found[:] = json.loads(one.ok("tasks", "--json").out)["tasks"]
        return len(found) == 20 and all(task["state"] == "suggested" for task in found)

    until(all_over, MEND_S * 2, lambda: f"{found} {one.story()}", 0.2)
    assert {path.name: path.read_bytes() for path in tree.iterdir()} == before
    assert len(list((one.home / "originals").glob("*.patch"))) == 20
    one.stop_and_prove()


def test_a_fix_that_makes_a_running_kernel_worse_is_taken_back(make: Make) -> None:
    """It compiles, but the kernel that ran the old code dies of it: the file is as it was, byte for byte."""
    one = make()
    source, library = one.folder / "app.py", one.folder / "library.py"
    library.write_text("x = 1\n")
    source.write_text(f"import sys, time\nsys.path.insert(0, {str(one.folder)!r})\nimport library\n" + GOOD)
    one.write({"coding_agent": {"watch": [str(library)]}, "kernels": app(source, sources=[str(library)])})
    one.start()
    worse = b"raise KeyError((1)\n"
    library.write_bytes(worse)
    until(lambda: task_state(one) == "undone", MEND_S * 2, one.story, 0.2)
    assert library.read_bytes() == worse
    assert len(one.audited("fix.applied")) == len(one.audited("fix.undone")) == 1
    one.stop_and_prove()


def test_a_fix_of_a_running_kernels_sources_restarts_it_once(make: Make) -> None:
    one, source = one_kernel(make, GOOD)
    one.write({"coding_agent": {"watch": [str(source)]}, "kernels": app(source, sources=[str(source)])})
    one.start()
    run = one.status()["kernels"]["app"]["run"]
    source.write_text(BROKEN)
    until(lambda: task_state(one) == "done", MEND_S * 2, one.story, 0.2)
    row = one.await_kernel("app", lambda row: row["state"] == "ready")
    assert row["run"] == run + 1
    assert one.status()["recoveries"]["kernel"] == 0
    one.stop_and_prove()


def test_a_fix_stands_though_the_kernel_dies_for_another_reason_all_the_time(make: Make) -> None:
    one = make()
    source, library = one.folder / "app.py", one.folder / "library.py"
    library.write_text("x = 1\n")
    source.write_text("import sys, time\ntime.sleep(1)\nsys.exit(1)\n")
    many = {"max_restarts": 1000, "window": "60s", "backoff": {"immediate": 1000}}
    kernels = app(source, sources=[str(source), str(library)], restarts=many)
    one.write({"coding_agent": {"watch": [str(library)]}, "kernels": kernels})
    one.start()
    until(lambda: one.status()["kernels"]["app"]["run"] > 1, MEND_S, one.story, 0.1)
    library.write_text("x = (1\n")
    until(lambda: task_state(one) in ("done", "undone"), MEND_S * 2, one.story, 0.2)
    assert task_state(one) == "done"
    assert library.read_text() == "x = (1)\n"
    one.stop_and_prove()


def watching(make: Make, **agent: Any) -> tuple[Graced, Path]:
    """A home whose agent watches a folder with one broken file."""
    one = make()
    source = one.folder / "src" / "a.py"
    source.parent.mkdir()
    source.write_text(BROKEN)
    one.write({"coding_agent": {"watch": [str(source.parent)], **agent}})
    return one, source


def test_what_failed_for_want_of_room_is_mended_once_there_is_some(make: Make) -> None:
    one, source = watching(make)
    one.home.mkdir(mode=0o700)
    in_the_way = one.home / "originals"
    in_the_way.write_text("")  # as good as a full disk
    one.start()
    until(lambda: task_state(one) == "failed", MEND_S, one.story, 0.2)
    in_the_way.unlink()
    until(lambda: task_state(one) == "done", MEND_S, one.story, 0.2)
    assert "while True:" in source.read_text()
    one.stop_and_prove()


def test_a_suggestion_is_applied_once_the_configuration_says_so(make: Make) -> None:
    one, source = watching(make, apply="suggest")
    one.start()
    until(lambda: task_state(one) == "suggested", MEND_S, one.story, 0.2)
    one.ok("stop")
    one.write({"coding_agent": {"watch": [str(source.parent)]}})
    one.ok("start")
    until(lambda: task_state(one) == "done", MEND_S, one.story, 0.2)
    assert "while True:" in source.read_text()
    one.stop_and_prove()


def test_what_is_excluded_is_not_mended_in_a_crash_loop_either(make: Make) -> None:
    one = make()
    source = one.folder / "app" / "vendor" / "app.py"
    source.parent.mkdir(parents=True)
    source.write_text(BROKEN)
    sources = [str(source.parent.parent)]
    one.write({"kernels": app(source, sources=sources), "coding_agent": {"exclude": ["vendor/"]}})
    run_anyhow(one)
    one.await_kernel("app", lambda row: row["state"] == "failed", MEND_S)
    assert source.read_text() == BROKEN
    assert not task_state(one)
    one.stop_and_prove()
