"""From the wheel in an empty venv, far from any checkout: it installs, runs, and brings its pages along."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow  # it fetches what graced needs, and pip is slow

ROOT: Final = Path(__file__).resolve().parents[2]
BROUGHT: Final = (
    "share/man/man1/graced.1",
    "share/man/man1/graced-start.1",
    "share/bash-completion/completions/graced",
    "share/zsh/site-functions/_graced",
    "share/fish/vendor_completions.d/graced.fish",
)
INSIDE: Final = (
    "graced/shipped/playbooks/healer_mutual_restart.yaml",
    "graced/shipped/playbooks/emergency_healer_recovery.yaml",
    "graced/shipped/systemd/graced.service",
    "graced/shipped/systemd/graced-sweep.service",
    "graced/shipped/systemd/user/graced.service",
    "graced/shipped/systemd/drop-ins/strict.conf",
)
COMMAND_S: Final = 300.0


class Installed:
    def __init__(self, folder: Path, dist: Path) -> None:
        self.folder, self.dist = folder, dist
        self.prefix = folder / "venv"
        gone = ("PYTHON", "GRACED_", "VIRTUAL_ENV", "PYTEST_")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(gone)}
        self.environ["HOME"] = str(folder)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.prefix / "bin" / words[0]), *words[1:]], cwd=self.folder, env=self.environ, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("w")
    builder = folder / "builder"
    venv.create(builder, with_pip=True)
    pip = [str(builder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "hatchling>=1.21"], check=True, timeout=COMMAND_S)
    dist = folder / "dist"
    hatch = [str(builder / "bin" / "python"), "-m", "hatchling", "build", "-d", str(dist)]
    subprocess.run(hatch, check=True, cwd=ROOT, timeout=COMMAND_S, stdout=subprocess.DEVNULL)
    one = Installed(folder, dist)
    venv.create(one.prefix, with_pip=True)
    wheel = next(dist.glob("*.whl"))
    one.ok("pip", "--disable-pip-version-check", "-q", "install", str(wheel))
    yield one
    one.run("graced", "stop")


def test_the_wheel_has_everything_inside(installed: Installed) -> None:
    with zipfile.ZipFile(next(installed.dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert names >= set(INSIDE)
    assert not [name for name in names if name.startswith(("tests", "scripts"))]


def test_a_wheel_made_from_the_sdist_is_the_same(installed: Installed) -> None:
    sdist = next(installed.dist.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(installed.folder / "source", filter="data")
    source = next((installed.folder / "source").iterdir())
    again = installed.folder / "again"
    builder = installed.folder / "builder" / "bin" / "python"
    hatch = [str(builder), "-m", "hatchling", "build", "-t", "wheel", "-d", str(again)]
    subprocess.run(hatch, check=True, cwd=source, timeout=COMMAND_S, stdout=subprocess.DEVNULL)
    names = []
    for folder in (installed.dist, again):
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            names.append(sorted(wheel.namelist()))
    assert names[0] == names[1]


def test_pages_and_completions_are_where_help_says(installed: Installed) -> None:
    for path in BROUGHT:
        assert (installed.prefix / path).is_file(), path
    told = " ".join(installed.ok("graced", "--help").split())
    assert f"man -M {installed.prefix}/share/man graced" in told
    assert installed.ok("graced", "--version").startswith("graced ")


def test_it_runs_from_nothing_to_nothing(installed: Installed) -> None:
    installed.ok("graced", "init")
    assert "healthy · 2/2 kernels" in installed.ok("graced", "start")
    assert "healthy" in installed.ok("graced", "status")
    assert "pidfd" in installed.ok("graced", "doctor")
    assert "healer_mutual_restart" in installed.ok("graced", "playbook", "list")
    assert "stopped" in installed.ok("graced", "stop")
    assert installed.run("graced", "status").returncode == 3


def test_the_demo_runs(installed: Installed) -> None:
    installed.ok("graced", "demo")


def test_it_is_not_the_checkout_that_ran(installed: Installed) -> None:
    where = installed.ok("python", "-c", "import graced; print(graced.__file__)").strip()
    assert where.startswith(str(installed.prefix)), where
    assert sys.prefix not in where
