import os
import signal
import time
import uuid

import pytest

from graced.posix import proc, scan, tree
from graced.posix.clock import monotonic
from graced.posix.tree import TreeKill

LIFE_S = 30
"""No process here outlives it, whatever happens to the test."""

IGNORES_TERM = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0: break
time.sleep({LIFE_S})
"""
DAEMON = f"""
import os, time
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep({LIFE_S})
        os._exit(0)
    os.wait()
time.sleep({LIFE_S})
"""
WASHED = f"""
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "{LIFE_S}"], {{}})
    os._exit(0)
os.wait()
time.sleep({LIFE_S})
"""
STOPPED = f"""
import os, signal, time
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
time.sleep({LIFE_S})
"""
COMET_S = 5.0
COMET = f"""
import os, sys, time
end = time.monotonic() + {COMET_S}
trail = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while time.monotonic() < end:
    os.setsid() if os.getpid() != os.getsid(0) else None
    os.write(trail, b".")
    if os.fork():
        os._exit(0)
"""

# What runs a tree as its subreaper, in a process of its own: argv is the code of the tree, a file it may write, how
# many processes to wait for.
SUBREAPER = """
import json, os, signal, sys, time
from graced.posix import proc, spawn, tree
from graced.posix.clock import monotonic
code, trail, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
tags = {"GRACED_HOME_ID": "h", "GRACED_KERNEL": "web", "GRACED_RUN": "7"}
proc.set_subreaper()
def start(code, **more):
    env = dict(os.environ) | tags | more
    return spawn.launch(spawn.Launch(name="k", argv=[sys.executable, "-c", code, trail], env=env, log_fd=2))
bystander = start("import time; time.sleep(30)", GRACED_KERNEL="other")
pid = start(code)
end = time.monotonic() + 20
while len([p for p in proc.descendants(os.getpid()) if p != bystander]) < count:
    assert time.monotonic() < end
if count == 0:
    while not os.path.exists(trail) or os.path.getsize(trail) < 50: assert time.monotonic() < end
kill = tree.TreeKill(proc.identify(pid), tags, sid=pid, subreaper=True, spare=lambda p: p == bystander)
began = monotonic()
steps = 1
while not kill.step(monotonic()):
    steps += 1
    assert monotonic() - began < 4, kill.survivors()
    time.sleep(0.001)
