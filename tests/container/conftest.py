"""graced as the first process of a PID namespace, as a container runtime makes one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fixtures import folder
from support.namespace import UNSHARE, Container

__all__ = ["folder"]


@pytest.fixture
def container(folder: Path) -> Iterator[Container]:
    """Not started yet; killed off at the end."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare(1) of util-linux")
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"no new PID namespace may be made here (uid {os.geteuid()})")
    one = Container(folder)
    yield one
    one.close()
