"""The guided tour: it ends well, and whatever ends it, nothing is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.chaos

TOUR_S = 120.0
COMMAND = [sys.executable, "-P", "-c", "from graced.cli.main import main; main()", "demo"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for pid in users(tmp_path):
        os.kill(pid, signal.SIGKILL)


def users(folder: Path) -> list[int]:
    """Who has its output or its working folder in `folder`: members and kernels of the tour."""
    found = []
    for name in os.listdir("/proc"):
        for link in ("cwd", "fd/1"):
            try:
                there = os.readlink(f"/proc/{name}/{link}")
            except OSError:
                continue
            if name.isdigit() and there.startswith(f"{folder}/"):
                found.append(int(name))
                break
    return found


def tour(folder: Path) -> "subprocess.Popen[str]":
    environ = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ)


def test_all_recovers_and_nothing_is_left(folder: Path) -> None:
    child = tour(folder)
    out, _ = child.communicate(timeout=TOUR_S)
    assert child.returncode == 0, out
    lines = out.splitlines()
    assert lines[0].startswith("started 7 members and 3 kernels")
    assert lines[-1].startswith("all 9 recovered")
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 110
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\033" not in out
    assert users(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_tour_leaves_nothing(folder: Path, sig: signal.Signals) -> None:
    child = tour(folder)
    assert child.stdout is not None
    deadline = time.monotonic() + TOUR_S
    while "kill -9 self_healing" not in child.stdout.readline():
        assert time.monotonic() < deadline
    child.send_signal(sig)
    child.communicate(timeout=TOUR_S)
    assert child.returncode == 130
    assert users(folder) == []
    assert list(folder.iterdir()) == []


def test_a_tour_whose_reader_is_gone_leaves_nothing(folder: Path) -> None:
    child = tour(folder)
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    child.wait(TOUR_S)
    assert users(folder) == []
    assert list(folder.iterdir()) == []