took_s = monotonic() - began
assert proc.own_children() == [bystander], "the proof is that no other child is left"
assert kill.survivors() == [] and not kill.stuck(monotonic() + 60)
assert proc.status(proc.identify(bystander)) != "zombie"
os.kill(bystander, 9); os.waitpid(bystander, 0)
print(json.dumps({"took_s": took_s, "steps": steps, "exit": kill.exits.get(pid)}))
"""


@pytest.fixture
def tags() -> dict[str, str]:
    return {"GRACED_HOME_ID": uuid.uuid4().hex, "GRACED_KERNEL": "web", "GRACED_RUN": "7"}


@pytest.fixture
def trail(tmp_path) -> str:
    return str(tmp_path / "trail")


@pytest.fixture
def grown(nursery, until, tags, trail):
    """A tree of that code, once it has so many living processes; each will be ended with the test."""

    def grow(code: str, count: int, **wish: object) -> proc.Identity:
        pid = nursery.python(code, trail, env=tags, **wish)
        root = proc.identify(pid)
        assert root is not None
        until(lambda: len(scan.members_of(tags, pid, root)) >= count)
        for member in scan.members_of(tags, pid, root):
            if proc.alive(member):  # a process in the middle of a double fork ends by itself
                nursery.adopt(member.pid)
        return root

    return grow


def _end(kill: TreeKill, within_s: float = 10.0) -> float:
    began = monotonic()
    while not kill.step(monotonic()):
        assert monotonic() - began < within_s, kill.survivors()
        time.sleep(0.002)
    return monotonic() - began


@pytest.mark.parametrize(("code", "count"), [(IGNORES_TERM, 4), (DAEMON, 3), (STOPPED, 2)])
def test_a_tree_of_another_parent_is_found_by_its_marks_and_ended(grown, tags, code, count) -> None:
    root = grown(code, count)
    members = scan.members_of(tags)
    assert len(members) == count
    kill = TreeKill(root, tags, sid=root.pid)
    _end(kill)
    assert not any(proc.alive(member) for member in members)
    assert kill.survivors() == []


@pytest.mark.parametrize(
    ("code", "count"), [(IGNORES_TERM, 4), (DAEMON, 3), (STOPPED, 2), (WASHED, 2), ("import os", 0)]
)
def test_a_subreaper_ends_its_tree_and_nothing_else(run_script, trail, code, count) -> None:
    if count == 0:
        code = f"import sys, time\nopen(sys.argv[1], 'w').write('.' * 50)\ntime.sleep({LIFE_S})"
    run_script(SUBREAPER, code, trail, str(count))


def _is_quiet(trail: str) -> bool:
    size = os.path.getsize(trail)
    time.sleep(0.3)
    return os.path.getsize(trail) == size


def test_a_subreaper_catches_a_comet(run_script, trail) -> None:
    run_script(SUBREAPER, COMET, trail, "0")
    assert _is_quiet(trail)


def test_scans_catch_a_comet(nursery, until, tags, trail) -> None:
    root = nursery.adopt(nursery.python(COMET, trail, env=tags))
    until(lambda: os.path.exists(trail) and os.path.getsize(trail) > 50)
    began = monotonic()
    _end(TreeKill(root, tags, sid=root.pid), within_s=COMET_S - 1)
    assert monotonic() - began < COMET_S - 1, "it would have ended by itself"
    assert _is_quiet(trail)


def test_what_washed_off_every_mark_is_found_while_its_parent_lives(nursery, until, tags) -> None:
    pid = nursery.launch("sh", "-c", f"env -i setsid sleep {LIFE_S} & wait", env=tags)
    root = proc.identify(pid)
    until(lambda: any(proc.environ(below) == {} and proc.session_of(below) != pid for below in proc.descendants(pid)))
    below = [nursery.adopt(each) for each in proc.descendants(pid)]
    _end(TreeKill(root, tags, sid=pid))
    assert not any(proc.alive(each) for each in below)


def test_a_session_is_a_mark(nursery, until, tags) -> None:
    pid = nursery.launch("sh", "-c", f"env -i sleep {LIFE_S} &", env=tags)
    root = nursery.adopt(pid)
    os.waitpid(pid, 0)
    until(lambda: scan.members_of({}, sid=pid, root=root))
    (orphan,) = scan.members_of({}, sid=pid, root=root)
    nursery.adopt(orphan.pid)
    until(lambda: proc.slurp(f"/proc/{orphan.pid}/comm") == b"sleep\n")
    assert scan.members_of(tags, sid=None, root=root) == []
    _end(TreeKill(root, tags, sid=pid))
    assert not proc.alive(orphan)


def test_a_session_number_that_was_reused_is_no_mark(grown, tags) -> None:
    root = grown(IGNORES_TERM, 4)
    older = proc.Identity(root.pid, root.start_ticks - 1, root.boot_id)
    assert scan.members_of({}, sid=root.pid, root=older) == []
    of_another_boot = proc.Identity(root.pid, root.start_ticks, "another")
    assert scan.members_of({}, sid=root.pid, root=of_another_boot) == []


def test_another_run_and_another_home_are_left_alone(nursery, grown, tags) -> None:
    others = [
        nursery.adopt(nursery.launch("sleep", "60", env=tags | change))
        for change in ({"GRACED_RUN": "8"}, {"GRACED_KERNEL": "db"}, {"GRACED_HOME_ID": "another"})
    ]
    others.append(nursery.adopt(nursery.launch("sleep", "60")))
    root = grown(IGNORES_TERM, 4)
    _end(TreeKill(root, tags, sid=root.pid))
    assert all(proc.alive(other) for other in others)


def test_what_is_older_than_the_root_is_no_member(nursery, until, tags) -> None:
    first = nursery.adopt(nursery.launch("sleep", "60", env=tags))
    until(lambda: proc.me() and monotonic() * 100 > 0 and _ticks_now() > first.start_ticks + 1)
    root = nursery.adopt(nursery.launch("sleep", "60", env=tags))
    until(lambda: len(scan.members_of(tags)) == 2)  # its environment shows once its exec is done
    assert scan.members_of(tags, root=root) == [root]
    assert scan.members_of(tags) == [root, first], "newest first"


def _ticks_now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def test_nothing_to_go_by_is_nobody() -> None:
    assert scan.members_of({}) == []
    assert TreeKill(None, {}).step(monotonic()) in (True, False)


def test_who_is_spared_is_spared(grown, nursery, tags) -> None:
    root = grown(IGNORES_TERM, 4)
    spared = proc.children(root.pid)[0]
    identity = proc.identify(spared)
    assert identity is not None
    _end(TreeKill(root, tags, sid=root.pid, spare=lambda pid: pid == spared))
    assert proc.alive(identity)


def test_a_tree_that_is_gone_is_empty_at_once_on_a_quiet_machine_and_soon_on_any(nursery, tags) -> None:
    pid = nursery.launch("true", env=tags)
    root = proc.identify(pid)
    os.waitpid(pid, 0)
    assert _end(TreeKill(root, tags, sid=pid)) < 5


def test_a_birth_elsewhere_puts_the_proof_off(monkeypatch, until, tags) -> None:
    """With a birth at every look it takes QUIET_S and QUIET_SWEEPS; without any, one step."""
    births = iter(range(10_000, 30_000))
    monkeypatch.setattr(tree, "last_pid", lambda: next(births))
    monkeypatch.setattr(tree, "STEP_S", 0.0)
    kill = TreeKill(None, tags)
    assert [kill.step(now) for now in (0.0, 0.2, 0.29, 0.31)] == [False, False, False, True]
    few = TreeKill(None, tags)
    assert [few.step(0.0), few.step(9.0)] == [False, True]
    monkeypatch.setattr(tree, "last_pid", lambda: 7)
    until(lambda: TreeKill(None, tags).step(0.0))  # a process in the middle of its exec, anywhere, makes it look again
    monkeypatch.setattr(tree, "last_pid", lambda: None)
    assert not TreeKill(None, tags).step(0.0), "where births cannot be seen there is no quick proof"


def test_one_in_the_middle_of_its_exec_puts_the_proof_off(nursery, until, tags, monkeypatch) -> None:
    """There the kernel shows neither words nor environment; one with an empty environment alone shows its words."""
    pid = nursery.launch("env", "-i", "sleep", "60")
    until(lambda: proc.environ(pid) == {} and b"sleep" in proc.slurp(f"/proc/{pid}/cmdline"))
    belonging = scan.Belonging(None, tags)
    stat = proc.read_stat(pid)
    assert stat is not None
    assert belonging._marked(stat) is False
    monkeypatch.setattr(scan, "_in_exec", lambda p: p == pid)
    assert belonging._marked(stat) is None
    assert belonging.scan().unsure
    assert not TreeKill(None, tags).step(0.0)


def test_what_does_not_die_is_stuck_after_ten_seconds(nursery, grown, tags, monkeypatch) -> None:
    monkeypatch.setattr(tree, "send", lambda fd, sig: True)
    root = grown(f"import time; time.sleep({LIFE_S})", 1)
    kill = TreeKill(root, tags)
    assert not kill.step(100.0)
    assert kill.survivors() == [root]
    assert not kill.step(109.0)
    assert not kill.stuck(109.9)
    assert kill.stuck(110.0)
    proc.signal_identity(root, signal.SIGKILL)
    os.waitpid(root.pid, 0)
    assert not kill.stuck(111.0)
    _end(kill)


def test_a_kernel_is_found_by_its_log(nursery, until, tmp_path) -> None:
    path = str(tmp_path / "web.log")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    inode = scan.inode_of(path)
    assert inode is not None
    assert scan.find_by_log(inode) == []
    both = nursery.launch("env", "-i", "sleep", "60", log_fd=fd)
    only_err = nursery.launch("sh", "-c", "exec sleep 60 >/dev/null", log_fd=fd)
    os.close(fd)
    until(lambda: len(os.readlink(f"/proc/{only_err}/exe")) and proc.slurp(f"/proc/{only_err}/comm") == b"sleep\n")
    assert sorted(scan.find_by_log(inode)) == sorted([both, only_err])
    assert scan.inode_of(path + "x") is None


# --- cgroup


def _cgroup2() -> str | None:
    with open("/proc/self/mountinfo") as file:
        for line in file:
            if " - cgroup2 " in line:
                return line.split()[4]
    return None


@pytest.fixture
def cgroup(tags):
    mount = _cgroup2()
    if mount is None or not os.access(mount, os.W_OK):
        pytest.skip("needs a writable cgroup2")
    folder = os.path.join(mount, f"graced-test-{tags['GRACED_HOME_ID']}")
    try:
        os.mkdir(folder)
    except OSError as error:
        pytest.skip(f"needs a writable cgroup2: {error}")
    yield folder
    os.rmdir(folder)


def test_a_cgroup_is_ended_as_one(grown, cgroup, tags, trail, until) -> None:
    code = f"import sys\nopen(sys.argv[2] + '/cgroup.procs', 'w').write('0')\n{IGNORES_TERM}"
    root = grown(f"import sys\nsys.argv.append({cgroup!r})\n{code}", 4)
    until(lambda: len(proc.slurp(f"{cgroup}/cgroup.procs").split()) == 4)
    members = scan.members_of(tags)
    assert _end(TreeKill(root, {}, cgroup=cgroup)) < 5
    assert not any(proc.alive(member) for member in members)


def test_a_cgroup_that_is_not_there_leaves_the_other_proofs(grown, tags, tmp_path) -> None:
    root = grown(IGNORES_TERM, 4)
    members = scan.members_of(tags)
    _end(TreeKill(root, tags, sid=root.pid, cgroup=str(tmp_path / "nowhere")))
    assert not any(proc.alive(member) for member in members)


def test_pids_are_ordered_by_birth_around_the_circle(monkeypatch) -> None:
    monkeypatch.setattr(scan, "pid_max", lambda: 1000)
    monkeypatch.setattr(scan, "last_pid", lambda: 5)
    assert scan.newest_first([1, 4, 5, 6, 900, 999]) == [5, 4, 1, 999, 900, 6]
    assert scan.born_between(998, 3, 100) == [3, 2, 999]
    assert scan.born_between(5, 5, 100) == []
    assert scan.born_between(6, 5, 3) == [5, 4, 3]
    monkeypatch.setattr(scan, "last_pid", lambda: None)
    assert scan.newest_first([1, 900, 4]) == [900, 4, 1]


def test_number_0_is_nobody_of_ours() -> None:
    """A process from outside of the pid namespace (docker exec, nsenter) has session 0 and parent 0."""
    nobody = proc.Identity(0, 0, proc.boot_id())
    assert scan.members_of({}, sid=0, root=nobody) == []
    tree = TreeKill(nobody, {}, sid=0)
    assert tree.step(monotonic()) or tree.survivors() == []
