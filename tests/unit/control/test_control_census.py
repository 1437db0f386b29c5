"""Whose process is it: by every mark, and never another home's."""

import os
import signal
from typing import Any

from control_ward import Ward, wait_for

from graced.control.census import Census
from graced.home.paths import Home
from graced.posix import proc

SLEEP = "import time; time.sleep(600)"
WASHED = "import os, sys; os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)'], {})"
"""A program that drops its environment, as `env -i` does."""

FORKS = f"import os, time\nif os.fork() == 0:\n    {WASHED}\ntime.sleep(600)"
BOTH_WASHED = f"import os\nos.fork()\n{WASHED}"


def owners(census: Census) -> dict[int, str]:
    return {found.identity.pid: found.kernel for found in census.look()}


def washed(identity: proc.Identity) -> bool:
    return proc.environ(identity.pid) == {} and b"sleep" in proc.slurp(f"/proc/{identity.pid}/cmdline")


def test_by_environment(home: Home, ward: Ward) -> None:
    kernel = ward.kernel(home, "web", SLEEP, slot=False)
    assert owners(Census(home, (), {})) == {kernel.pid: "web"}


def test_another_home_with_a_kernel_of_the_same_name_is_not_seen(home: Home, ward: Ward, tmp_path: Any) -> None:
    other = Home(str(tmp_path / "other"))
    other.ensure()
    ward.kernel(other, "web", SLEEP)
    assert owners(Census(home, (), {})) == {}


def test_by_identity_and_session_when_the_environment_is_gone(home: Home, ward: Ward) -> None:
    root = ward.kernel(home, "web", BOTH_WASHED)
    wait_for(lambda: washed(root) and len(proc.children(root.pid)) == 1)
    census = Census(home, (), {"web": root})
    child = proc.children(root.pid)[0]
    ward.adopt(child)
    assert owners(census) == {root.pid: "web", child: "web"}
    proc.signal_identity(root, signal.SIGKILL)
    os.waitpid(root.pid, 0)
    assert owners(census) == {child: "web"}  # it still is in the session that root led


def test_by_descent(home: Home, ward: Ward) -> None:
    root = ward.kernel(home, "web", FORKS, slot=False)
    wait_for(lambda: any(proc.environ(child) == {} for child in proc.children(root.pid)))
    child = ward.adopt(proc.children(root.pid)[0])
    assert owners(Census(home, (), {})) == {root.pid: "web", child.pid: "web"}


def test_by_its_log(home: Home, ward: Ward) -> None:
    log = os.open(home.log("web"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    kernel = ward.python(WASHED, log_fd=log)
    os.close(log)
    wait_for(lambda: washed(kernel))
    assert owners(Census(home, (), {})) == {kernel.pid: "web"}


def test_a_title_counts_only_with_a_file_of_this_home_open(home: Home, ward: Ward) -> None:
    title = (
        "import sys, time, setproctitle; f = open(sys.argv[1]); "
        "setproctitle.setproctitle('graced: trigger'); time.sleep(600)"
    )
    stranger = ward.python(title, "/dev/null")
    mine = ward.python(title, home.id_path)

    def titled(identity: proc.Identity) -> bool:
        return proc.slurp(f"/proc/{identity.pid}/cmdline").startswith(b"graced: trigger")

    wait_for(lambda: titled(stranger) and titled(mine))
    assert owners(Census(home, (), {})) == {mine.pid: ""}


def test_the_caller_is_never_counted(home: Home) -> None:
    assert owners(Census(home, [proc.me()], {})) == {}
