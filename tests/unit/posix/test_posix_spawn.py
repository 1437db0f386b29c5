import contextlib
import errno
import fcntl
import json
import os
import random
import signal
import stat
import sys

import pytest

from graced.posix import descriptors, forkexec, proc, spawn

REPORT = """
import fcntl, json, os, resource, signal, sys, time
# umask before anything is opened
umask = os.umask(0); os.umask(umask)
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
fds = {}
for name in os.listdir("/proc/self/fd"):
    try: fds[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    except OSError: pass
print(json.dumps({
    "pid": os.getpid(), "sid": os.getsid(0), "cwd": os.getcwd(), "umask": umask,
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "oom": int(open("/proc/self/oom_score_adj").read()),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16), "env": dict(os.environ), "fds": fds,
    "argv": sys.argv,
}))
"""
LISTS_FDS = """
import os
for n in sorted(map(int, os.listdir("/proc/self/fd"))):
    try: print(n, os.readlink(f"/proc/self/fd/{n}"))
    except OSError: pass
"""
ROOT = os.geteuid() == 0
FORKED = {"umask": 0o27}
BOTH_PATHS = pytest.mark.parametrize("wish", [{}, FORKED], ids=["posix_spawn", "fork"])


@pytest.fixture
def report(nursery, tmp_path):
    """Launches a kernel that tells what it is, and returns that."""

    def run(*, python: str = sys.executable, env: dict[str, str] | None = None, **wish: object) -> dict:
        path = tmp_path / "out.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = nursery.launch(python, "-c", REPORT, env=env, **{"log_fd": fd} | wish)
        finally:
            os.close(fd)
        os.waitpid(pid, 0)
        said = json.loads(path.read_text())
        assert said["pid"] == pid
        said["fds"] = {int(number): to for number, to in said["fds"].items()}
        return said

    return run


@BOTH_PATHS
def test_a_kernel_leads_its_session_and_has_only_what_it_was_given(report, tmp_path, wish) -> None:
    inheritable = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        said = report(**wish)
    finally:
        os.close(inheritable)
    assert said["sid"] == said["pid"]
    log = str(tmp_path / "out.log")
    assert said["fds"] | {3: ""} == {0: "/dev/null", 1: log, 2: log, 3: ""}, "3 is its own listing"


