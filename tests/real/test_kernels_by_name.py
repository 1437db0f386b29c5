"""Kernels as a person asks for them: by name, glob, group and replica; and what was asked for outlives every member."""

import os
import signal
import time
from typing import Any, Final

import pytest
from support import kernels as scripts
from support import procs
from support.deadlines import holds_for, until
from support.fixtures import Make
from support.home import Graced
from support.witness import ROLES

STAY_S: Final = 0.5
STOP_TIMEOUT_S: Final = 10.0
"""The default of `stop.timeout`."""

DEATHS: Final = [("self_healing",), ("spawner",), ("spawner", "self_healing"), ROLES[1:]]


@pytest.fixture
def several(make: Make) -> Graced:
    """web.0 to web.2 (group front), api (front), db, and one that is not started by itself."""
    graced = make()
    graced.write(
        {
            "kernels": {
                "db": graced.counter("db"),
                "api": graced.counter("api", depends_on=["db"], groups=["front"]),
                "web": graced.counter("web", replicas=3, groups=["front"]),
                "tool": graced.counter("tool", autostart=False),
            }
        }
    )
    graced.start()
    return graced


def states(graced: Graced) -> dict[str, str]:
    return {name: row["state"] for name, row in graced.status()["kernels"].items()}


def rows(graced: Graced) -> dict[str, dict[str, Any]]:
    return dict(graced.status()["kernels"])


RUNNING: Final = {"db": "ready", "api": "ready", "web.0": "ready", "web.1": "ready", "web.2": "ready"}


def test_what_a_person_stopped_stays_stopped_whoever_dies(several: Graced) -> None:
    several.ok("stop", "api")
    assert states(several) == {**RUNNING, "api": "stopped", "tool": "stopped"}
    assert several.told()[0] == 0, "what a person stopped does not count against healthy"
    for roles in DEATHS:
        before = several.incarnations()
        several.kill(*roles)
        several.await_healthy(newer={role: before[role] for role in roles})
        assert states(several)["api"] == "stopped"
    holds_for(lambda: rows(several)["api"]["pid"] is None, STAY_S, several.story)
    several.ok("start", "api")
    assert states(several)["api"] == "ready"
    assert rows(several)["api"]["run"] == 2
    several.stop_and_prove()


def test_a_full_stop_forgets_who_was_stopped_by_name(several: Graced) -> None:
    several.ok("stop", "api")
    several.ok("stop")
    several.ok("start")
    assert states(several) == {**RUNNING, "tool": "stopped"}
    several.stop_and_prove()


def test_globs_groups_and_replicas_name_several(several: Graced) -> None:
    several.ok("stop", "web.*")
    assert {n for n, s in states(several).items() if s == "stopped"} == {"web.0", "web.1", "web.2", "tool"}
    several.ok("start", "web.1")
    several.ok("start", "web")
    assert states(several) == {**RUNNING, "tool": "stopped"}
    assert [rows(several)[f"web.{n}"]["run"] for n in range(3)] == [2, 2, 2]
    several.ok("stop", "@front")
    assert {n for n, s in states(several).items() if s == "ready"} == {"db"}
    several.ok("start", "@front")
    assert states(several) == {**RUNNING, "tool": "stopped"}
    several.stop_and_prove()


def test_replicas_know_their_number(several: Graced) -> None:
    for number in range(3):
        environ = procs.environ(several.pid(f"web.{number}"))
        assert environ["GRACED_REPLICA"] == str(number)
        assert environ["GRACED_KERNEL"] == f"web.{number}"
    several.stop_and_prove()


def test_a_restart_by_a_person_gives_a_new_run_and_does_not_count(several: Graced) -> None:
    before = rows(several)
    several.ok("restart", "api", "web.0")
    after = rows(several)
    for name in before:
        restarted = name in ("api", "web.0")
        assert (after[name]["pid"] != before[name]["pid"]) is restarted or name == "tool"
        assert after[name]["run"] == before[name]["run"] + restarted
        assert after[name]["restarts"] == 0
    several.ok("restart", "--rolling", "web")
    assert [rows(several)[f"web.{n}"]["run"] for n in range(3)] == [3, 2, 2]
    several.stop_and_prove()


def test_a_member_can_be_restarted_by_name(several: Graced) -> None:
    kernels = {name: row["pid"] for name, row in rows(several).items()}
    for role in ("parliament", "self_healing", "spawner"):
        before = several.incarnations()
        several.ok("restart", role)
        several.await_healthy(newer={role: before[role]})
        assert several.incarnations() == {**before, role: before[role] + 1}
    assert {name: row["pid"] for name, row in rows(several).items()} == kernels
    several.stop_and_prove()


def test_an_unknown_name_is_exit_4_and_changes_nothing(several: Graced) -> None:
    for command in ("start", "stop", "restart", "status", "logs"):
        for word in ("nobody", "@nobody", "x*"):
            done = several.run(command, word)
            assert done.code == 4, f"{command} {word}: {done}"
            assert len(done.err.strip().splitlines()) == 1
            assert word in done.err
        assert "api" in several.run(command, "apj").err, "the nearest name is told"
    assert states(several) == {**RUNNING, "tool": "stopped"}
    several.stop_and_prove()


