"""A member whose module cannot be imported: `failed` with the reason, tried ever more slowly, back once mended."""

import os
import shutil
import signal
from pathlib import Path
from typing import Final

import pytest
from support.deadlines import holds_for, until
from support.fixtures import Make
from support.home import RECOVERY_S, Graced
from support.witness import ROLES

import graced as package

FAILED_WITHIN_S: Final = RECOVERY_S
BACKOFF_MAX_S: Final = 2.0
MENDED_WITHIN_S: Final = BACKOFF_MAX_S + RECOVERY_S
WATCHED_S: Final = 3.0
BROKEN: Final = "import no_such_module_of_graced\n"


@pytest.fixture
def copy(folder: Path) -> Path:
    """The package as it is, to be broken."""
    source = Path(package.__file__).parent
    target = folder / "lib"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, target / "graced", ignore=skip)
    shutil.copytree(source.parent / "playbooks", target / "playbooks", ignore=skip)
    return target


def with_copy(make: Make, copy: Path) -> Graced:
    graced = make()
    graced.environ["PYTHONPATH"] = str(copy)
    graced.crash_wanted = True
    graced.write(
        {
            "restarts": {"max_restarts": 3, "window": "60s", "backoff": {"initial": "100ms", "max": "2s", "jitter": 0}},
            "kernels": {"one": graced.counter("one"), "two": graced.counter("two")},
        }
    )
    return graced


def births(graced: Graced, role: str) -> int:
    """Attempts, as the member's log counts them: each ends in a traceback."""
    path = graced.home / "logs" / f"{role}.log"
    return path.read_text().count("no_such_module_of_graced'") if path.exists() else 0


def break_module(copy: Path, name: str) -> str:
    """The text before, to mend it with."""
    path = copy / "graced" / "members" / f"{name}.py"
    text = path.read_text()
    path.write_text(BROKEN + text)
    return text


def mend(copy: Path, name: str, text: str) -> None:
    (copy / "graced" / "members" / f"{name}.py").write_text(text)


def test_a_member_that_cannot_be_imported_at_start_is_failed_and_the_rest_works(make: Make, copy: Path) -> None:
    text = break_module(copy, "trigger")
    graced = with_copy(make, copy)
    graced.witness.start()
    began = graced.spawn("start")
    assert "no_such_module_of_graced" in failure(graced, "trigger")
    others = {role: r["state"] for role, r in graced.status()["members"].items() if role != "trigger"}
    until(lambda: set(states(graced, "trigger").values()) == {"healthy"}, RECOVERY_S, lambda: others)
    graced.growing("one", "two")
    before = graced.incarnations_of("self_healing")
    graced.kill("self_healing")
    graced.await_members({"self_healing": before})
    assert not backed_off_badly(graced, "trigger"), "it is tried again at full speed"
    mend(copy, "trigger", text)
    graced.await_healthy(MENDED_WITHIN_S)
    began.communicate(timeout=60)
    graced.stop_and_prove()


def failure(graced: Graced, role: str) -> str:
    """Waits until the member is `failed`; the reason that status gives in the same look."""

    def reason() -> str:
        row = graced.status()["members"][role]
        return str(row["detail"].get("reason", "no reason")) if row["state"] == "failed" else ""

    return until(reason, FAILED_WITHIN_S, graced.story)


def states(graced: Graced, without: str) -> dict[str, str]:
    return {role: row["state"] for role, row in graced.status()["members"].items() if role != without}


def backed_off_badly(graced: Graced, role: str) -> bool:
    """More attempts in WATCHED_S than the backoff's end allows, with one to spare."""
    count = births(graced, role)
    holds_for(lambda: True, WATCHED_S, "")
    return births(graced, role) - count > WATCHED_S / BACKOFF_MAX_S + 2


@pytest.mark.parametrize(
    ("role", "module"), [("parliament", "delegates"), ("coding_agent", "coding_agent"), ("watchdog", "watchdog")]
)
def test_a_module_that_breaks_while_running_is_failed_after_the_next_death_and_comes_back(
    make: Make, copy: Path, role: str, module: str
) -> None:
    """The spawner has the good module in memory, so it must be a new spawner that meets the bad one."""
    graced = with_copy(make, copy)
    graced.start()
    kernels = {name: graced.kernel(name) for name in ("one", "two")}
    text = break_module(copy, module)
    graced.kill(role, "spawner")
    assert "no_such_module_of_graced" in failure(graced, role)
    assert graced.run("status").code == 1
    assert not backed_off_badly(graced, role)
    assert {name: graced.kernel(name) for name in kernels} == kernels
    mend(copy, module, text)
    graced.await_healthy(MENDED_WITHIN_S)
    assert {name: graced.kernel(name) for name in kernels} == kernels
    graced.stop_and_prove()


def test_a_stop_works_while_a_member_cannot_be_imported(make: Make, copy: Path) -> None:
    graced = with_copy(make, copy)
    graced.start()
    break_module(copy, "self_healing")
    graced.kill("self_healing", "spawner")
    failure(graced, "self_healing")
    os.kill(graced.kernel("one").pid, signal.SIGKILL)  # nobody who heals kernels is there
    assert len(graced.witness.look()) >= len(ROLES) - 1
    graced.stop_and_prove()
