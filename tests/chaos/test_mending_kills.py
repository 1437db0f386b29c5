"""kill -9 of the coding agent at random moments while it mends: nothing lost, nothing half-written, nothing twice."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from support import broken, procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.kernels import PYTHON

from graced.mending.interpreter import own_error
from graced.mending.put import digest
from graced.mending.walk import OURS

MENDED_S = 60.0
SPREAD_S = 0.4


@pytest.mark.chaos
def test_ten_kills_while_it_mends(make: Make) -> None:
    kill_while_mending(make, kills=10, a_round=5)


@pytest.mark.chaos
@pytest.mark.slow
def test_two_hundred_kills_while_it_mends(make: Make) -> None:
    kill_while_mending(make, kills=200, a_round=20)


def kill_while_mending(make: Make, kills: int, a_round: int) -> None:
    rng = random.Random(kills)
    one = make()
    tree = one.folder / "src"
    tree.mkdir()
    kernel = {"command": [*PYTHON, broken.KERNEL.format(folder=str(tree))]}
    one.write({"coding_agent": {"watch": [str(tree)]}, "kernels": {"importer": kernel}})
    one.witness.start()
    originals = broken.write(tree)
    one.run("start")
    for round in range(kills // a_round):
        if round:
            originals = {name: data + f"\n# round {round}\n".encode() for name, data in broken.twenty().items()}
            for name, data in originals.items():
                put(tree / name, data)
        killed = 0
        while killed < a_round:
            time.sleep(rng.uniform(0.0, SPREAD_S))
            killed += kill(one)
            for name, data in originals.items():
                seen = (tree / name).read_bytes()
                assert seen == data or own_error(seen) is None, f"{name} is neither old nor new"
        settled(one, tree, originals)
        judged(one, tree, originals)
    one.stop_and_prove()


def put(path: Path, data: bytes) -> None:
    """As an editor saves: whole."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    os.rename(temporary, path)


def kill(one: Graced) -> int:
    try:
        record = one.lock("coding_agent")
    except (OSError, ValueError):
        return 0
    identity = procs.Identity(record["pid"], record["start_ticks"])
    if not procs.alive(identity):
        return 0
    os.kill(identity.pid, signal.SIGKILL)
    return 1


def settled(one: Graced, tree: Path, originals: dict[str, bytes]) -> None:
    def over() -> bool:
        status = one.status()
        tasks = status["tasks"]
        return bool(
            tasks["done"] == len(originals)
            and not tasks["queued"] + tasks["running"] + tasks["failed"]
            and not status["code"]["broken"]
            and status["healthy"]
            and all(own_error((tree / name).read_bytes()) is None for name in originals)
        )

    until(over, MENDED_S, lambda: f"{one.status()}\n{one.story(60)}", 0.1)


def judged(one: Graced, tree: Path, originals: dict[str, bytes]) -> None:
    applied = one.audited("fix.applied")
    twice = {task: n for task, n in Counter(record["data"]["task"] for record in applied).items() if n > 1}
    assert not twice, f"told of more than once: {twice}"
    newest = {record["data"]["path"]: record["data"] for record in applied}
    for name, data in originals.items():
        told = newest[str(tree / name)]
        assert told["sha256_before"] == digest(data), f"{name}: the fix is of other bytes"
        assert told["sha256_after"] == digest((tree / name).read_bytes()), f"{name}: changed after its fix"
        assert (one.home / "originals" / told["sha256_before"]).read_bytes() == data, f"{name}: the original is lost"
    times = Counter((record["data"]["path"], record["data"]["sha256_before"]) for record in applied)
    assert max(times.values()) == 1, f"applied twice: {times.most_common(3)}"
    left = [path.name for path in tree.iterdir() if OURS in path.name]
    assert not left, f"left beside the files: {left}"
