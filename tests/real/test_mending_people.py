"""What a person and the coding agent have to do with one another: typing, merges, suggestions, a taken-back fix."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from support.deadlines import until
from support.fixtures import Make
from support.home import Graced

MEND_S = 30.0
BROKEN = b"def f(a:\n    return a\n"
FIXED = b"def f(a):\n    return a\n"


def tasks(one: Graced) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(one.ok("tasks", "--json").out)["tasks"]
    return found


def await_task(one: Graced, name: str, *states: str) -> dict[str, Any]:
    """The task of the file so named, once it is in one of these states."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [t for t in tasks(one) if Path(t["path"]).name == name and t["state"] in states]
        return bool(found)

    until(there, MEND_S, lambda: f"{name} {states}: {tasks(one)}\n{one.story()}", 0.05)
    return found[0]


def tree(one: Graced, **agent: Any) -> Path:
    folder = one.folder / "src"
    folder.mkdir()
    one.write({"coding_agent": {"watch": [str(folder)], **agent}})
    return folder


def git(folder: Path, *words: str, check: bool = True) -> None:
    person = ["-c", "user.name=somebody", "-c", "user.email=some@body"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *person, *words], cwd=folder, env=env, capture_output=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr


def test_a_broken_file_is_a_task_at_once_and_mended_when_it_was_left_alone(make: Make) -> None:
    one = make()
    folder = tree(one, settle="3s")
    one.start()
    path = folder / "a.py"
    saved = 0.0
    for number in range(8):  # somebody types: each save is well within `settle` of the last
        path.write_bytes(b"# %d\n" % number + BROKEN)
        saved = time.monotonic()
        time.sleep(0.5)
        if number == 4:
            assert await_task(one, "a.py", "queued")
            assert one.status()["code"]["broken"] == 1
        assert path.read_bytes() == b"# %d\n" % number + BROKEN
    until(lambda: path.read_bytes() == b"# 7\n" + FIXED, MEND_S, lambda: one.story(), 0.02)
    assert time.monotonic() - saved >= 3.0
    one.stop_and_prove()


def test_an_editor_s_swap_file_keeps_the_agent_away(make: Make) -> None:
    one = make()
    folder = tree(one)
    (folder / ".a.py.swp").write_bytes(b"")
    (folder / "a.py").write_bytes(BROKEN)
    (folder / "b.py").write_bytes(BROKEN)
    one.start()
    await_task(one, "b.py", "done")
    task = await_task(one, "a.py", "queued")
    shown = one.ok("tasks", task["id"]).out
    assert "vim has it open" in shown
    assert (folder / "a.py").read_bytes() == BROKEN
    (folder / ".a.py.swp").unlink()
    await_task(one, "a.py", "done")
    one.stop_and_prove()


def test_a_merge_is_not_the_agent_s_to_decide(make: Make) -> None:
    """It is reported as broken for as long as it lasts, also when a kernel crashes over it, and no byte is touched."""
    one = make()
    folder = one.folder / "src"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for branch, text in (("main", "x = 1\n"), ("other", "x = 2\n"), ("main", "x = 3\n")):
        git(folder, "checkout", "-q", branch if branch == "main" and text != "x = 1\n" else "-B" + branch, check=False)
        (folder / "a.py").write_text(text + "print(x, flush=True)\nimport time\ntime.sleep(1000)\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", text)
    kernel = {"command": ["python3", str(folder / "a.py")], "sources": [str(folder)]}
    one.write({"coding_agent": {"watch": [str(folder)]}, "kernels": {"app": kernel}})
    one.start()
    git(folder, "merge", "other", check=False)
    conflict = (folder / "a.py").read_bytes()
    assert b"<<<<<<<" in conflict
    os.kill(one.pid("app"), 9)
    task = await_task(one, "a.py", "queued")
    until(lambda: "git merge is under way" in one.run("incidents", "--json").out, MEND_S, lambda: one.story(), 0.2)
    assert (folder / "a.py").read_bytes() == conflict
    assert one.status()["code"]["broken"] == 1
    assert "1 syntax error" in one.run("status").out
    assert "git merge is under way" in one.ok("tasks", task["id"]).out
    git(folder, "checkout", "--theirs", "a.py")
    git(folder, "commit", "-qam", "merged")
    one.await_kernel("app", lambda row: row["state"] == "ready", MEND_S)
    assert one.status()["code"]["broken"] == 0
    assert b"x = 2" in (folder / "a.py").read_bytes()
    assert not one.audited("fix.applied")
    one.stop_and_prove()


