"""What a kernel is born with: folder, environment, mask, priority, signals, descriptors, output."""

import json
import os
import pwd
import signal
from pathlib import Path
from typing import Any

import pytest
from support import kernels as scripts
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.witness import ROLES

SIGPIPE_BIT = 1 << 12
SIGXFSZ_BIT = 1 << 24


def born(path: Path) -> dict[str, Any]:
    """What a `dump` kernel said of itself."""
    until(path.exists, 3.0, f"{path.name} is written")
    found: dict[str, Any] = json.loads(path.read_text())
    path.unlink()
    return found


def test_a_plain_kernel_gets_the_environment_of_start_and_nothing_of_graced(make: Make) -> None:
    graced = make()
    path = graced.folder / "plain"
    graced.write({"kernels": {"plain": scripts.dump(path), "sleep": {"command": "sleep 1000"}}})
    graced.start(environ={"COLOUR": "as start had it", "NOTIFY_SOCKET": "/nowhere", "GRACED_KERNEL": "of another home"})
    found = born(path)
    assert found["env"]["COLOUR"] == "as start had it"
    assert "NOTIFY_SOCKET" not in found["env"], "said to graced, not to its kernels"
    assert (found["env"]["GRACED_KERNEL"], found["env"]["GRACED_RUN"]) == ("plain", "1")
    assert found["env"]["GRACED_HOME_ID"] == (graced.home / "id").read_text().strip()
    assert found["cwd"] == str(graced.folder), "the folder of graced.yaml"
    assert found["out"].startswith("pipe:["), "which the log writer empties into logs/plain.log"
    assert found["sid"] == found["pid"], "a session of its own"
    # Of a program that changes none of it: signals are not ignored, nothing of graced is open.
    pid = graced.pid("sleep")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn", "SigBlk"))}
    assert masks["SigIgn"] & (SIGPIPE_BIT | SIGXFSZ_BIT) == 0, "Python's ignored signals are not passed on"
    assert masks["SigBlk"] == 0
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    graced.stop_and_prove()


def test_a_kernel_gets_what_its_keys_say(make: Make) -> None:
    graced = make()
    path, env_file = graced.folder / "keyed", graced.folder / "settings.env"
    (graced.folder / "there").mkdir()
    env_file.write_text('# a comment\nFROM_FILE=yes\nBOTH=file\nQUOTED="two words"\n')
    keys: dict[str, Any] = {"cwd": "there", "env": {"BOTH": "env", "NUMBER": 8080}, "env_file": "settings.env"}
    graced.write({"kernels": {"keyed": scripts.dump(path, umask="027", nice=5, **keys)}})
    graced.start(environ={"BOTH": "start"})
    found = born(path)
    assert found["cwd"] == str(graced.folder / "there")
    env = found["env"]
    assert (env["FROM_FILE"], env["BOTH"], env["NUMBER"], env["QUOTED"]) == ("yes", "env", "8080", "two words")
    assert found["umask"] == 0o027
    assert found["nice"] == 5
    graced.stop_and_prove()


def test_the_environment_is_the_same_from_a_spawner_that_a_survivor_started(make: Make) -> None:
    graced = make()
    path = graced.folder / "dump"
    graced.write({"kernels": {"dump": scripts.dump(path)}})
    graced.start(environ={"COLOUR": "green"})
    first = born(path)
    before = graced.incarnations()
    graced.kill("spawner")
    graced.await_healthy(newer={"spawner": before["spawner"]})
    graced.ok("restart", "dump")
    second = born(path)
    same = ("cwd", "umask", "nice", "out")
    assert {key: first[key] for key in same} == {key: second[key] for key in same}
    changed = {key for key in {**first["env"], **second["env"]} if first["env"].get(key) != second["env"].get(key)}
    assert changed == {"GRACED_RUN"}, "no word of the survivor's own"
    mode = (graced.home / "environ").stat().st_mode & 0o777
    assert mode == 0o600
    graced.stop_and_prove()


def test_a_survivor_in_another_environment_gives_kernels_that_of_start(make: Make) -> None:
    """All dead, then a start from another shell: the kernel adopted keeps its own, the next run has the new one."""
    graced = make()
    path = graced.folder / "dump"
    graced.write({"kernels": {"dump": scripts.dump(path)}})
    graced.start(environ={"COLOUR": "green"})
    born(path)
    graced.kill(*ROLES)
    graced.ok("start", environ={"COLOUR": "blue"})
    graced.ok("restart", "dump")
    assert born(path)["env"]["COLOUR"] == "blue"
    graced.stop_and_prove()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user")
def test_a_kernel_of_another_user_is_kept_adopted_and_ended_as_any_other(make: Make) -> None:
    graced = make()
    other = {"command": "sleep 1000", "user": "nobody", "cwd": "/"}
    graced.write({"kernels": {"other": other, "own": {"command": "sleep 1000"}}})
    graced.start()
    kernel = graced.kernel("other")
    uids = Path(f"/proc/{kernel.pid}/status").read_text().split("Uid:")[1].split()[:4]
    assert set(uids) == {str(pwd.getpwnam("nobody").pw_uid)}
    before = graced.incarnations()
    graced.kill("spawner", "self_healing")
    graced.await_healthy(newer={role: before[role] for role in ("spawner", "self_healing")})
    assert graced.kernel("other") == kernel
    os.kill(kernel.pid, signal.SIGKILL)
    graced.await_kernel("other", lambda row: row["state"] == "ready" and row["run"] == 2)
    graced.stop_and_prove()


def test_a_command_that_cannot_be_run_says_so(make: Make) -> None:
    graced = make()
    keys = {"restarts": {"max_restarts": 2, "window": "60s", "backoff": {"initial": 0}}}
    graced.write(
        {
            "kernels": {
                "missing": {"command": ["/no/such/program"], **keys},
                "folderless": {"command": ["true"], "cwd": "nowhere", **keys},
                "good": graced.counter("good"),
            }
        }
    )
    graced.witness.start()
    done = graced.run("start")
    assert done.code == 1
    # A folder may come back (a deploy replaces it): it is waited for, and no crash.
    for name, state, words in (("missing", "failed", "/no/such/program"), ("folderless", "backoff", "nowhere")):
        row = graced.await_kernel(name, lambda now, state=state: now["state"] == state, 5.0)
        assert words in row["reason"], row
        assert row["pid"] is None
    graced.growing("good")
    graced.stop_and_prove()


def test_members_hold_no_descriptor_of_each_other(graced: Graced) -> None:
    """A fork closes what it was not given: a kept socket of the spawner would hide the spawner's death."""
    for role in ROLES:
        pid = graced.member(role).pid
        locks = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        held = {Path(path).name for path in locks if path.endswith(".lock") and "/run/" in path}
        assert held == {f"{role}.lock"}
