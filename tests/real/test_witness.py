"""The witness itself sees what it is there for, so that its silence in the other tests means something."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support import procs
from support.deadlines import until
from support.witness import ZOMBIE_S, Witness

TITLED: Final = """
import os, sys, time
from setproctitle import setproctitle
file = open(sys.argv[2])
setproctitle(sys.argv[1])
if sys.argv[3:]:
    if os.fork() == 0:
        os._exit(0)
print("ready", flush=True)
time.sleep(1000)
"""


class Stage:
    """Processes that look like those of a home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.home.mkdir()
        (self.home / "id").write_text("f" * 32)
        (self.home / "file").touch()
        self.witness = Witness(self.home)
        self.processes: list[subprocess.Popen[str]] = []

    def titled(self, title: str, *more: str) -> int:
        return self._run([sys.executable, "-c", TITLED, title, str(self.home / "file"), *more], {})

    def kernel(self, name: str, run: int) -> int:
        marks = {"GRACED_HOME_ID": "f" * 32, "GRACED_KERNEL": name, "GRACED_RUN": str(run)}
        return self._run(["sh", "-c", "echo ready; exec sleep 1000"], marks)

    def _run(self, argv: list[str], environ: dict[str, str]) -> int:
        process = subprocess.Popen(argv, env={"PATH": "/usr/bin:/bin", **environ}, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process.pid

    def close(self) -> None:
        self.witness.close()
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def stage(folder: Path) -> Iterator[Stage]:
    one = Stage(folder / "home")
    yield one
    one.close()


def test_two_of_a_role_are_a_breach_and_one_is_none(stage: Stage) -> None:
    one = stage.titled("graced: watchdog [/h]")
    stage.titled("graced: watchdog worker [/h]")
    stage.titled("graced: parliament [/h]")
    assert [identity.pid for identity in stage.witness.alive_of("watchdog")] == [one]
    assert not stage.witness.breaches
    two = stage.titled("graced: watchdog [/h]")
    stage.witness.look()
    assert str(one) in stage.witness.breaches[0]
    assert str(two) in stage.witness.breaches[0]


def test_the_same_title_in_another_home_is_nobody_of_this_one(stage: Stage, folder: Path) -> None:
    other = Stage(folder / "other")
    try:
        other.titled("graced: watchdog [/h]")
        assert not stage.witness.look()
        assert len(other.witness.look()) == 1
    finally:
        other.close()


def test_two_runs_of_a_kernel_are_a_breach_and_two_processes_of_one_are_none(stage: Stage) -> None:
    stage.kernel("web", 1)
    stage.kernel("web", 1)
    stage.kernel("api", 2)
    stage.witness.look()
    assert not stage.witness.breaches
    stage.kernel("web", 2)
    stage.witness.look()
    assert "kernel web" in stage.witness.breaches[0]


def test_a_zombie_that_stays_is_a_breach(stage: Stage) -> None:
    parent = stage.titled("graced: spawner [/h]", "with a zombie")
    zombie = int(procs.slurp(f"/proc/{parent}/task/{parent}/children"))
    stage.witness.start()
    until(lambda: stage.witness.breaches, 2 * ZOMBIE_S, "the zombie is told of")
    assert str(zombie) in stage.witness.breaches[0]


def test_whoever_was_seen_is_a_stray_until_he_is_dead(stage: Stage) -> None:
    pid = stage.kernel("web", 1)
    assert [identity.pid for identity in stage.witness.strays()] == [pid]
    stage.processes[0].kill()
    stage.processes[0].wait()
    assert not stage.witness.strays()
