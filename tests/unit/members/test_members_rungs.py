"""Which file a crash loop may make a task of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graced.core.kernels.machine import Kernels
from graced.members.rungs import Rungs
from graced.spec.config import CodingAgent


@pytest.mark.parametrize(("name", "mendable"), [("main.py", True), ("rules.txt", False), ("tool", True)])
def test_only_python_in_its_sources_is_mended(tmp_path: Path, name: str, mendable: bool) -> None:
    (tmp_path / name).write_text("#!/usr/bin/python3\n" if name == "tool" else "allow: all (\n")
    config = SimpleNamespace(coding_agent=CodingAgent())
    shell = cast("Any", SimpleNamespace(home=SimpleNamespace(root=str(tmp_path / "home")), config=config))
    kernel = cast("Any", SimpleNamespace(spec=SimpleNamespace(sources=(str(tmp_path),))))
    rungs = Rungs(shell, Kernels, lambda event, now: None)
    assert rungs._mendable(kernel, str(tmp_path / name)) is mendable
    assert not rungs._mendable(kernel, str(tmp_path.parent / name))
