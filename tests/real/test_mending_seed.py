"""The seed scenario on a running daemon: twenty broken files, a kernel that crash-loops on three of them."""

import json
from collections import Counter
from pathlib import Path

from support import broken
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced, Status
from support.kernels import PYTHON

from graced.mending.interpreter import own_error

MENDED_S = 30.0


def crash_looper(folder: Path) -> dict[str, object]:
    return {"command": [*PYTHON, broken.KERNEL.format(folder=str(folder))]}


def tasks(one: Graced) -> list[Status]:
    found: list[Status] = json.loads(one.ok("tasks", "--json").out)["tasks"]
    return found


def all_mended(one: Graced, count: int) -> None:
    def done() -> bool:
        status = one.status()
        return bool(status["tasks"]["done"] == count and not status["code"]["broken"] and status["healthy"])

    until(done, MENDED_S, lambda: f"{one.status()['tasks']} {one.status()['code']} {tasks(one)}\n{one.story(60)}", 0.05)


def test_twenty_files_are_mended_while_a_kernel_crash_loops_on_three(make: Make) -> None:
    one = make()
    tree = one.folder / "src"
    tree.mkdir()
    one.write({"coding_agent": {"watch": [str(tree)]}, "kernels": {"importer": crash_looper(tree)}})
    one.witness.start()
    originals = broken.write(tree)  # they are there at the start, so the kernel falls over them at once
    started = one.run("start")
    all_mended(one, 20)
    assert started.code in (0, 1), started.err

    for name in originals:
        assert own_error((tree / name).read_bytes()) is None, name
    found = tasks(one)
    assert Counter(task["state"] for task in found) == {"done": 20}
    assert {Path(task["path"]).name for task in found} == set(originals)
    applied = Counter(record["data"]["task"] for record in one.audited("fix.applied"))
    assert applied == {task["id"]: 1 for task in found}
    row = one.await_kernel("importer", lambda row: row["state"] == "ready")
    assert row["pid"]

    for task in found:
        one.ok("tasks", "undo", task["id"])
    for name, data in originals.items():
        assert (tree / name).read_bytes() == data, f"{name} is not as it was"
    assert len(one.audited("fix.undone")) == 20
    assert {task["state"] for task in tasks(one)} == {"undone"}
    one.stop_and_prove()
