"""`graced config check` looks at the machine: what is named and not there, and what only a shell understands."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from graced.config.load import read
from graced.control.machine import machine_problems

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str], list[str]]:
    """What is wrong with a kernel whose keys are given, without file, line and the kernel's name."""

    def of(keys: str) -> list[str]:
        path = tmp_path / "graced.yaml"
        path.write_text(f"kernels:\n  k:\n    {keys}\n")
        lines = map(str, machine_problems(read(str(path), ENV), ENV))
        return [line.partition("kernels.k.")[2] for line in lines]

    return of


def script(folder: Path, head: bytes, name: str = "run") -> str:
    path = folder / name
    path.write_bytes(head)
    path.chmod(0o755)
    return f"./{name}"


WRONG = [
    ("command: no-such-program --x", "command: no-such-program: not found on PATH"),
    ("command: [./nothing]", "command: ./nothing: no such file"),
    ("command: /etc/passwd", "command: /etc/passwd: /etc/passwd is not executable"),
    ("command: sleep 1\n    cwd: nowhere", "cwd: "),
    ("command: sleep 1\n    cwd: graced.yaml", "cwd: "),
    ("command: sleep 1\n    user: no-such-user", "user: user no-such-user: there is no such user"),
    ("command: sleep 1\n    group: no-such-group", "group: group no-such-group: there is no such group"),
    ("command: sleep 1\n    user: 54321", "user: user 54321: has no entry, so `group` must be given"),
    ("command: cd /x && ls", "command: '&&' is of a shell, and none runs here; write command: [sh, -c,"),
    ("command: ls | sort", "command: '|' is of a shell"),
    ("command: ls > /tmp/out", "command: '>' is of a shell"),
    ("command: sleep 1; sleep 2", "command: ';' is of a shell"),
    ("command: sleep 1 &", "command: '&' is of a shell"),
    ("command: [cd, /x]", "command: 'cd' is a command of the shell"),
    ("command: source env.sh", "command: 'source' is a command of the shell"),
    ("command: DEBUG=1 sleep 1", "command: 'DEBUG=1' sets a variable in a shell, and none runs here; use `env`"),
    ("command: ~/bin/run", "command: '~/bin/run': ~ is not replaced"),
    ("command: [python3, -u, missing.py]", "command: missing.py: no such file in "),
    ("command: [bash, missing.sh]", "command: missing.sh: no such file in "),
    ("command: sleep 1\n    stop: {command: no-such-stop}", "stop.command: no-such-stop: not found on PATH"),
    ("command: sleep 1\n    sockets: [/nowhere/at/all.sock]", "sockets: /nowhere/at/all.sock: there is no such folder"),
]
RIGHT = [
    "command: sleep 1",
    "command: [sh, -c, 'cd /tmp && ls | sort > /dev/null']",
    "command: sh -c 'cd /tmp && ls'",
    "command: awk -F '|' '{print}'",
    "command: [echo, '&&', '>']",
    "command: [python3, -m, http.server]",
    "command: [python3, -c, 'print(1)']",
    "command: [python3, -X, dev, -W, error, run.py]",
    "command: [env, -i, sleep, '1']",
    "command: sleep 1\n    env: {PATH: /bin}",
]


@pytest.mark.parametrize(("keys", "message"), WRONG)
def test_what_is_missing_is_told(told: Callable[[str], list[str]], keys: str, message: str) -> None:
    found = told(keys)
    assert len(found) == 1, found
    assert found[0].startswith(message)


@pytest.mark.parametrize("keys", RIGHT)
def test_what_is_there_is_not(told: Callable[[str], list[str]], tmp_path: Path, keys: str) -> None:
    (tmp_path / "run.py").touch()
    assert told(keys) == []


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"#!/bin/sh\r\necho\r\n", "its #! line ends in CR LF"),
        (b"#!/usr/bin/env sh\r\n", "its #! line ends in CR LF"),
        (b"#!/opt/gone/python\n", "its #! line names /opt/gone/python, which does not exist"),
        (b"#!/usr/bin/env no-such-python\n", "its #! line asks env for no-such-python, which is not on PATH"),
        (b"#!/usr/bin/env -S no-such-python -u\n", "its #! line asks env for no-such-python"),
        (b"#!/etc/passwd\n", "its #! line names /etc/passwd, which is not executable"),
        (b"#! \n", "its #! line names no interpreter"),
        (b"print(1)\n", "it has no #! line"),
        (b"", "it has no #! line"),
    ],
)
def test_a_first_line_that_the_system_does_not_understand(
    told: Callable[[str], list[str]], tmp_path: Path, head: bytes, message: str
) -> None:
    found = told(f"command: [{script(tmp_path, head)}]")
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    "head", [b"#!/bin/sh\n", b"#! /bin/sh -e\n", b"#!/usr/bin/env sh\n", b"#!/usr/bin/env -S sh -e\n"]
)
def test_a_first_line_that_is_well(told: Callable[[str], list[str]], tmp_path: Path, head: bytes) -> None:
    assert told(f"command: [{script(tmp_path, head)}]") == []


def test_the_path_of_the_kernel_counts(told: Callable[[str], list[str]], tmp_path: Path) -> None:
    script(tmp_path, b"#!/bin/sh\n", "mine")
    assert told("command: mine") != []
    assert told(f"command: mine\n    env: {{PATH: {tmp_path}}}") == []


@pytest.mark.parametrize("key", ["verify: [no-such-check]", "backend: {command: [no-such-check]}"])
def test_the_commands_of_the_coding_agent_are_looked_for_too(tmp_path: Path, key: str) -> None:
    (tmp_path / "graced.yaml").write_text(f"coding_agent:\n  {key}\n")
    (problem,) = machine_problems(read(str(tmp_path / "graced.yaml"), ENV), ENV)
    assert str(problem).startswith(f"{tmp_path}/graced.yaml:2:")
    assert "no-such-check: not found on PATH" in str(problem)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may become anybody")
def test_another_user_takes_root(told: Callable[[str], list[str]]) -> None:
    assert "only root may become another" in told("command: sleep 1\n    user: root")[0]
