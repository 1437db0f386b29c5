"""Which files are source."""

import os
from pathlib import Path

from graced.mending.walk import is_python, sources


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")


def found(root: Path, exclude: tuple[str, ...] = (), barred: tuple[str, ...] = ()) -> set[str]:
    return {os.path.relpath(path, root) for path in sources((str(root),), exclude, barred)}


def test_python_files_and_no_others(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "b.pyw", "c.txt", "d/e.py", "d/__pycache__/e.py", ".git/x.py", "f.pyc")
    (tmp_path / "folder.py").mkdir()
    assert found(tmp_path) == {"a.py", "b.pyw", "d/e.py"}


def test_gitignore_files_are_honoured_as_git_does(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "build/b.py", "sub/c.py", "sub/d.py", "sub/deep/e.py", "deep/f.py")
    (tmp_path / ".gitignore").write_text("build/\n*.log\nd.py\n/deep\n")
    (tmp_path / "sub" / ".gitignore").write_text("!d.py\nc.py\n")
    assert found(tmp_path) == {"a.py", "sub/d.py", "sub/deep/e.py"}


def test_those_above_count_up_to_the_repository(tmp_path: Path) -> None:
    tree(tmp_path, "repo/src/app/a.py", "repo/src/app/gen_a.py", "repo/src/app/b.py", "repo/src/app/sub/c.py")
    repo, app = tmp_path / "repo", tmp_path / "repo" / "src" / "app"
    (tmp_path / ".gitignore").write_text("a.py\n")
    (repo / ".gitignore").write_text("gen_*.py\n/src/app/sub\nb.py\n")
    (repo / "src" / ".gitignore").write_text("!b.py\n")
    assert found(app) == {"gen_a.py", "b.py", "a.py", "sub/c.py"}  # no repository: only what is in the tree itself
    (repo / ".git").mkdir()
    assert found(app) == {"a.py", "b.py"}
    assert found(repo) == {"src/app/a.py", "src/app/b.py"}
    assert found(app / "sub") == {"c.py"}  # named, though ignored


def test_what_is_no_regular_file_is_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a.py")
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "link.py").symlink_to("/dev/null")
    assert found(tmp_path) == {"a.py"}


def test_exclude_cannot_be_overruled(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "gen/b.py")
    (tmp_path / ".gitignore").write_text("!gen/\n!*.py\n")
    assert found(tmp_path, ("gen/",)) == {"a.py"}


def test_a_gitignore_that_is_none_hides_nothing(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "b.py")
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe[z-a\nb.py\n!\n")
    assert "a.py" in found(tmp_path)


def test_links(tmp_path: Path) -> None:
    tree(tmp_path, "t/a.py", "out/b.py")
    (tmp_path / "t" / "loop").symlink_to(tmp_path / "t")
    (tmp_path / "t" / "again.py").symlink_to(tmp_path / "t" / "a.py")
    (tmp_path / "t" / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "t" / "outside.py").symlink_to(tmp_path / "out" / "b.py")
    assert found(tmp_path / "t") == {"a.py", "outside.py"}


def test_a_barred_folder_and_a_missing_root(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", ".graced/kept/b.py")
    assert found(tmp_path, barred=(str(tmp_path / ".graced"),)) == {"a.py"}
    assert list(sources((str(tmp_path / "nowhere"),))) == []


def test_a_file_as_root_is_source_whatever_its_name(tmp_path: Path) -> None:
    tree(tmp_path, "script")
    assert list(sources((str(tmp_path / "script"),))) == [str(tmp_path / "script")]


def test_a_named_file_is_python_by_its_name_or_its_first_line(tmp_path: Path) -> None:
    for name, text, good in (
        ("a.py", "", True), ("a.pyi", "", True), ("a.pyw", "", True), ("tool", "#!/usr/bin/env python3\n", True),
        ("old", "#! /usr/bin/python2.7 -u\n", True), ("README.md", "# python\n", False),
        ("run.sh", "#!/bin/sh\n# python\n", False), ("empty", "", False),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        assert is_python(str(tmp_path / name)) is good, name
    os.mkfifo(tmp_path / "fifo")
    assert not is_python(str(tmp_path / "fifo"))
    assert not is_python(str(tmp_path / "nowhere"))
