"""A file's own past: what graced kept of it, and what git tells without being trusted or hurt."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graced.mending import kept_texts
from graced.mending.git import earlier_texts, is_unmerged
from graced.mending.interpreter import Checker
from graced.mending.past import past_of
from graced.mending.put import digest
from graced.mending.repository import Repository, repository_of
from graced.mending.scan import scan
from graced.spec.config import Watch
from graced.store.scanned import Scanned

Git = Callable[..., str]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def git(folder: Path, *words: str, check: bool = True) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    person = ["-c", "user.name=somebody", "-c", "user.email=some@body"]
    done = subprocess.run(["git", *person, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def commit(folder: Path, name: str, text: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text)
    git(folder, "add", name)
    git(folder, "commit", "-qm", "more")


def found(path: Path) -> Repository:
    repository = repository_of(str(path))
    assert repository is not None
    return repository


def test_git_tells_index_head_and_commits_newest_first(repo: Path) -> None:
    for text in (b"one = 1\n", b"two = 2\n", b"three = 3\n"):
        commit(repo, "sub/a b.py", text)
    (repo / "sub/a b.py").write_bytes(b"staged = 4\n")
    git(repo, "add", ".")
    (repo / "sub/a b.py").write_bytes(b"broken(\n")
    path = repo / "sub/a b.py"
    assert earlier_texts(found(path), str(path)) == [b"staged = 4\n", b"three = 3\n", b"two = 2\n", b"one = 1\n"]


def test_git_writes_nothing_and_runs_nothing(repo: Path, tmp_path: Path) -> None:
    commit(repo, "a.py", b"one = 1\n")
    ran = tmp_path / "ran"
    script = tmp_path / "program"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "gpg.program", "diff.external", "filter.x.smudge",
                "diff.x.textconv"):  # fmt: skip
        git(repo, "config", key, str(script))
    git(repo, "config", "log.showSignature", "true")
    (repo / ".gitattributes").write_text("*.py filter=x diff=x\n")
    for hook in ("post-index-change", "reference-transaction", "post-checkout"):
        (repo / ".git/hooks" / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (repo / ".git/hooks" / hook).chmod(0o755)
    os.utime(repo / "a.py", (1, 1))  # the index is stale: whoever refreshes it, writes it
    ran.unlink(missing_ok=True)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (repo / ".git").rglob("*")}
    path = repo / "a.py"
    assert earlier_texts(found(path), str(path)) == [b"one = 1\n"]
    assert not is_unmerged(found(path), str(path))
    assert not ran.exists()
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (repo / ".git").rglob("*")}


def test_a_hook_s_environment_leads_git_nowhere_else(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repo, "a.py", b"one = 1\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nothing"))
    assert earlier_texts(found(repo / "a.py"), str(repo / "a.py")) == [b"one = 1\n"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("what", ["", ".git"])
def test_a_repository_of_another_user_is_not_asked(repo: Path, what: str) -> None:
    commit(repo, "a.py", b"one = 1\n")
    os.chown(repo / what, 12345, 12345)
    assert not found(repo / "a.py").trusted()
    assert past_of(str(repo / "a.py"), b"broken(\n", Checker()) == ()


def test_without_git_without_a_commit_and_outside_there_is_no_past(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "new.py").write_bytes(b"broken(\n")
    assert earlier_texts(found(repo / "new.py"), str(repo / "new.py")) == []
    assert repository_of(str(tmp_path / "a.py")) is None
    commit(repo, "a.py", b"one = 1\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert earlier_texts(found(repo / "a.py"), str(repo / "a.py")) == []


def test_a_git_that_hangs_is_given_up(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repo, "a.py", b"one = 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin:/usr/bin")
    began = time.monotonic()
    assert earlier_texts(found(repo / "a.py"), str(repo / "a.py"), timeout_s=0.3) == []
    assert time.monotonic() - began < 30


def test_a_linked_work_tree_is_a_repository_too(repo: Path, tmp_path: Path) -> None:
    commit(repo, "a.py", b"one = 1\n")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    path = tmp_path / "linked/a.py"
    assert found(path).marks == str((repo / ".git/worktrees/linked").resolve())
    assert earlier_texts(found(path), str(path)) == [b"one = 1\n"]


def test_the_past_is_what_compiled_in_the_file_s_own_newlines(repo: Path) -> None:
    commit(repo, "a.py", b"def f():\n    return 1\n")
    commit(repo, "a.py", b"def f(:\n")  # a commit that does not compile helps nobody
    assert past_of(str(repo / "a.py"), b"def f(\r\n    return 1\r\n", Checker()) == ("def f():\r\n    return 1\r\n",)
    assert past_of(str(repo / "a.py"), b"def f(\n", Checker()) == ("def f():\n    return 1\n",)


def test_a_text_that_a_person_took_back_is_none_of_the_past(tmp_path: Path) -> None:
    folder, texts = str(tmp_path / "past"), [b"one = 1\n", b"two = 2\n"]
    hashes = tuple(digest(text) for text in texts)
    assert all(kept_texts.keep(folder, digest(text), text) for text in texts)
    path = str(tmp_path / "a.py")
    assert past_of(path, b"x(\n", Checker(), folder, hashes) == ("one = 1\n", "two = 2\n")
    assert past_of(path, b"x(\n", Checker(), folder, hashes, hashes[:1]) == ("two = 2\n",)


# --- what is kept


def test_a_scan_keeps_the_text_of_what_compiles(tmp_path: Path) -> None:
    tree, folder = tmp_path / "tree", tmp_path / "past"
    tree.mkdir()
    (tree / "a.py").write_bytes(b"one = 1\n")
    known = scanned(tree, folder, {})
    (tree / "a.py").write_bytes(b"one = (1\n")
    known = scanned(tree, folder, known)
    row = known[str(tree / "a.py")]
    assert (row.ok, row.good) == (False, digest(b"one = 1\n"))
    assert kept_texts.kept(str(folder), row.good) == b"one = 1\n"
    assert past_of(row.path, b"one = (1\n", Checker(), str(folder), tuple(row.good.split())) == ("one = 1\n",)


def test_of_each_file_a_few_versions_are_kept_and_of_none_that_is_gone(tmp_path: Path) -> None:
    tree, folder = tmp_path / "tree", tmp_path / "past"
    tree.mkdir()
    known: dict[str, Scanned] = {}
    for number in range(6):
        (tree / "a.py").write_bytes(b"x = %d\n" % number)
        known = scanned(tree, folder, known)
    assert sorted(os.listdir(folder)) == sorted(digest(b"x = %d\n" % number) for number in (3, 4, 5))
    (tree / "a.py").unlink()
    scanned(tree, folder, known)
    assert os.listdir(folder) == []


def test_what_is_kept_has_a_limit_and_the_oldest_go(tmp_path: Path) -> None:
    folder = str(tmp_path / "past")
    hashes = []
    for number in range(5):
        text = os.urandom(1000) + bytes([number])
        hashes.append(digest(text))
        kept_texts.keep(folder, hashes[-1], text)
        os.utime(os.path.join(folder, hashes[-1]), (number, number))
    kept_texts.sweep(folder, set(hashes), most_bytes=2500)
    assert set(os.listdir(folder)) == set(hashes[3:])


def test_a_kept_text_that_is_damaged_or_a_bomb_is_none(tmp_path: Path) -> None:
    import zlib

    good = digest(b"x = 1\n")
    for data in (b"", b"nonsense", zlib.compress(b"y = 2\n"), zlib.compress(bytes(500_000_000 // 50))):
        (tmp_path / good).write_bytes(data)
        assert kept_texts.kept(str(tmp_path), good) is None


def test_a_full_disk_stops_no_scan(tmp_path: Path) -> None:
    (tmp_path / "past").write_bytes(b"a file where the folder should be")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.py").write_bytes(b"one = 1\n")
    row = scanned(tmp_path / "tree", tmp_path / "past", {})[str(tmp_path / "tree/a.py")]
    assert (row.ok, row.good) == (True, "")


def scanned(tree: Path, folder: Path, known: dict[str, Scanned]) -> dict[str, Scanned]:
    findings = scan((Watch(str(tree)),), (), known, texts=str(folder))
    rows = {**known, **{row.path: row for row in findings.changed}}
    return {path: row for path, row in rows.items() if path not in findings.gone}
