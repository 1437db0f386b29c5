"""When a broken file must wait: another tool is at work on it, an editor has it open, somebody typed just now."""

import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from graced.mending.hold import hold, looked_at
from graced.mending.patience import Patience, Seen
from graced.mending.quiet import editor_of
from graced.mending.underway import GIT, OTHERS, underway

ENV = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def git(folder: Path, *words: str, check: bool = True) -> None:
    person = ["-c", "user.name=somebody", "-c", "user.email=some@body", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *person, *words], cwd=folder, env=ENV, capture_output=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Two branches that changed one line of a.py each in its own way; `main` is checked out."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for branch, text in (("main", "x = 1\n"), ("other", "x = 2\n")):
        git(folder, "checkout", "-q", "-B", branch, *(["main"] if branch == "other" else []), check=False)
        (folder / "a.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", branch)
    git(folder, "checkout", "-q", "main")
    (folder / "a.py").write_text("x = 3\n")
    git(folder, "commit", "-qam", "third")
    return folder


@pytest.mark.parametrize("words", [("merge", "other"), ("rebase", "other"), ("cherry-pick", "other")])
def test_a_conflict_of_git_is_seen_until_it_is_over(repo: Path, words: tuple[str, ...]) -> None:
    path = str(repo / "a.py")
    assert underway(path) is None
    git(repo, *words, check=False)
    assert b"<<<<<<<" in Path(path).read_bytes()
    assert words[0] in str(underway(path))
    assert words[0] in str(underway(str(repo / "sub" / "another.py")))  # the whole tree is its user's
    git(repo, words[0], "--abort")
    assert underway(path) is None


def test_a_stash_that_does_not_fit_is_seen_by_the_index(repo: Path) -> None:
    (repo / "a.py").write_text("x = 4\n")
    git(repo, "stash")
    (repo / "a.py").write_text("x = 5\n")
    git(repo, "commit", "-qam", "fifth")
    git(repo, "stash", "pop", check=False)
    assert "unmerged" in str(underway(str(repo / "a.py")))
    (repo / "b.py").write_text("y(\n")
    assert underway(str(repo / "b.py")) is None
    git(repo, "checkout", "--theirs", "a.py")
    git(repo, "add", "a.py")
    assert underway(str(repo / "a.py")) is None


