"""`graced stop` where no member is alive to help: only processes, files and marks."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import msgspec
import pytest
from control_ward import Ward, wait_for, write_role, write_run

from graced.control.stop import Stopped, stop_all
from graced.home import stopping
from graced.home.locks import LockRecord, holder, take_now
from graced.home.paths import Home
from graced.home.stopping import Announcement, announced
from graced.home.stopping import read as read_announcement
from graced.posix import proc
from graced.spec.config import Config, Dependency, Kernel, Stop, to_json

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'w'); time.sleep(600)"
)
TELLS = """
import os, signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    os._exit(0)
signal.signal(int(sys.argv[3]), end)
open(sys.argv[1] + "." + sys.argv[2], "w")
while True:  # a signal just before a long sleep would be seen only after it
    time.sleep(0.05)
"""
"""Writes its name down when it is told to end."""


def keep(home: Home, *kernels: Kernel) -> None:
    Path(home.config).write_bytes(to_json(Config(home.root, kernels={kernel.name: kernel for kernel in kernels})))


def tagged(home: Home, name: str) -> dict[str, str]:
    return {"GRACED_HOME_ID": home.id(), "GRACED_KERNEL": name, "GRACED_RUN": "1"}


def dead(*identities: proc.Identity) -> bool:
    return not any(proc.alive(identity) for identity in identities)


def test_nothing_running_is_said_and_nothing_is_written(home: Home) -> None:
    before = sorted(os.listdir(home.run))
    assert stop_all(home) == Stopped([], [])
    assert sorted(os.listdir(home.run)) == before


def test_a_home_that_does_not_exist_is_nothing_running(tmp_path: Path) -> None:
    assert stop_all(Home(str(tmp_path / "none"))) == Stopped([], [])
    assert not (tmp_path / "none").exists()


def test_kernels_that_nobody_looks_after_are_ended(home: Home, ward: Ward) -> None:
    one, two = ward.kernel(home, "one", SLEEP), ward.kernel(home, "two", SLEEP, slot=False)
    assert stop_all(home).kernels == ["one", "two"]
    assert dead(one, two)
    found = read_announcement(home)
    assert found is not None and found.done and announced(home)


def test_dependents_end_before_what_they_depend_on(home: Home, ward: Ward, tmp_path: Path) -> None:
    keep(home, Kernel("db", ("x",)), Kernel("api", ("x",), depends_on=(Dependency("db"),)))
    order = tmp_path / "order"
    for name in ("db", "api"):
        identity = ward.python(TELLS, str(order), name, str(int(signal.SIGTERM)), env=tagged(home, name))
        write_run(home, name, 1, identity)
        wait_for(Path(f"{order}.{name}").exists)
    stop_all(home)
    assert order.read_text().split() == ["api", "db"]


def test_the_signal_is_the_configured_one(home: Home, ward: Ward, tmp_path: Path) -> None:
    keep(home, Kernel("web", ("x",), stop=Stop(signal=int(signal.SIGUSR1))))
    order = tmp_path / "order"
    ward.python(TELLS, str(order), "web", str(int(signal.SIGUSR1)), env=tagged(home, "web"))
    wait_for(Path(f"{order}.web").exists)
    stop_all(home)
    assert order.read_text() == "web\n"


def test_who_does_not_listen_is_killed_when_its_time_is_over(home: Home, ward: Ward, tmp_path: Path) -> None:
    keep(home, Kernel("web", ("x",), stop=Stop(timeout_s=0.3)))
    flag = tmp_path / "flag"
    kernel = ward.python(STUBBORN, str(flag), env=tagged(home, "web"))
    wait_for(flag.exists)
    began = time.monotonic()
    stop_all(home)
    assert dead(kernel)
    assert time.monotonic() - began >= 0.3


def test_a_stop_command_comes_first_and_the_signal_when_it_did_not_help(home: Home, ward: Ward, tmp_path: Path) -> None:
    order = tmp_path / "order"
    command = ("/bin/sh", "-c", f'echo "command $MAINPID $WHERE" >> {order}')
    keep(home, Kernel("web", ("x",), env={"WHERE": "here"}, stop=Stop(command=command)))
    kernel = ward.python(TELLS, str(order), "signal", str(int(signal.SIGTERM)), env=tagged(home, "web"))
    wait_for(Path(f"{order}.signal").exists)
    stop_all(home)
    assert order.read_text() == f"command {kernel.pid} here\nsignal\n"


def test_a_stopped_kernel_gets_to_see_its_signal(home: Home, ward: Ward, tmp_path: Path) -> None:
    order = tmp_path / "order"
    kernel = ward.python(TELLS, str(order), "web", str(int(signal.SIGTERM)), env=tagged(home, "web"))
    wait_for(Path(f"{order}.web").exists)
    proc.signal_identity(kernel, signal.SIGSTOP)
    wait_for(lambda: proc.status(kernel) == "stopped")
    stop_all(home)
    assert order.read_text() == "web\n"


def test_stopped_members_are_ended_too(home: Home, ward: Ward) -> None:
    members = {name: ward.python(SLEEP, holds=home.lock(name)) for name in ("spawner", "watchdog", "trigger")}
    for name, identity in members.items():
        write_role(home, name, identity)
        proc.signal_identity(identity, signal.SIGSTOP)
    assert stop_all(home).members == ["spawner", "watchdog", "trigger"]
    assert dead(*members.values())


def test_another_home_and_strangers_are_left_alone(home: Home, ward: Ward, tmp_path: Path) -> None:
    other = Home(str(tmp_path / "other"))
    other.ensure()
    spared = [ward.kernel(other, "web", SLEEP), ward.python(SLEEP)]
    mine = ward.kernel(home, "web", SLEEP)
    stop_all(home)
    assert dead(mine)
    assert all(proc.alive(identity) for identity in spared)


def test_a_slot_whose_pid_was_reused_kills_nobody(home: Home, ward: Ward) -> None:
    stranger = ward.python(SLEEP)
    write_run(home, "web", 1, proc.Identity(stranger.pid, stranger.start_ticks - 1, stranger.boot_id))
    write_role(home, "watchdog", proc.Identity(stranger.pid, stranger.start_ticks, "another-boot"))
    assert stop_all(home) == Stopped([], [])
    assert proc.alive(stranger)


def test_a_deleted_run_folder_is_no_obstacle(home: Home, ward: Ward) -> None:
    kernel = ward.kernel(home, "web", SLEEP)
    shutil.rmtree(home.run)
    stop_all(home)
    assert dead(kernel) and announced(home)


def test_a_stopped_holder_of_the_restart_lock_is_killed(home: Home, ward: Ward) -> None:
    code = (
        "import sys, time\n"
        "from graced.home import locks\n"
        "from graced.posix import proc\n"
        "lock = locks.take_now(sys.argv[1], locks.LockRecord.of(proc.me()))\n"
        "time.sleep(600)"
    )
    lock_path = home.restart_lock("spawner")
    survivor = ward.python(code, lock_path, env={"GRACED_HOME_ID": home.id()})
    wait_for(lambda: holder(lock_path) is not None)
    proc.signal_identity(survivor, signal.SIGSTOP)
    write_role(home, "watchdog", survivor)
    stop_all(home)
    assert dead(survivor)
    lock = take_now(lock_path, LockRecord.of(proc.me()))
    assert lock is not None
    lock.close()


def test_a_full_disk_is_no_obstacle(home: Home, ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping.make_spare(home)
    kernel = ward.kernel(home, "web", SLEEP)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stopping, "write_over", full)
    stop_all(home)
    assert dead(kernel) and announced(home)


# --- the announcement


def test_an_announcement_counts_while_its_writer_lives(home: Home, ward: Ward) -> None:
    writer = ward.python(SLEEP)
    Path(home.stopping).write_bytes(msgspec.json.encode(Announcement(writer.pid, writer.start_ticks, writer.boot_id)))
    assert announced(home) and stopping.other_stop(home) == writer
    proc.signal_identity(writer, signal.SIGKILL)
    wait_for(lambda: dead(writer))
    assert not announced(home) and stopping.other_stop(home) is None


def test_a_start_takes_a_finished_announcement_away(home: Home) -> None:
    assert stopping.announce(home) and stopping.conclude(home) and announced(home)
    stopping.retract(home)
    assert not os.path.exists(home.stopping)


def test_two_stops_do_the_work_of_one(home: Home, ward: Ward) -> None:
    """The second waits for the first, and finds nothing left: that is no failure."""
    code = (
        "import sys, time\n"
        "from graced.home import stopping\n"
        "from graced.home.paths import Home\n"
        "home = Home(sys.argv[1])\n"
        "stopping.announce(home)\n"
        "open(sys.argv[2], 'w')\n"
        "time.sleep(0.3)\n"
        "stopping.conclude(home)"
    )
    flag = os.path.join(home.root, "flag")
    first = ward.python(code, home.root, flag)
    wait_for(lambda: os.path.exists(flag))
    stopped = stop_all(home)
    assert dead(first) and stopped != Stopped([], [])
