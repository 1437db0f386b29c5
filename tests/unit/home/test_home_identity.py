"""Which home a folder is, whose record counts, and what any file of a home may be replaced by."""

import errno
import fcntl
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graced.home import identity, titles
from graced.home.claim import claim
from graced.home.kept_files import KeptFiles
from graced.home.locks import LockRecord, RoleLock, holder, is_held_by, take_now
from graced.home.paths import Home
from graced.home.presence import presence
from graced.home.slots import KernelSlots, Slot
from graced.members.nursery import run_number
from graced.members.troubles import Troubles
from graced.posix import files, flock, proc, scan
from graced.posix.limits import Reserve
from graced.spec.roles import MEMBERS
from graced.spec.run import Run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    one = Home(str(tmp_path / "home"))
    one.ensure()
    one.id()
    return one


def copied(home: Home) -> Home:
    there = f"{home.root}-copy"
    shutil.copytree(home.root, there)
    return Home(there)


def moved(home: Home) -> Home:
    there = f"{home.root}-moved"
    os.rename(home.root, there)
    return Home(there)


@pytest.mark.parametrize("away", [copied, moved])
def test_an_id_belongs_to_a_place(home: Home, away: Callable[[Home], Home]) -> None:
    first = home.id()
    assert Home(home.root).is_ours() and Home(home.root).known_id() == first
    other = away(home)
    assert not other.is_ours() and other.known_id() is None
    slots = KernelSlots(other)
    me = proc.me()
    slots.store(Slot(Run("web", 7, me.pid, me.start_ticks, me.boot_id)))
    Path(other.stopping).write_text("{}")
    assert claim(other)
    assert other.id() != first and Home(other.root).known_id() == other.id()
    assert slots.stored() == [Slot(Run("web", 7))]
    assert not os.path.exists(other.stopping)
    assert not claim(Home(other.root))


def test_a_link_to_a_home_is_that_home(home: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home.root)
    assert Home(str(tmp_path / "link")).known_id() == home.id()


def test_a_folder_that_a_holder_sees_at_its_place_is_that_home(home: Home) -> None:
    """As a container's home is, seen from outside: the same folder under another path."""
    other = moved(home)
    assert not identity.is_at_home(other.root, [os.getpid()])
    os.symlink(other.root, home.root)
    assert identity.is_at_home(other.root, [os.getpid()])
    assert not identity.is_at_home(other.root, [])


@pytest.mark.parametrize("lost", ["id", "place"])
@pytest.mark.parametrize("how", ["", "garbage", "²" * 32, "A" * 32, None])
def test_one_of_the_two_files_is_enough(home: Home, lost: str, how: str | None) -> None:
    first = home.id()
    path = Path(home.root, lost)
    path.unlink()
    if how is not None:
        path.write_text(how)
    assert Home(home.root).known_id() == first
    assert Home(home.root).id() == first
    assert Path(home.id_path).read_text() == first


def test_a_copied_record_is_nobodys_presence(home: Home) -> None:
    lock = RoleLock.take(home.lock("watchdog"))
    assert lock is not None
    lock.write(LockRecord.of(proc.me(), 3))
    assert presence(home, "watchdog").alive
    other = copied(home)
    found = presence(other, "watchdog")
    assert (found.alive, found.incarnation) == (False, 3)
    assert not is_held_by(other.lock("watchdog"), found.record or LockRecord(0, 0, 0, ""))
    lock.close()
    assert not presence(home, "watchdog").alive


def test_a_holder_is_named_only_while_it_holds(home: Home) -> None:
    path = home.restart_lock("spawner")
    lock = take_now(path, LockRecord.of(proc.me()))
    assert lock is not None and holder(path) is not None
    os.close(os.dup(lock.fileno()))
    data = Path(path).read_bytes()
    lock.close()
    Path(path).write_bytes(data)  # as one that was killed leaves it
    assert holder(path) is None


# --- locks


def test_every_lock_is_there_from_the_start(home: Home) -> None:
    assert {name for name in os.listdir(home.run) if name.endswith(".lock")} == {
        f"{member}{kind}" for member in MEMBERS for kind in (".lock", ".restart.lock")
    }
    assert os.path.exists(home.start_lock)


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_a_lock_that_exists_needs_no_right_to_write(home: Home, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(path: str) -> int:
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(flock, "open_slot", refuse)
    path = home.restart_lock("spawner")
    lock = take_now(path, LockRecord.of(proc.me()))
    assert lock is not None
    assert take_now(path, LockRecord.of(proc.me())) is None  # the open file is another one: it is held
    lock.close()
    os.unlink(path)
    with pytest.raises(OSError, match=os.strerror(code)) as found:
        take_now(path, LockRecord.of(proc.me()))
    assert (found.value.errno, found.value.filename) == (code, path)


@pytest.mark.parametrize(
    "put", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path)], ids=["folder", "FIFO", "loop"]
)
def test_what_stands_in_the_place_of_a_lock_is_set_aside(home: Home, put: Callable[[str], None]) -> None:
    path = home.lock("trigger")
    os.unlink(path)
    put(path)
    lock = RoleLock.take(path)
    assert lock is not None and os.path.isfile(path) and os.path.lexists(f"{path}.aside-1")
    lock.close()


