"""A kernel is its whole process tree: nothing of a run is left when the run is over, and no second one beside it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced, undisturbed
from support.procs import Identity
from support.witness import ROLES

Script = Callable[..., dict[str, Any]]


def tree(folder: Path) -> dict[str, Identity]:
    """The processes of a `family`, once all of them have said who they are."""
    paths = {name: folder / f"{name}.pid" for name in scripts.FAMILY}
    until(lambda: all(path.exists() for path in paths.values()), 3.0, lambda: f"a family: {list(folder.iterdir())}")
    found = {name: procs.identify(int(path.read_text())) for name, path in paths.items()}
    assert all(found.values()), found
    for path in paths.values():
        path.unlink()
    return {name: identity for name, identity in found.items() if identity is not None}


def gone(processes: dict[str, Identity]) -> bool:
    return not any(procs.alive(identity) for identity in processes.values())


def started(make: Make, script: Script = scripts.family, **keys: object) -> Graced:
    graced = make()
    graced.write({"kernels": {"fam": script(graced.folder, **keys), "one": graced.counter("one")}})
    graced.start()
    return graced


SCRIPTS = pytest.mark.parametrize("script", [scripts.family, scripts.disguised], ids=["plain", "without marks"])


@SCRIPTS
def test_the_whole_tree_is_dead_before_the_next_run(make: Make, script: Script) -> None:
    graced = started(make, script)
    old = tree(graced.folder)
    os.kill(old["parent"].pid, signal.SIGKILL)
    graced.await_kernel("fam", lambda now: now["state"] == "ready" and now["run"] == 2)
    assert gone(old), "an orphan of run 1 lives beside run 2"
    new = tree(graced.folder)
    assert not set(new.values()) & set(old.values())
    graced.stop_and_prove()
    assert gone(new)


@pytest.mark.parametrize("roles", [("spawner",), ("self_healing", "spawner"), ("self_healing",)], ids="+".join)
def test_the_tree_of_an_adopted_kernel_is_known_too(make: Make, roles: tuple[str, ...]) -> None:
    graced = started(make)
    old, before = tree(graced.folder), graced.incarnations()
    graced.kill(*roles)
    graced.await_healthy(newer={role: before[role] for role in roles})
    assert not any(not procs.alive(identity) for identity in old.values()), "adopted with all of its tree"
    os.kill(old["parent"].pid, signal.SIGKILL)
    graced.await_kernel("fam", lambda now: now["state"] == "ready" and now["run"] == 2)
    assert gone(old), "an orphan of run 1 lives beside run 2"
    tree(graced.folder)
    graced.stop_and_prove()


@SCRIPTS
def test_a_stop_by_name_ends_the_tree_politely_then_by_force(make: Make, script: Script) -> None:
    graced = started(make, script, stop={"timeout": "300ms"})
    old = tree(graced.folder)
    graced.ok("stop", "fam")
    assert gone(old)
    row = graced.status()["kernels"]["fam"]
    assert (row["state"], row["pid"]) == ("stopped", None)
    graced.growing("one")
    graced.stop_and_prove()


@SCRIPTS
def test_a_full_stop_ends_the_tree_though_parts_are_deaf_and_detached(make: Make, script: Script) -> None:
    graced = started(make, script, stop={"timeout": "300ms"})
    old = tree(graced.folder)
    graced.stop_and_prove()
    assert gone(old)


@SCRIPTS
def test_a_full_stop_finds_the_tree_when_no_member_is_alive(make: Make, script: Script) -> None:
    graced = started(make, script, stop={"timeout": "300ms"})
    old = tree(graced.folder)
    graced.kill(*ROLES)
    graced.stop_and_prove()
    assert gone(old)


@pytest.mark.parametrize("roles", [("spawner",), ROLES], ids=["spawner", "all"])
def test_orphans_of_a_run_that_ended_while_no_spawner_lived_do_not_outlive_it(
    make: Make, roles: tuple[str, ...]
) -> None:
    graced = started(make)
    old = tree(graced.folder)
    with graced.witness.still(), undisturbed():
        for identity in (*map(graced.member, roles), old["parent"]):
            os.kill(identity.pid, signal.SIGKILL)
    if roles == ROLES:
        graced.ok("start")
    graced.await_kernel("fam", lambda now: now["state"] == "ready" and now["run"] == 2)
    assert gone(old), "orphans of run 1 live beside run 2"
    tree(graced.folder)
    graced.stop_and_prove()


def test_a_stubborn_kernel_is_killed_when_its_time_is_over(make: Make) -> None:
    graced = make()
    kernel = scripts.stubborn(graced.counter_file("deaf"), stop={"timeout": "300ms"})
    graced.write({"kernels": {"deaf": kernel, "one": graced.counter("one")}})
    graced.start()
    graced.growing("deaf")
    old = graced.kernel("deaf")
    graced.ok("restart", "deaf")
    assert not procs.alive(old)
    assert graced.status()["kernels"]["deaf"]["restarts"] == 0, "a restart by a person never counts"
    graced.growing("deaf")
    graced.stop_and_prove()