def test_start_with_names_starts_those_and_what_they_need(make: Make) -> None:
    graced = make()
    graced.write(
        {
            "kernels": {
                "db": graced.counter("db"),
                "api": graced.counter("api", depends_on=["db"]),
                "tool": graced.counter("tool", autostart=False, depends_on=["api"]),
                "web": graced.counter("web"),
            }
        }
    )
    graced.start("api")
    assert states(graced) == {"db": "ready", "api": "ready", "tool": "stopped", "web": "stopped"}
    graced.ok("start", "tool")
    assert states(graced) == {"db": "ready", "api": "ready", "tool": "ready", "web": "stopped"}
    before = graced.incarnations()
    graced.kill("self_healing", "spawner")
    graced.await_healthy(newer={role: before[role] for role in ("self_healing", "spawner")})
    assert states(graced) == {"db": "ready", "api": "ready", "tool": "ready", "web": "stopped"}
    graced.stop_and_prove()


def test_kernels_start_after_what_they_depend_on_and_stop_before_it(make: Make) -> None:
    graced = make()
    done = ["sh", "-c", f"sleep 0.3; date +%s.%N > {graced.folder}/done"]
    born = f"date +%s.%N > {graced.folder}/$GRACED_KERNEL.born; "
    last = f"trap 'date +%s.%N > {graced.folder}/$GRACED_KERNEL.gone; exit 0' TERM; while :; do sleep 0.02; done"
    graced.write(
        {
            "kernels": {
                "top": {"command": ["sh", "-c", born + last], "depends_on": ["middle"]},
                "middle": {"command": ["sh", "-c", born + last], "depends_on": ["base", "once"]},
                "base": {"command": ["sh", "-c", born + last]},
                "once": {"command": done, "ready": {"when": "exited"}, "restart": "on-failure"},
            }
        }
    )
    graced.start()
    assert states(graced) == {"top": "ready", "middle": "ready", "base": "ready", "once": "exited"}
    assert stamp(graced, "done") < stamp(graced, "middle.born")
    order = [record["data"]["kernel"] for record in graced.audited("kernel.started")]
    assert order.index("base") < order.index("middle") < order.index("top"), order
    until(lambda: all(trapped(graced, name) for name in ("base", "middle", "top")), 3.0, "all of them trap TERM")
    graced.stop_and_prove()
    gone_at = {name: stamp(graced, f"{name}.gone") for name in ("base", "middle", "top")}
    assert gone_at["top"] < gone_at["middle"] < gone_at["base"]


def trapped(graced: Graced, name: str) -> bool:
    lines = procs.slurp(f"/proc/{graced.pid(name)}/status").decode().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught & 1 << (signal.SIGTERM - 1))


def stamp(graced: Graced, name: str) -> float:
    path = graced.folder / name
    until(lambda: path.exists() and path.read_text().endswith("\n"), 3.0, lambda: f"{name}: {graced.story()}")
    return float(path.read_text())


def test_logs_hold_what_kernels_and_members_said(make: Make) -> None:
    graced = make()
    graced.write({"kernels": {"talk": scripts.talker(), "mute": graced.counter("mute")}})
    graced.start()
    expected = list(scripts.TALK)
    until(lambda: said(graced.ok("logs", "talk").out, expected), 3.0, lambda: graced.ok("logs", "talk").out, 0.1)
    assert said(graced.ok("logs", "-n", "2", "talk").out, expected[-2:])
    assert "line 1" not in graced.ok("logs", "-n", "2", "talk").out
    assert (graced.home / "logs" / "talk.log").stat().st_mode & 0o777 == 0o600
    assert graced.run("logs", "watchdog").code == 0
    follow(graced)
    graced.stop_and_prove()
    assert said(graced.ok("logs", "talk").out, expected), "the logs stay when graced is stopped"


def said(text: str, lines: list[str]) -> bool:
    """Whether the text ends in these lines; a prefix, as of a time, is no matter."""
    found = text.splitlines()[-len(lines) :]
    return len(found) == len(lines) and all(line.endswith(end) for line, end in zip(found, lines, strict=True))


def follow(graced: Graced) -> None:
    """`logs -f` goes on over a restart of the kernel and ends with the reader."""
    reader = graced.spawn("logs", "-f", "-n", "1", "talk")
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline().strip().endswith(scripts.TALK[-1])
        graced.ok("restart", "talk")
        assert said("".join(reader.stdout.readline() for _ in scripts.TALK), list(scripts.TALK))
    finally:
        reader.terminate()
        reader.communicate(timeout=30)


def test_an_adopted_kernel_is_stopped_as_quickly_as_another(several: Graced) -> None:
    before = several.incarnations()
    several.kill("spawner")
    several.await_healthy(newer={"spawner": before["spawner"]})
    for command, name in (("restart", "api"), ("stop", "db")):
        began = time.monotonic()
        several.ok(command, name)
        assert time.monotonic() - began < STOP_TIMEOUT_S, f"{command} waited for the time-out of a kernel that is dead"
    several.stop_and_prove()


def test_a_kernel_that_is_stopped_by_a_signal_ends_politely_all_the_same(graced: Graced) -> None:
    os.kill(graced.pid("one"), signal.SIGSTOP)
    graced.ok("stop", "one")
    assert graced.status()["kernels"]["one"]["exit"] == {"signal": signal.SIGTERM}
