"""A file is replaced whole, with all that belongs to it, or left alone."""

import os
import stat
from pathlib import Path

import pytest

from graced.mending.put import digest, read_source, replace_bytes, sweep
from graced.mending.walk import OURS


def test_mode_and_attributes_are_kept_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    path.chmod(0o751)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("no extended attributes here")
    assert replace_bytes(str(path), digest(b"old"), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert os.getxattr(path, "user.note") == b"kept"
    assert os.listdir(tmp_path) == ["a.py"]


def test_other_bytes_than_expected_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"somebody's")
    assert not replace_bytes(str(path), digest(b"old"), b"new")
    assert path.read_bytes() == b"somebody's"
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_file_that_somebody_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    with open(path, "ab"):
        assert not replace_bytes(str(path), digest(b"old"), b"new")
    assert replace_bytes(str(path), digest(b"old"), b"new")


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real.py", tmp_path / "link.py"
    real.write_bytes(b"old")
    link.symlink_to(real)
    assert replace_bytes(str(link), digest(b"old"), b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    dead, alive = tmp_path / f"a.py{OURS}4194999", tmp_path / f"a.py{OURS}{os.getpid()}"
    dead.write_bytes(b"half")
    alive.write_bytes(b"busy")
    sweep(str(path))
    assert not dead.exists()
    assert alive.exists()


def test_no_regular_file_and_a_large_one_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    for name in ("pipe", "large", "missing"):
        with pytest.raises(OSError, match=name):
            read_source(str(tmp_path / name))


def test_a_file_with_two_names_stays(tmp_path: Path) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_bytes(b"old")
    os.link(path, other)
    with pytest.raises(OSError, match="2 names"):
        replace_bytes(str(path), digest(b"old"), b"new")
    assert path.read_bytes() == b"old"
    assert path.samefile(other)
    assert sorted(os.listdir(tmp_path)) == ["a.py", "b.py"]
    assert replace_bytes(str(path), digest(b"old"), b"new", split=True), "what is put back has its own name"
    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"old")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_whose_owner_cannot_be_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    os.chown(path, 12345, 12346)
    path.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o005 | (0o002 if folder == tmp_path else 0))
        if str(folder.parent) == "/tmp":
            break
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            replace_bytes(str(path), digest(b"old"), b"new")
        except OSError as error:
            code = 0 if "belongs to 12345:12346" in str(error.strerror) else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes() == b"old"
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_file_larger_than_source_is_replaced_as_well(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    old = b"x" * (1024 * 1024) + b"the end"
    path.write_bytes(old)
    assert not replace_bytes(str(path), digest(old[:-1]), b"new")
    assert replace_bytes(str(path), digest(old), b"new")
    assert path.read_bytes() == b"new"
