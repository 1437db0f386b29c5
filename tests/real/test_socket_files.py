"""The address of a held Unix socket leads to its kernel again, whatever somebody does to the file."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from support import procs
from support.deadlines import holds_for, until
from support.fixtures import Make
from support.home import Graced
from support.kernels import PYTHON

SERVER: Final = """
import os, socket
listener = socket.socket(fileno=3)
while True:
    channel, _ = listener.accept()
    channel.sendall(str(os.getpid()).encode())
    channel.close()
"""


def answer(path: Path) -> int:
    """Which process answers; 0 when nobody does."""
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(5)
            channel.connect(str(path))
            return int(channel.recv(64) or b"0")
    except OSError:
        return 0


def serving(make: Make) -> tuple[Graced, Path]:
    graced = make()
    path = graced.folder / "there" / "web.sock"
    path.parent.mkdir()
    graced.write(
        {"kernels": {"web": {"command": [*PYTHON, SERVER], "sockets": [str(path)]}, "other": {"command": "sleep 1000"}}}
    )
    graced.start()
    until(lambda: answer(path) == graced.pid("web"), 3.0, "it answers")
    return graced, path


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def dead_one(path: Path) -> None:
    """Another program bound there, and ended without a clean-up."""
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))


@pytest.mark.parametrize("harm", [delete, move, dead_one])
def test_it_is_bound_anew_served_and_told(make: Make, harm: Callable[[Path], None]) -> None:
    graced, path = serving(make)
    before, other = graced.pid("web"), graced.pid("other")
    harm(path)
    until(lambda: answer(path) not in (0, before), 3.0, "a run with the new socket answers")
    assert len(graced.audited("escalated", incident="sockets", subject=str(path))) == 1
    assert graced.pid("other") == other, "nobody else is touched"
    assert graced.status()["kernels"]["web"]["restarts"] == 0, "that was no failure of the kernel"
    pid = answer(path)
    holds_for(lambda: procs.identify(pid), 0.5, "it goes on")
    graced.stop_and_prove()


@pytest.mark.parametrize("victims", [("spawner",), ("self_healing",), ("spawner", "watchdog", "self_healing")])
def test_also_when_those_who_would_see_it_die_at_that_moment(make: Make, victims: tuple[str, ...]) -> None:
    graced, path = serving(make)
    before = graced.pid("web")
    path.unlink()
    graced.kill(*victims)
    until(lambda: answer(path) not in (0, before), 5.0, "a run with the new socket answers")
    graced.await_healthy(5.0)
    graced.stop_and_prove()


def test_an_address_that_another_program_took_is_left_to_it_and_taken_back_when_it_goes(make: Make) -> None:
    graced, path = serving(make)
    before = graced.pid("web")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        inode = os.stat(path).st_ino
        until(lambda: graced.audited("escalated", incident="sockets"), 3.0, "told")
        holds_for(lambda: os.stat(path).st_ino == inode, 0.5, "it is the other's")
        assert len(graced.audited("escalated", incident="sockets")) == 1, "told once"
        assert graced.pid("web") == before, "no restart that would help nobody"
    until(lambda: answer(path) not in (0, before), 3.0, "ours again")
    graced.stop_and_prove()


def test_a_folder_that_is_gone_is_waited_for(make: Make) -> None:
    graced, path = serving(make)
    before = graced.pid("web")
    path.unlink()
    path.parent.rmdir()
    until(lambda: graced.audited("escalated", incident="sockets"), 3.0, "told")
    path.parent.mkdir()
    until(lambda: answer(path) not in (0, before), 3.0, "bound anew")
    graced.stop_and_prove()
