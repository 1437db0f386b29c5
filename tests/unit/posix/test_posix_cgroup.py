"""Leaves below a delegated cgroup; where none is delegated there are none. On folders that stand for cgroups."""

import os
from pathlib import Path

import pytest

from graced.posix import cgroup


def test_a_newborn_is_put_into_the_leaf_of_its_kernel(tmp_path: Path) -> None:
    leaves = cgroup.Leaves(str(tmp_path))
    assert leaves.of("cgroup.procs") is None
    for pid in (41, 42):
        leaves.put("cgroup.procs", pid)
    leaf = tmp_path / "kernel-cgroup.procs"
    assert leaves.of("cgroup.procs") == str(leaf)
    assert (leaf / "cgroup.procs").read_text() == "42"


def test_a_leaf_is_populated_as_its_events_say(tmp_path: Path) -> None:
    leaves = cgroup.Leaves(str(tmp_path))
    assert not leaves.is_populated("web")
    leaves.put("web", 41)
    for text, populated in (("populated 1\nfrozen 0\n", True), ("populated 0\nfrozen 0\n", False)):
        (tmp_path / "kernel-web" / "cgroup.events").write_text(text)
        assert leaves.is_populated("web") is populated


def test_without_a_delegated_cgroup_nothing_is_made() -> None:
    leaves = cgroup.Leaves(None)
    leaves.put("web", 41)
    assert (leaves.of("web"), leaves.is_populated("web")) == (None, False)


def test_a_cgroup_is_ours_only_if_it_is_marked_so(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    assert not cgroup.is_delegated(str(tmp_path)), "root may write everywhere"
    try:
        os.setxattr(tmp_path, "user.delegate", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    assert cgroup.is_delegated(str(tmp_path))


def test_a_leaf_that_cannot_be_made_stops_no_birth(tmp_path: Path) -> None:
    cgroup.Leaves(str(tmp_path / "nowhere")).put("web", 41)