@BOTH_PATHS
def test_a_kernel_has_no_signal_ignored_or_blocked(nursery, until, wish) -> None:
    """Read from outside, as a Python kernel ignores SIGPIPE by itself; `sleep` keeps what it got."""
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN), signal.signal(signal.SIGUSR2, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        pid = nursery.launch("sleep", "60", **wish)
        assert signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        signal.signal(signal.SIGUSR1, old[0])
        signal.signal(signal.SIGUSR2, old[1])
    status = proc.slurp(f"/proc/{pid}/status").decode()
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    glibc = (
        0b11 << 31
    )  # posix_spawn(3) leaves its two internal signals ignored; libc takes them over where it needs them
    assert [int(fields[name], 16) & ~glibc for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


def test_the_environment_is_exactly_the_given_one(report) -> None:
    said = report(env={"GRACED_KERNEL": "web"})
    assert said["env"]["GRACED_KERNEL"] == "web"
    assert "LISTEN_PID" not in said["env"]
    assert set(said["env"]) - set(os.environ) <= {"GRACED_KERNEL", "LC_CTYPE"}


def test_listen_pid_is_that_of_the_kernel(report) -> None:
    said = report(listen_pid=True)
    assert said["env"]["LISTEN_PID"] == str(said["pid"])


@BOTH_PATHS
def test_the_working_directory_is_the_kernels_alone(report, tmp_path, wish) -> None:
    here = os.getcwd()
    assert report(cwd=str(tmp_path), **wish)["cwd"] == str(tmp_path)
    assert os.getcwd() == here


def test_umask_nice_oom_and_open_files(report) -> None:
    said = report(umask=0o27, nice=5, oom_score_adj=500, open_files=100)
    assert (said["umask"], said["nice"], said["oom"], said["files"]) == (0o27, 5, 500, 100)


@pytest.mark.skipif(not ROOT, reason="becomes another user")
@pytest.mark.parametrize(
    ("wish", "ids"),
    [
        ({"user": "nobody"}, [65534, 65534]),
        ({"user": "65534", "group": "0"}, [65534, 0]),
        ({"user": "12345", "group": "54321"}, [12345, 54321]),
        ({"group": "daemon"}, [0, 1]),
    ],
)
def test_another_user_and_group_by_name_or_number(report, wish, ids) -> None:
    # The interpreter of the tests may be in a folder that others may not enter.
    said = report(python="/usr/bin/python3", **wish) if os.path.exists("/usr/bin/python3") else None
    if said is None:
        pytest.skip("needs a Python that everyone may execute")
    assert said["ids"][:2] == [[ids[0]] * 3, [ids[1]] * 3]
    assert ids[1] in said["ids"][2]


def test_ourselves_is_nobody_to_become(report) -> None:
    said = report(user=str(os.geteuid()), group=str(os.getegid()))
    assert said["ids"][0] == [os.geteuid()] * 3


def test_kept_descriptors_arrive_under_their_numbers_whatever_the_order(nursery, tmp_path) -> None:
    """Permutations among the same numbers, so that every source is another's target somewhere."""
    dice = random.Random(7)
    for round_, wish in enumerate([{}, FORKED] * 6):
        numbers = list(range(140, 145))
        for number in numbers:
            fd = os.open(tmp_path / f"file{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            os.dup2(fd, number, inheritable=bool(dice.randrange(2)))
            os.close(fd)
        targets = dice.sample([3, 4, *numbers], len(numbers))
        keep = tuple(zip(numbers, targets, strict=True))
        log = tmp_path / f"log{round_}"
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
        code = LISTS_FDS
        pid = nursery.python(code, log_fd=log_fd, keep_fd=keep, **wish)
        os.waitpid(pid, 0)
        os.close(log_fd)
        for number in numbers:
            assert os.readlink(f"/proc/self/fd/{number}") == str(tmp_path / f"file{number}")
            os.close(number)
        seen = dict(line.split(" ", 1) for line in log.read_text().splitlines())
        assert {target: seen[str(target)] for target in targets} == {
            target: str(tmp_path / f"file{number}") for number, target in keep
        }
        extra = set(map(int, seen)) - {0, 1, 2, *targets}
        assert all("/fd" in seen[str(number)] for number in extra), seen


def test_two_descriptors_for_one_number_are_refused(nursery) -> None:
    with pytest.raises(OSError, match="two for one number"):
        nursery.launch("true", keep_fd=((1, 5), (2, 5)))
    with pytest.raises(OSError, match="too large"):
        nursery.launch("true", keep_fd=((1, 1 << 20),))


FAILURES = [
    ({"argv": ["no-such-word"]}, FileNotFoundError, "command no-such-word: not found on PATH"),
    ({"argv": ["./nope"]}, FileNotFoundError, "command ./nope: no such file"),
    ({"argv": []}, FileNotFoundError, "command: it is empty"),
    ({"argv": ["/etc/passwd"]}, PermissionError, "command /etc/passwd: /etc/passwd is not executable"),
    ({"argv": ["true", "a\0b"]}, OSError, "command true: Invalid argument"),
    ({"cwd": "/nope"}, FileNotFoundError, "cwd /nope: No such file or directory"),
    ({"cwd": "/etc/passwd"}, NotADirectoryError, "cwd /etc/passwd: Not a directory"),
    ({"argv": ["./here"], "cwd": "/nope"}, FileNotFoundError, "cwd /nope: No such file or directory"),
    ({"user": "no-such-user"}, OSError, "user no-such-user: there is no such user"),
    ({"user": "12345"}, OSError, "user 12345: has no entry, so `group` must be given"),
    ({"group": "no-such-group"}, OSError, "group no-such-group: there is no such group"),
    ({"oom_score_adj": 5000}, OSError, "oom_score_adj 5000: Invalid argument"),
]


@pytest.mark.parametrize("fork", [False, True])
@pytest.mark.parametrize(("wish", "kind", "words"), FAILURES, ids=lambda x: x if isinstance(x, str) else "")
def test_what_failed_is_said_in_one_sentence_and_nothing_is_left(wish, kind, words, fork) -> None:
    before = (descriptors.open_fds(), proc.own_children(), os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    base = {"name": "k", "argv": ["true"], "env": dict(os.environ), "log_fd": 1} | (FORKED if fork else {})
    with pytest.raises(kind) as caught:
        spawn.launch(spawn.Launch(**base | wish))
    assert caught.value.strerror == words
    after = (descriptors.open_fds(), proc.own_children(), os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    assert after == before


@pytest.mark.parametrize("wish", [{}, FORKED])
def test_a_file_that_cannot_be_executed_is_an_error_of_exec(tmp_path, wish) -> None:
    script = tmp_path / "script"
    script.write_text("no interpreter line\n")
    script.chmod(0o755)
    with pytest.raises(OSError, match="it has no #! line") as caught:
        spawn.launch(spawn.Launch(name="k", argv=["./script"], env={}, log_fd=1, cwd=str(tmp_path), **wish))
    assert caught.value.errno == errno.ENOEXEC
    assert caught.value.strerror == (
        "command ./script: it has no #! line that names its interpreter, and is no program itself"
    )


def test_the_path_of_the_kernel_is_searched_not_ours(tmp_path) -> None:
    tool = tmp_path / "bin" / "sleep"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    env = {"PATH": f"/nope:{tool.parent}:/bin:/usr/bin"}
    assert spawn.resolve("sleep", env) in ("/bin/sleep", "/usr/bin/sleep"), "what is not executable is passed over"
    tool.chmod(0o755)
    assert spawn.resolve("sleep", env) == str(tool)
    assert spawn.resolve("sleep", {"PATH": "bin"}, cwd=str(tmp_path)) == str(tool)
    assert spawn.resolve("sleep", {}) in ("/bin/sleep", "/usr/bin/sleep")


@BOTH_PATHS
def test_a_newborn_holds_a_cloexec_lock_until_its_exec_and_no_longer(nursery, tmp_path, wish) -> None:
    path = tmp_path / "spawner.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    nursery.launch("sleep", "60", **wish)
    os.close(fd)
    again = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)


def test_until_its_exec_a_forked_newborn_keeps_every_cloexec_descriptor(tmp_path) -> None:
    path = tmp_path / "spawner.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def look() -> None:  # runs in the child, after its descriptors were arranged
        os.fstat(fd)

    with spawn.ChildFds(1, ()) as fds:
        image = forkexec.Image("/bin/true", ["true"], {}, False)
        pid = forkexec.fork_exec(image, [forkexec.Step("the lock is closed", look)], fds)
    os.waitpid(pid, 0)
    os.close(fd)


def test_close_all_but_closes_all_but(run_script) -> None:
    run_script(
        "import os\n"
        "from graced.posix.spawn import close_all_but\n"
        "for n in range(20): os.dup(0)\n"
        "os.dup2(0, 900); os.dup2(0, 500)\n"
        "close_all_but([0, 7, 500, 4, 4])\n"
        "def is_open(n):\n"
        "    try: os.fstat(n)\n"
        "    except OSError: return False\n"
        "    return True\n"
        "assert [n for n in range(2000) if is_open(n)] == [0, 1, 2, 4, 7, 500]\n"
        "close_all_but(())\n"
        "assert [n for n in range(2000) if is_open(n)] == [0, 1, 2]\n"
    )


@pytest.mark.parametrize("old_kernel", [False, True])
def test_sealing_marks_every_descriptor(run_script, old_kernel) -> None:
    run_script(
        "import os\n"
        "from graced.posix import descriptors\n"
        f"if {old_kernel}: descriptors._SYS_CLOSE_RANGE = 9999\n"
        "os.dup2(0, 9); os.dup2(0, 70)\n"
        "assert os.get_inheritable(9)\n"
        "descriptors.seal_fds()\n"
        "assert not os.get_inheritable(9) and not os.get_inheritable(70) and os.get_inheritable(1)\n"
    )


# --- cold start

WAITS = "import os, sys, time\nprint('said', flush=True)\ntime.sleep(60)"


@pytest.mark.parametrize("as_child", [True, False])
def test_a_cold_start_is_in_its_own_session_with_nothing_of_ours(nursery, until, tmp_path, as_child) -> None:
    log = tmp_path / "spawner.log"
    log.write_text("before\n")
    inheritable = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    lock_fd = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        pid = spawn.cold_start([sys.executable, "-c", WAITS], os.environ, str(log), lock_fd, as_child)
    finally:
        os.close(inheritable)
        os.close(lock_fd)
    nursery.adopt(pid)
    until(lambda: "said" in log.read_text())
    assert log.read_text() == "before\nsaid\n"
    assert proc.session_of(pid) == pid
    assert (proc.parent_of(pid) == os.getpid()) == as_child
    fds = {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    assert fds == {0: "/dev/null", 1: str(log), 2: str(log), lock_fd: str(tmp_path / "lock")}


def test_a_log_that_cannot_be_opened_does_not_stop_a_cold_start(nursery, tmp_path) -> None:
    pid = spawn.cold_start(["sleep", "60"], os.environ, str(tmp_path / "nowhere" / "x.log"))
    nursery.adopt(pid)
    assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"


def test_the_log_of_a_cold_start_is_private(nursery, tmp_path) -> None:
    nursery.adopt(spawn.cold_start(["sleep", "60"], os.environ, str(tmp_path / "x.log")))
    assert stat.S_IMODE(os.stat(tmp_path / "x.log").st_mode) == 0o600


@pytest.mark.parametrize("as_child", [True, False])
def test_a_cold_start_that_fails_says_so(tmp_path, as_child) -> None:
    bad = tmp_path / "bad"
    bad.write_text("?")
    bad.chmod(0o755)
    fds = descriptors.open_fds()
    for argv in (["no-such-word"], [str(bad)]):
        with pytest.raises(OSError, match=r"not found on PATH|Exec format"):
            spawn.cold_start(argv, os.environ, str(tmp_path / "x.log"), as_child=as_child)
    assert descriptors.open_fds() == fds
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)
