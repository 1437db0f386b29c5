"""The interpreter that a kernel's sources must compile for."""

import json
from pathlib import Path

from graced.home.paths import Home
from graced.members.targets import interpreter_of, targets
from graced.mending.interpreter import python_of
from graced.spec.config import Config, Kernel, Watch


def program(path: Path, text: str = "#!/bin/sh\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_it_is_found_as_the_kernels_birth_finds_it(tmp_path: Path) -> None:
    python = program(tmp_path / "venv" / "bin" / "python3.9")
    base = {"PATH": "/nowhere"}
    env_file = tmp_path / "env"
    env_file.write_text(f"PATH={tmp_path}/venv/bin\n")
    by_env = Kernel("k", ("python3.9", "a.py"), env={"PATH": f"{tmp_path}/venv/bin"})
    by_file = Kernel("k", ("python3.9", "a.py"), env_file=str(env_file))
    by_folder = Kernel("k", ("venv/bin/python3.9", "a.py"), cwd=str(tmp_path))
    assert [interpreter_of(kernel, base) for kernel in (by_env, by_file, by_folder)] == [python] * 3


def test_a_script_names_it_in_its_first_line(tmp_path: Path) -> None:
    python = program(tmp_path / "bin" / "python3")
    server = program(tmp_path / "bin" / "server", f"#!{python} -E\nimport server\n")
    assert interpreter_of(Kernel("k", (server, "app:app")), {}) == python


def test_of_what_is_no_python_nothing_is_said(tmp_path: Path) -> None:
    words = (program(tmp_path / "run"), program(tmp_path / "python-config"), "/no/such/python3", "python3.99")
    assert [interpreter_of(Kernel("k", (word,)), {}) for word in words] == [None] * 4
    assert interpreter_of(Kernel("k", ("python3",), env_file="/no/such/file"), {}) is None


def test_a_watched_path_that_names_another_goes_before_it(tmp_path: Path) -> None:
    home, python = Home(str(tmp_path)), program(tmp_path / "bin" / "python3.9")
    Path(home.environ).write_text(json.dumps({"PATH": f"{tmp_path}/bin"}))
    config = Config(str(tmp_path), kernels={"k": Kernel("k", ("python3.9", "a.py"), sources=("/a",))})
    found = targets(home, config)
    assert found == (Watch("/a", python),)
    assert python_of("/a/x.py", (Watch("/a"),), found) == python
    assert python_of("/a/x.py", (Watch("/a", "python3.12"),), found) == "python3.12"
    assert python_of("/b/x.py", (Watch("/b"),), found) is None