def test_a_merge_in_a_linked_work_tree_is_of_that_tree_alone(repo: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", str(linked), "-b", "third")
    git(linked, "merge", "other", check=False)
    assert "merge" in str(underway(str(linked / "a.py")))
    assert underway(str(repo / "a.py")) is None


def test_each_mark_of_a_tool_is_seen(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = str(tmp_path / "sub" / "a.py")
    for store, name, words in [(".git", name, words) for name, words in GIT] + list(OTHERS):
        mark = tmp_path / store / name
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("")
        assert underway(path) == words, mark
        mark.unlink()
        assert underway(path) is None, mark


def test_neither_a_crash_nor_an_old_file_ends_a_merge(repo: Path) -> None:
    git(repo, "merge", "other", check=False)
    held = hold(str(repo / "a.py"), 0.0, crashed=True, again_s=7.0)
    assert held is not None
    assert (held.by_tool, held.wait_s) == (True, 7.0)


# --- editors


def swap(pid: int, host: str) -> bytes:
    """The beginning of vim's swap file, as nano writes it too."""
    return (
        b"b0VIM 9.0\0\0\0" + bytes(12) + struct.pack("<I", pid) + bytes(40) + host.encode().ljust(40, b"\0") + b"x.py"
    )


HERE = socket.gethostname()
DEAD = 4194999


@pytest.mark.parametrize(
    ("name", "data", "who"),
    [
        (".a.py.swp", swap(os.getpid(), HERE), "vim"),
        (".a.py.swo", swap(os.getpid(), HERE), "vim"),
        (".a.py.swp", swap(DEAD, HERE), ""),
        (".a.py.swp", swap(DEAD, "elsewhere"), "vim"),
        (".a.py.swp", b"", "vim"),
        (".b.py.swp", swap(os.getpid(), HERE), ""),
        (".a.py.kate-swp", b"", "kate"),
        (".~lock.a.py#", b"", "an editor"),
        ("a.py___jb_tmp___", b"", "a JetBrains editor"),
        ("a.py~", b"", ""),
        ("a.py.orig", b"", ""),
    ],
)
def test_what_an_editor_leaves_beside_a_file_names_it(tmp_path: Path, name: str, data: bytes, who: str) -> None:
    (tmp_path / "a.py").write_text("x(\n")
    (tmp_path / name).write_bytes(data)
    assert editor_of(str(tmp_path / "a.py")) == who


@pytest.mark.parametrize(
    ("pid", "host", "who"),
    [(os.getpid(), HERE, "emacs"), (DEAD, HERE, ""), (DEAD, "far", "emacs")],
    ids=["alive", "dead", "elsewhere"],
)
def test_the_lock_of_emacs_is_a_link_that_names_its_process(tmp_path: Path, pid: int, host: str, who: str) -> None:
    (tmp_path / "a.py").write_text("x(\n")
    (tmp_path / ".#a.py").symlink_to(f"me@{host}.{pid}:1700000000")
    assert editor_of(str(tmp_path / "a.py")) == who


def test_neovim_keeps_its_swap_files_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "nvim" / "swap"
    folder.mkdir(parents=True)
    path = str(tmp_path / "a.py")
    (folder / (path.replace("/", "%") + ".swp")).write_bytes(swap(os.getpid(), HERE))
    assert editor_of(path) == "neovim"


def test_what_a_crashed_editor_left_of_a_save_is_not_minded_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x(\n")
    (tmp_path / "a.py___jb_old___").write_text("x(\n")
    os.utime(tmp_path / "a.py___jb_old___", (time.time() - 3600,) * 2)
    assert editor_of(str(tmp_path / "a.py")) == ""


# --- quiet


def test_a_file_is_held_until_nobody_touched_it_for_so_long(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x(\n")
    held = hold(str(path), 3600.0)
    assert held is not None
    assert 3500 < held.wait_s <= 3600
    assert hold(str(path), 3600.0, crashed=True) is None
    assert hold(str(path), 0.0) is None
    os.utime(path, (1, 1))  # whoever sets its time has touched it as well
    assert hold(str(path), 3600.0) is not None
    assert looked_at([("t", str(path), False), ("u", str(path), True)], 3600.0, 1.0)[1] == Seen("u")


def test_a_renamed_file_counts_from_the_rename(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("x(\n")
    os.utime(tmp_path / "new", (1, 1))
    os.rename(tmp_path / "new", tmp_path / "a.py")
    assert hold(str(tmp_path / "a.py"), 3600.0) is not None


# --- what the queue remembers


def test_the_first_of_the_queue_that_may_be_done_is_done_first() -> None:
    patience, queue = Patience(), ["a", "b", "c"]
    assert (patience.ready(queue), patience.due(queue, 0.0)) == (None, queue)
    for seen in (Seen("c"), Seen("b"), Seen("a", 5.0, "typed just now")):
        patience.learn(seen, 10.0)
    assert patience.ready(queue) == "b"
    patience.forget("b")
    assert patience.ready(["a", "c"]) == "c"
    assert patience.due(["a", "c"], 14.0) == []
    assert patience.next_look(["a", "c"]) == 15.0
    assert patience.due(["a", "c"], 15.0) == ["a"]


def test_a_task_that_waits_for_a_tool_says_so_until_it_is_seen_again() -> None:
    patience = Patience()
    patience.learn(Seen("a", 5.0, "a git merge is under way", True), 0.0)
    patience.learn(Seen("b", 5.0, "typed just now"), 0.0)
    assert patience.held_by_tool("a") == "a git merge is under way"
    assert patience.held_by_tool("b") == ""
    patience.learn(Seen("a"), 5.0)
    assert patience.held_by_tool("a") == ""


def test_tasks_that_left_the_queue_are_forgotten() -> None:
    patience = Patience()
    patience.learn(Seen("a"), 0.0)
    patience.learn(Seen("b", 9.0), 0.0)
    patience.keep_only(["c"])
    assert patience.ready(["a"]) is None
    assert patience.due(["b"], 1.0) == ["b"]
