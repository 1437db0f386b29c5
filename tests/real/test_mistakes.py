"""Mistakes in graced.yaml by way of the command line: one line that says where, exit 78, nothing started."""

from pathlib import Path
from typing import Final

import pytest
from support.fixtures import Make
from support.home import Graced

KERNEL: Final = "kernels:\n  web:\n    command: [sleep, '1000']\n"

MISTAKES: Final = {
    "a typo in a key": (KERNEL + "    restrat: always\n", "4:5: kernels.web.restrat", "restart"),
    "a wrong value": (KERNEL + "    restart: sometimes\n", "4:14: kernels.web.restart", "on-failure"),
    "a wrong type": ("timing:\n  check_interval: soon\n" + KERNEL, "2:19: timing.check_interval", ""),
    "a duplicate": (KERNEL + "  web:\n    command: [true]\n", "4:3: kernels.web", ""),
    "a cycle": (KERNEL + "    depends_on: [api]\n  api:\n    command: x\n    depends_on: [web]\n", "depends_on", "web"),
    "an unknown dependency": (KERNEL + "    depends_on: [wob]\n", "4:18: kernels.web.depends_on", "web"),
    "no command": ("kernels:\n  web:\n    cwd: .\n", "2:3: kernels.web", "command"),
    "a short time-out": (
        "timing:\n  heartbeat_interval: 1s\n  heartbeat_timeout: 2s\n" + KERNEL, "3:22: timing.heartbeat_timeout", "",
    ),
    "the name of a member": ("kernels:\n  watchdog:\n    command: x\n", "2:3: kernels.watchdog", ""),
    "a schedule": (KERNEL + "    schedule: '@daily'\n", "4:5: kernels.web.schedule", "it would run at once"),
    "a preparation": (KERNEL + "    hooks: {before_start: x}\n", "4:13: kernels.web.hooks", "it would run unprepared"),
    "no YAML": ("kernels: [\n", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place_and_nothing_is_started(make: Make, name: str) -> None:
    text, place, hint = MISTAKES[name]
    graced = make()
    graced.yaml.write_text(text)
    for command in ("start", "config check"):
        done = graced.run(*command.split())
        assert done.code == 78, f"{command}: {done}"
        line, *more = (done.err or done.out).strip().splitlines()
        assert not more, done
        assert line.startswith(f"{graced.yaml}:"), line
        assert place in line, line
        assert hint in line, line
    assert_nothing_started(graced)


def test_a_config_that_does_not_exist_is_exit_78(make: Make) -> None:
    graced = make()
    graced.yaml = graced.folder / "nowhere.yaml"
    for command in ("start", "status", "stop"):
        done = graced.run(command)
        assert done.code == 78, f"{command}: {done}"
        assert "nowhere.yaml" in done.err
    assert_nothing_started(graced)


def assert_nothing_started(graced: Graced) -> None:
    assert not graced.witness.look()
    assert not graced.home.exists()
    assert not (Path(graced.folder) / ".graced").exists()


def test_a_mistake_that_came_later_stops_neither_status_nor_stop(graced: Graced) -> None:
    text = graced.yaml.read_text()
    graced.yaml.write_text(text.replace('"heartbeat_interval"', '"heartbeat_intervall"'))
    assert graced.run("status").code == 0
    assert graced.run("audit", "verify").code == 0
    assert graced.run("logs", "watchdog").code == 0
    before = graced.incarnations()
    graced.kill("spawner", "self_healing", "watchdog")
    graced.await_healthy(newer={role: before[role] for role in ("spawner", "self_healing", "watchdog")})


@pytest.mark.parametrize("words", [["strat"], ["start", "--nonsense"], ["logs"], ["restart"], ["stop", "--json", "-x"]])
def test_wrong_usage_is_exit_2(make: Make, words: list[str]) -> None:
    graced = make()
    done = graced.run(*words)
    assert done.code == 2, done
    assert "Traceback" not in done.err
    assert not graced.home.exists()