def test_a_suggestion_is_shown_and_accepted_once(make: Make) -> None:
    one = make()
    folder = tree(one, apply="suggest")
    (folder / "a.py").write_bytes(BROKEN)
    one.start()
    id = await_task(one, "a.py", "suggested")["id"]
    shown = one.ok("tasks", id).out
    assert "-def f(a:\n+def f(a):" in shown
    assert f"graced tasks accept {id}" in shown
    assert "+def f(a):" in json.loads(one.ok("tasks", id, "--json").out)["tasks"][0]["diff"]
    one.ok("tasks", "accept", id)
    assert (folder / "a.py").read_bytes() == FIXED
    await_task(one, "a.py", "done")
    one.ok("tasks", "accept", id)
    assert len(one.audited("fix.applied", task=id)) == 1
    one.ok("tasks", "undo", id)
    assert (folder / "a.py").read_bytes() == BROKEN
    assert await_task(one, "a.py", "undone")
    until(lambda: one.status()["code"]["broken"] == 1, MEND_S, lambda: str(one.status()["code"]))
    one.stop_and_prove()


def test_what_cannot_be_accepted_says_why(make: Make) -> None:
    one = make()
    folder = tree(one, apply="suggest")
    for name in ("a.py", "b.py"):
        (folder / name).write_bytes(BROKEN)
    one.start()
    ids = {name: await_task(one, name, "suggested")["id"] for name in ("a.py", "b.py")}
    assert one.run("tasks", "accept", "nothing").code == 4
    assert one.run("tasks", "decline", "nothing").code == 4
    one.ok("tasks", "decline", ids["b.py"])
    refused = one.run("tasks", "accept", ids["b.py"])
    assert (refused.code, "suggests nothing" in refused.err) == (1, True)
    until(lambda: "declined" in await_task(one, "b.py", "undone")["error"], MEND_S, lambda: str(tasks(one)))
    with open(folder / "a.py", "ab") as file:  # while somebody has it open to write
        changed = one.run("tasks", "accept", ids["a.py"])
        assert (changed.code, "has changed since" in changed.err) == (1, True), changed
        file.write(b"# mine\n")
    changed = one.run("tasks", "accept", ids["a.py"])
    assert changed.code == 1, changed
    assert (folder / "a.py").read_bytes() == BROKEN + b"# mine\n"
    one.stop_and_prove()


def test_what_compiled_before_is_mended_by_what_stood_there(make: Make) -> None:
    """The engine is given the text that the file had when it last compiled."""
    one = make()
    folder = tree(one)
    whole = b"LIMITS = [\n    (1, 2),\n    (3, 4),\n]\n\n\ndef total():\n    return sum(a for a, _ in LIMITS)\n"
    (folder / "a.py").write_bytes(whole)
    one.start()
    until(lambda: len(list((one.home / "past").iterdir())) == 1, MEND_S, lambda: one.story())
    (folder / "a.py").write_bytes(whole.replace(b"    (3, 4),\n]\n", b"    (3, 4),\n"))
    await_task(one, "a.py", "done", "suggested")
    assert [path.name for path in (one.home / "past").iterdir()]
    one.stop_and_prove()


def test_default_excludes_keep_a_watched_project_safe(make: Make) -> None:
    """`watch: [.]` of a whole project: what was installed, built, or made for tests is not even looked at."""
    one = make()
    folder = tree(one)
    names = (".venv/lib/x.py", "node_modules/x/y.py", "build/x.py", "tests/data/x.py", "tests/fixtures/bad/x.py")
    for name in names:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(BROKEN)
    (folder / "off.py").write_bytes(b"# graced: off\n" + BROKEN)
    (folder / "a.py").write_bytes(BROKEN)
    one.start()
    await_task(one, "a.py", "done")
    assert "graced: off" in await_task(one, "off.py", "failed")["error"]
    assert {Path(task["path"]).name for task in tasks(one)} == {"a.py", "off.py"}
    assert all((folder / name).read_bytes() == BROKEN for name in names)
    one.stop_and_prove()
