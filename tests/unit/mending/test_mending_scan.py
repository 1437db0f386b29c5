"""The scan: what is broken, what changed, and what an unchanged file costs."""

import os
import sys
from pathlib import Path

from graced.mending.interpreter import python_of
from graced.mending.scan import Findings, scan
from graced.spec.config import Watch
from graced.store.scanned import Scanned


def learned(findings: Findings, known: dict[str, Scanned] | None = None) -> dict[str, Scanned]:
    return {**(known or {}), **{each.path: each for each in findings.changed}}


def test_broken_files_are_found_mended_ones_told_and_vanished_ones_forgotten(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("x = 1\n")
    bad.write_text("def f(:\n")
    watch = (Watch(str(tmp_path)),)
    first = scan(watch, (), {})
    assert first.files == 2
    assert [(b.path, b.error) for b in first.broken] == [(str(bad), "SyntaxError: invalid syntax (line 1)")]

    known = learned(first)
    second = scan(watch, (), known)
    assert not second.changed
    assert [(b.path, b.error) for b in second.broken] == [(str(bad), "")]  # not read again

    bad.write_text("def f(): pass\n")
    good.unlink()
    third = scan(watch, (), known)
    assert third.mended == [str(bad)]
    assert third.gone == [str(good)]
    assert not third.broken


def test_a_touched_file_is_not_compiled_again(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    watch = (Watch(str(tmp_path)),)
    known = learned(scan(watch, (), {}))
    os.utime(path, (1, 1))
    again = scan(watch, (), known)
    assert [each.ok for each in again.changed] == [True]
    assert not again.mended


def test_huge_files_and_undecodable_names_are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_bytes(b"x" * (1024 * 1024 + 1))
    name = os.fsencode(tmp_path) + b"/\xff\xfe.py"
    with open(name, "wb") as file:
        file.write(b"def f(:\n")
    os.mkfifo(tmp_path / "pipe.py")
    found = scan((Watch(str(tmp_path)),), (), {})
    assert [os.fsencode(b.path) for b in found.broken] == [name]


def test_an_interpreter_that_is_none_is_trouble_and_forgets_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    known = learned(scan((Watch(str(tmp_path)),), (), {}))
    (tmp_path / "a.py").write_text("x = 22\n")
    found = scan((Watch(str(tmp_path), "/no/such/python"),), (), known)
    assert "/no/such/python" in found.trouble[0]
    assert not found.gone


def test_the_python_that_runs_a_kernel_decides_over_its_sources(tmp_path: Path, older: str) -> None:
    ours, its = tmp_path / "ours.py", tmp_path / "app" / "its.py"
    its.parent.mkdir()
    for path in (ours, its):
        path.write_text("match x:\n    case 1: pass\n")
    watch, app = (Watch(str(tmp_path)),), str(its.parent)
    found = scan(watch, (), {}, (), (Watch(app, older),))
    assert [b.path for b in found.broken] == [str(its)]
    known = learned(found)
    assert not scan(watch, (), known, (), (Watch(app, older),)).changed
    assert scan(watch, (), known, (), (Watch(app, sys.executable),)).mended == [str(its)]  # it runs on a newer one now


def test_the_interpreter_is_that_of_the_innermost_watched_path() -> None:
    watch = (Watch("/a", "python3.9"), Watch("/a/b", sys.executable), Watch("/c"))
    assert python_of("/a/x.py", watch) == "python3.9"
    assert python_of("/a/b/x.py", watch) == sys.executable
    assert python_of("/c/x.py", watch) is None
    assert python_of("/ab/x.py", watch) is None
