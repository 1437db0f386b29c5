"""A session of the rig (see `rig` beside this file) with graced installed in it by the commands of docs/systemd.md."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
PAGE: Final = ROOT / "docs" / "systemd.md"
COMMAND_S: Final = 600.0
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What a bare machine has: an interpreter in somebody's home is hidden by ProtectHome=."""

OFFLINE: Final = "PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels PIP_DISABLE_PIP_VERSION_CHECK=1"


class Rig:
    """The machine inside."""

    def __init__(self, base: Path) -> None:
        self.environ = {**os.environ, "RIG_DIR": str(base), "PATH": PATH}
        self.root = base / "root"

    def control(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(HERE / "rig"), *words], env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        return self.control("run", *argv)

    def ok(self, *argv: str) -> str:
        """A command that must succeed; what it printed."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def script(self, text: str, user: str = "root") -> str:
        """Lines for a shell, each of which must succeed."""
        head = f"set -e\nexport {OFFLINE}\nexport HOME=~{user} XDG_RUNTIME_DIR=/run/user/$(id -u {user})\ncd ~{user}\n"
        return self.ok("runuser", "-u", user, "--", "bash", "-c", head + text)

    def does(self, scenario: str, times: int) -> dict[str, Any]:
        """Runs a scenario of inside.py; see there for what comes back."""
        return dict(json.loads(self.ok("python3", "/opt/rig/inside.py", scenario, str(times)).splitlines()[-1]))


def commands(section: str) -> list[str]:
    """The shell blocks of a section of the page."""
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.S)


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if os.geteuid() != 0:
        pytest.skip("the rig needs root")
    machine = Rig(Path(f"/run/graced-tests-rig-{os.getpid()}"))
    up = machine.control("up")
    if up.returncode:
        machine.control("down")
        pytest.skip(f"no rig here: {up.stderr.strip()[-300:]}")
    try:
        _bring(machine, tmp_path_factory.mktemp("wheels"))
        yield machine
    finally:
        machine.control("down")


def _bring(machine: Rig, wheels: Path) -> None:
    """The wheel of this checkout and all that it needs: the rig has no network."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), str(ROOT)], check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=COMMAND_S,
    )  # fmt: skip
    for name in ("opt/wheels", "opt/rig"):
        (machine.root / name).mkdir(parents=True, exist_ok=True)
    for path in wheels.glob("*.whl"):
        shutil.copy(path, machine.root / "opt/wheels")
    for path in (HERE / "inside.py", *(HERE / "files").iterdir()):
        shutil.copy(path, machine.root / "opt/rig")


@pytest.fixture(scope="session")
def page(rig: Rig) -> Rig:
    """A rig in which somebody has done what the first block of the page says."""
    rig.script(commands("From nothing to a service")[0])
    return rig


@pytest.fixture
def service(page: Rig) -> Iterator[Rig]:
    """Installed as shipped, with the three kernels of files/graced.yaml; not started. Stopped at the end."""
    page.script("graced service install\ncp /opt/rig/graced.yaml /etc/graced/graced.yaml")
    yield page
    page.run("systemctl", "stop", "graced")
    page.script("rm -rf /etc/systemd/system/graced.service.d /var/lib/graced\nsystemctl daemon-reload")
