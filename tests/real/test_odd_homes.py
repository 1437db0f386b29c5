"""Homes whose files are another user's, unreadable, folders or FIFOs: every command ends in time, in one clear line."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Done, Graced

ALICE = 65534
HEALED_S = 10.0
LIMIT_S = 90.0
TRIES = 1000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


OPENED = """
mount --make-rprivate / && keep=$(mktemp -d) && mount --bind "$1" "$keep" && mount -t tmpfs -o mode=755 tmpfs "$2" &&
mkdir -p "$1" && mount --move "$keep" "$1" && rmdir "$keep" && shift 2 && exec "$@"
"""
"""Where the interpreter is below a folder that is closed to others, as /root is: a view in which the folder is open."""


def as_alice(words: list[str]) -> list[str]:
    """The same command as that user."""
    words = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", *words]
    base = os.path.realpath(sys.base_prefix)
    parents = [str(path) for path in reversed(Path(base).parents)]
    closed = next((path for path in parents if not os.stat(path).st_mode & 0o001), None)
    return words if closed is None else ["unshare", "--mount", "sh", "-c", OPENED, "sh", base, closed, *words]


class OfAlice(Graced):
    """A home whose commands are another user's, unless `root` is called."""

    def spawn(self, *words: str, environ: object = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            as_alice(self.command(*words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=self.environ, cwd=self.folder,
        )  # fmt: skip

    def root(self, *words: str) -> Done:
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            env=self.environ,
            cwd=self.folder,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def not_hers(self) -> list[str]:
        """Files of the home that are another's."""
        paths = [path for path in self.home.rglob("*") if path.lstat().st_uid != ALICE]
        return [f"{path.relative_to(self.home)} {path.lstat().st_uid}" for path in paths]


@pytest.fixture
def alice(folder: Path) -> Iterator[OfAlice]:
    place = folder / "alice"
    place.mkdir()
    one = OfAlice(place, {})
    os.chmod(folder, 0o755)
    one.write({"kernels": {"one": {"command": ["sleep", "1000"]}}})
    for path in (place, one.yaml):
        os.chown(path, ALICE, ALICE)
    if subprocess.run(as_alice([sys.executable, "-c", "import graced"]), capture_output=True, check=False).returncode:
        pytest.skip("the installation is closed to other users")
    one.environ["HOME"] = str(place)
    yield one
    one.close()


@as_root
@pytest.mark.parametrize(
    "words",
    [("stop",), ("stop", "one"), ("restart", "one"), ("restart", "watchdog"), ("status",), ("logs", "one")],
    ids=" ".join,
)
def test_what_root_does_in_a_users_home_leaves_nothing_of_roots(alice: OfAlice, words: tuple[str, ...]) -> None:
    alice.ok("start")
    done = alice.root(*words)
    assert done.code == 0, done
    assert alice.not_hers() == []
    if words == ("stop",):
        assert alice.run("status").code == 3
        alice.ok("start")
    before = alice.incarnations()
    alice.kill("spawner")
    alice.await_healthy(HEALED_S, newer={"spawner": before["spawner"]})
    alice.ok("stop")


@as_root
def test_a_start_by_root_in_a_users_home_is_refused_with_the_command_to_use(alice: OfAlice) -> None:
    alice.ok("start")
    alice.ok("stop")
    done = alice.root("start")
    assert done.code == 1
    assert done.err == f"graced: {alice.home} belongs to nobody: use `sudo -u nobody graced start`\n"
    assert alice.not_hers() == []


@as_root
@pytest.mark.parametrize("words", [("stop",), ("start",), ("status",), ("logs", "one"), ("tasks",)], ids=" ".join)
def test_another_user_gets_a_line_with_the_name_of_the_owner(make: Make, words: tuple[str, ...]) -> None:
    graced = make()
    graced.write({"kernels": {"one": graced.counter("one")}})
    os.chmod(graced.folder.parent, 0o755)
    graced.ok("start")
    done = subprocess.run(
        as_alice(graced.command(*words)), capture_output=True, text=True, env=graced.environ, cwd=graced.folder,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert str(graced.home) in done.stderr and "root" in done.stderr
    graced.stop_and_prove()


@as_root
@pytest.mark.parametrize(
    "name", ["run/spawner.restart.lock", "run/watchdog.restart.lock", "run/stopping", "run/trigger.lock"]
)
def test_what_root_left_there_before_does_not_keep_anybody_down(alice: OfAlice, name: str) -> None:
    alice.ok("start")
    path = alice.home / name
    if name.endswith("trigger.lock"):
        path.unlink()
    path.write_text("x")
    os.chown(path, 0, 0)
    path.chmod(0o600)
    before = alice.incarnations() if "trigger.lock" not in name else {}
    roles = ("spawner", "watchdog")
    last = {role: alice.lock(role)["incarnation"] for role in roles}
    alice.kill(*roles)
    alice.await_healthy(HEALED_S, newer=last)
    assert before == {} or before["spawner"] < alice.incarnations()["spawner"]
    alice.ok("stop")


# --- anything in the place of a file


def folder_there(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("of a person")


DAMAGES = {
    "a folder": folder_there,
    "a FIFO": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "deep": lambda path: path.write_text("[" * 100_000),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00" * 50),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
COLD = ["id", "place", "config", "environ", "base", "playbooks", "key", "start.lock", "run/spawner.lock",
        "run/stopping",
        "run/watchdog.restart.lock", "kernels/one.slot", "logs/spawner.log", "state.db", "audit", "run"]  # fmt: skip
COMMANDS = [
    ("status",),
    ("stop",),
    ("start",),
    ("logs", "one"),
    ("incidents",),
    ("audit", "verify"),
    ("tasks",),
    ("stop",),
]


def replace(path: Path, damage: str) -> None:
    """Puts it there in one go: a running home writes back what it misses."""
    new = path.with_name(f"{path.name}.new")
    DAMAGES[damage](new) if damage != "a link to itself" else new.symlink_to(path)
    for _ in range(TRIES):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif new.is_dir() and not new.is_symlink():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            new.rename(path)
            return
    raise AssertionError(f"{path} cannot be replaced")


def lines_of(done: Done) -> list[str]:
    return [line for line in done.err.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("name", COLD)
@pytest.mark.parametrize("damage", DAMAGES, ids=[name.replace(" ", "-") for name in DAMAGES])
def test_every_command_ends_in_time_whatever_stands_in_a_cold_home(make: Make, name: str, damage: str) -> None:
    graced = make()
    graced.write({"kernels": {"one": {"command": ["sleep", "1000"]}}})
    graced.ok("start")
    graced.ok("stop")
    replace(graced.home / name, damage)
    for words in COMMANDS:
        done = graced.run(*words, limit_s=LIMIT_S)
        assert "Traceback" not in done.err + done.out, (words, done)
        if done.code not in (0, 3):
            assert len(lines_of(done)) >= 1, (words, done)


LIVE = ["id", "place", "config", "environ", "base", "playbooks", "key", "run/spawner.restart.lock", "run/stopping",
        "run/watchdog.lock", "kernels/one.slot"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("damage", DAMAGES, ids=[name.replace(" ", "-") for name in DAMAGES])
def test_a_running_home_heals_whatever_stands_in_the_place_of_a_file(make: Make, name: str, damage: str) -> None:
    graced = make()
    graced.write({"kernels": {"one": {"command": ["sleep", "1000"]}}})
    graced.start()
    kernel, last = graced.kernel("one"), graced.incarnations()
    replace(graced.home / name, damage)
    roles = ("spawner", "coding_agent")
    graced.kill(*roles)
    graced.await_healthy(HEALED_S, newer={role: last[role] for role in roles})
    assert procs.alive(kernel) and graced.kernel("one") == kernel, graced.story()
    graced.ok("stop")
    assert not graced.witness.strays()


@pytest.mark.parametrize("damage", ["a folder", "a FIFO", "a device"])
def test_what_stands_in_the_place_of_the_database_is_named_and_nobody_waits_for_it(make: Make, damage: str) -> None:
    graced = make()
    graced.write({"kernels": {"one": {"command": ["sleep", "1000"]}}})
    graced.ok("start")
    graced.ok("stop")
    for path in graced.home.glob("state.db*"):
        path.unlink()
    replace(graced.home / "state.db", damage)
    done = graced.run("start")
    assert (done.code, "state.db is no regular file: move it away" in done.out) == (0, True), done
    last = graced.incarnations()
    graced.kill("spawner", "self_healing")
    graced.await_healthy(HEALED_S, newer={role: last[role] for role in ("spawner", "self_healing")})
    assert graced.run("tasks").err.count("\n") == 1
    graced.stop_and_prove()


def test_a_member_that_reads_a_fifo_does_not_wait_for_its_writer(make: Make) -> None:
    """The quick one of the table above."""
    graced = make()
    graced.write({"kernels": {"one": {"command": ["sleep", "1000"]}}})
    graced.start()
    last = graced.incarnations()
    for name in ("id", "config", "environ", "run/stopping"):
        replace(graced.home / name, "a FIFO")
    graced.kill("spawner")
    graced.await_healthy(HEALED_S, newer={"spawner": last["spawner"]})
    until(lambda: (graced.home / "id").is_file(), HEALED_S, "the id is written back")
    graced.stop_and_prove()