# --- one way to read


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, str]:
    paths = {name: str(tmp_path / name) for name in ("folder", "FIFO", "symlink", "device")}
    os.mkdir(paths["folder"])
    os.mkfifo(paths["FIFO"])
    os.symlink("/etc/passwd", paths["symlink"])
    os.symlink("/dev/zero", paths["device"])
    return paths


@pytest.mark.parametrize("name", ["folder", "FIFO", "symlink", "device"])
def test_nothing_but_a_file_is_read_and_nothing_waits(odd: dict[str, str], name: str) -> None:
    with pytest.raises(OSError, match="not a file") as found:
        files.read_small(odd[name])
    assert found.value.filename == odd[name]


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert files.read_small(str(path), 100) == b"x" * 100
    with pytest.raises(OSError, match="larger than 99 bytes"):
        files.read_small(str(path), 99)


@pytest.mark.parametrize("put", [os.mkdir, os.mkfifo, lambda path: Path(path).write_text("[" * 100_000)],
                         ids=["folder", "FIFO", "deep"])  # fmt: skip
def test_what_is_kept_in_memory_is_written_back_over_anything(home: Home, put: Callable[[str], object]) -> None:
    Path(home.config).write_text(f'{{"home": "{home.root}"}}')
    Path(home.environ).write_text("{}")
    kept = KeptFiles(home)
    kept.look()
    before = {path: Path(path).read_bytes() for path in (home.config, home.environ, home.id_path, home.place)}
    for path in before:
        os.unlink(path)
        put(path)
    assert len(kept.look()) == len(before)
    assert {path: Path(path).read_bytes() for path in before} == before
    assert kept.look() == []


# --- titles, marks, troubles


@pytest.mark.parametrize("root", ["/srv/shop/.graced", "/a b/[c] (d)/.graced", "/ü/graced: x"])
def test_a_title_names_member_and_home(root: str) -> None:
    assert titles.of_member(root, "watchdog") == f"graced: watchdog [{root}]"
    for text, role in (
        (titles.of_member(root, "watchdog"), "watchdog"),
        (titles.of_worker(root, "watchdog"), ""),
        (titles.of_newborn(root, "watchdog"), ""),
    ):
        assert titles.parse(text.encode() + b"\0") == titles.Title(role, root)


@pytest.mark.parametrize(
    "text", ["", "graced", "graced: watchdog", "graced: watchdog [/x", "vim graced: watchdog [/x]"]
)
def test_other_command_lines_are_no_titles(text: str) -> None:
    assert titles.parse(text.encode()) is None


@pytest.mark.parametrize("text", ["²", "-1", "0", "", "1_0", " 1", "٣", "9" * 5000, str(10**23), "1.0", "0x1"])
def test_what_is_no_number_of_a_run_is_none(text: str) -> None:
    assert run_number(text) == 0


def test_a_child_that_bears_the_mark_of_another_home_is_no_member_of_a_tree() -> None:
    code = "import subprocess, sys, os; subprocess.run(['sleep', '60'], env={'GRACED_HOME_ID': 'b' * 32})"
    marks = {"GRACED_HOME_ID": "a" * 32, "GRACED_KERNEL": "web", "GRACED_RUN": "1"}
    parent = subprocess.Popen([sys.executable, "-c", code], env=marks)
    try:
        while not (below := proc.children(parent.pid)) or proc.environ(below[0]).get("GRACED_HOME_ID") != "b" * 32:
            assert parent.poll() is None
        found = {member.pid for member in scan.members_of(marks, root=proc.identify(parent.pid))}
        assert found == {parent.pid}
    finally:
        parent.kill()
        for pid in below:
            os.kill(pid, 9)
        parent.wait()


def test_a_trouble_is_told_once_when_it_lasts_and_again_after_it_was_over() -> None:
    now = [0.0]
    told: list[str] = []
    troubles = Troubles(told.append, 2.0, lambda: now[0], Reserve())
    refused = PermissionError(errno.EACCES, "Permission denied", "/h/run/x.lock")
    for now[0] in (0.0, 1.0, 2.0, 3.0, 4.0):
        assert troubles.meet("lock of x", refused) == "lock of x: Permission denied: /h/run/x.lock"
    assert told == ["lock of x: Permission denied: /h/run/x.lock"]
    troubles.over("lock of x")
    for now[0] in (5.0, 6.0, 7.0):
        troubles.meet("lock of x", refused)
    assert len(told) == 2


def test_a_full_table_of_files_is_never_read_as_nobody_there(home: Home) -> None:
    lock = RoleLock.take(home.lock("watchdog"))
    assert lock is not None
    lock.write(LockRecord.of(proc.me(), 1))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = fcntl.fcntl(0, fcntl.F_DUPFD, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (top + 1, limits[1]))
    try:
        for ask in (lambda: presence(home, "watchdog"), lambda: proc.alive(proc.me()), lambda: proc.children(1)):
            with pytest.raises(OSError, match="Too many open files"):
                ask()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(top)
        lock.close()
