import os
import platform
import signal
import threading

import pytest

from graced.posix import proc
from graced.posix.proc import Identity


def _other(identity: Identity) -> Identity:
    """The same pid a moment later: what a reused pid looks like."""
    return Identity(identity.pid, identity.start_ticks + 1, identity.boot_id)


def _other_boot(identity: Identity) -> Identity:
    return Identity(identity.pid, identity.start_ticks, "00000000-0000-0000-0000-000000000000")


def test_a_process_identifies_itself() -> None:
    me = proc.me()
    assert me.pid == os.getpid()
    assert me == proc.identify(os.getpid())
    assert proc.status(me) in ("running", "blocked")
    assert proc.alive(me)


def test_a_reused_pid_is_gone_and_is_never_opened() -> None:
    for stranger in (_other(proc.me()), _other_boot(proc.me())):
        assert proc.status(stranger) == "gone"
        assert proc.open_pidfd(stranger) is None
        assert not proc.signal_identity(stranger, signal.SIGKILL)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_a_pid_that_cannot_be_is_nobody(pid: int) -> None:
    assert proc.open_pidfd(Identity(pid, 1, proc.boot_id())) is None
    assert proc.status(Identity(pid, 1, proc.boot_id())) == "gone"


def test_a_thread_is_not_a_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        assert thread.native_id not in proc.all_pids()
        thread_identity = proc.identify(thread.native_id)
        assert thread_identity is not None  # /proc answers for threads too, if asked by number
        assert proc.open_pidfd(thread_identity) is None
    finally:
        done.set()
        thread.join()


def test_death_is_seen_by_pidfd_and_by_status(nursery, until) -> None:
    identity = nursery.adopt(nursery.launch("sleep", "60"))
    fd = proc.open_pidfd(identity)
    assert fd is not None
    assert not os.get_inheritable(fd)
    assert not proc.pidfd_dead(fd)
    assert proc.send(fd, signal.SIGKILL)
    until(lambda: proc.pidfd_dead(fd))
    assert proc.status(identity) == "zombie"
    assert not proc.alive(identity)
    assert proc.open_pidfd(identity) is None, "a zombie is dead"
    os.waitpid(identity.pid, 0)
    assert proc.status(identity) == "gone"
    assert not proc.send(fd, signal.SIGKILL)
    os.close(fd)


def test_a_stopped_process_is_stopped_until_it_goes_on(nursery, until) -> None:
    identity = nursery.adopt(nursery.launch("sleep", "60"))
    assert proc.signal_identity(identity, signal.SIGSTOP)
    until(lambda: proc.status(identity) == "stopped")
    assert proc.alive(identity)
    assert proc.signal_identity(identity, signal.SIGCONT)
    until(lambda: proc.status(identity) == "running")


def test_a_leader_that_ended_before_its_threads_is_alive(nursery, until) -> None:
    sys_exit = {"x86_64": 60, "aarch64": 93}.get(platform.machine())
    if sys_exit is None:
        pytest.skip("number of exit(2) unknown here")
    pid = nursery.python(
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        f"ctypes.CDLL(None).syscall({sys_exit}, 0)"
    )
    identity = nursery.adopt(pid)
    until(lambda: (proc.read_stat(pid) or proc.read_stat(1)).state == "Z")
    assert proc.status(identity) == "running"
    fd = proc.open_pidfd(identity)
    assert fd is not None
    os.close(fd)


def test_any_command_name_is_parsed(nursery, tmp_path) -> None:
    odd = tmp_path / "a) Z 1 (\n"
    odd.symlink_to("/bin/sleep")
    pid = nursery.launch(str(odd), "60")
    assert proc.parent_of(pid) == os.getpid()
    assert proc.session_of(pid) == pid


def test_children_and_descendants(nursery, until) -> None:
    pid = nursery.launch("sh", "-c", "sh -c 'sleep 60; :' & sleep 61; :")
    until(lambda: len(proc.descendants(pid)) == 3)
    below = proc.descendants(pid)
    for each in below:
        nursery.adopt(each)
    assert set(proc.children(pid)) < set(below)
    assert pid in proc.own_children()
    assert pid not in below
    assert proc.children(2**22 + 1) == []


def test_environment_of_another_and_of_nobody(nursery, until) -> None:
    pid = nursery.launch("sleep", "60", env={"GRACED_KERNEL": "web", "ODD": "a=b\nc"})
    until(lambda: proc.environ(pid))  # it shows once the exec is done
    assert proc.environ(pid)["GRACED_KERNEL"] == "web"
    assert proc.environ(pid)["ODD"] == "a=b\nc"
    assert proc.environ(2**22 + 1) == {}


def test_reap_returns_each_dead_child_once(run_script) -> None:
    run_script(
        "import os, time\n"
        "from graced.posix import proc\n"
        "assert proc.reap() == []\n"
        "def child(code):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(code)\n"
        "    return pid\n"
        "born = {child(code): code for code in range(20)}\n"
        "r, w = os.pipe()\n"
        "sleeper = os.fork()\n"
        "if sleeper == 0:\n"
        "    os.close(w); os.read(r, 1); os._exit(0)\n"
        "got = {}\n"
        "while len(got) < 20:\n"
        "    for pid, status in proc.reap():\n"
        "        assert pid not in got\n"
        "        got[pid] = os.waitstatus_to_exitcode(status)\n"
        "assert got == born\n"
        "assert proc.reap() == []\n"
        "os.close(w); os.waitpid(sleeper, 0)\n"
    )


def test_a_subreaper_gets_the_orphans(run_script) -> None:
    run_script(
        "import os\n"
        "from graced.posix import proc\n"
        "proc.set_subreaper()\n"
        "r, w = os.pipe()\n"
        "middle = os.fork()\n"
        "if middle == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.close(w); os.read(r, 1); os._exit(7)\n"
        "    os._exit(0)\n"
        "os.waitpid(middle, 0)\n"
        "(orphan,) = proc.own_children()\n"
        "os.close(w)\n"
        "assert os.waitpid(orphan, 0) == (orphan, 7 << 8)\n"
    )


def test_the_title_is_in_the_command_line_and_the_name(run_script) -> None:
    run_script(
        "import os\n"
        "from graced.posix import proc\n"
        "proc.set_title('graced: self_healing')\n"
        "assert proc.slurp('/proc/self/cmdline').startswith(b'graced: self_healing')\n"
        "assert proc.slurp('/proc/self/comm') == b'graced: self_he\\n'\n"
    )


def test_usage_measures_this_process() -> None:
    usage = proc.usage(os.getpid())
    assert usage is not None
    assert usage.rss_bytes > 1 << 20
    assert usage.pss_bytes is None or 0 < usage.pss_bytes <= usage.rss_bytes * 2
    assert usage.cpu_s > 0
    assert proc.usage(2**22 + 1) is None
