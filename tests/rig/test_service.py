"""What becomes of the service when it is killed, hung, restarted, stopped, rebooted: each ten times (RIG_TIMES)."""

import os
import statistics
import time
from typing import Any, Final

import pytest
from conftest import Rig

pytestmark = pytest.mark.rig

TIMES: Final = int(os.environ.get("RIG_TIMES", "10"))
READY_MS: Final = 60.0
ALONE: Final = "[Service]\nCPUSchedulingPolicy=fifo\nCPUSchedulingPriority=1\n"
"""Other work on this machine is not waited for: the time measured is what it takes, not what it waits."""

SLOW: Final = "[Service]\nRestartSec=2\nWatchdogSec=0\n"
KEEPING: Final = (
    "kill_main", "kill_members", "kill_members_and_main", "kill_all", "stop_main", "restart", "reexec",
)  # fmt: skip
NEW_MAIN: Final = ("kill_main", "kill_members_and_main", "kill_all", "stop_main", "restart")


def held(found: dict[str, Any]) -> None:
    clients = found["clients"]
    assert clients["connections"] > 0
    assert clients["refused"] == 0, clients
    assert clients["unanswered"] == 0, clients


def kept(scenario: str, found: dict[str, Any]) -> None:
    for row in found["rows"]:
        assert "error" not in row, row
        assert row["kept"], f"kernels changed: {row}"
        assert row["new_main"] == (scenario in NEW_MAIN), row
        assert row["restarts"] <= 1, f"restarted more than once: {row}"
    held(found)


@pytest.mark.parametrize("scenario", KEEPING)
def test_kernels_and_held_sockets_outlive(service: Rig, scenario: str) -> None:
    found = service.does(scenario, TIMES)
    print(f"\n{scenario}: {told(found)}")
    kept(scenario, found)


def drop_in(service: Rig, name: str, text: str) -> None:
    folder = service.root / "etc/systemd/system/graced.service.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    service.ok("systemctl", "daemon-reload")


def test_ready_follows_a_kill_within_60_ms(service: Rig) -> None:
    if service.run("chrt", "--fifo", "--pid", "2", "1").returncode:
        pytest.skip("systemd inside cannot be given precedence over other work here")
    try:
        drop_in(service, "99-alone.conf", ALONE)
        found = service.does("kill_main", 2 * TIMES)
    finally:
        service.ok("chrt", "--other", "--pid", "0", "1")
    print(f"\nalone: {told(found)}")
    kept("kill_main", found)
    assert statistics.median(row["ready_ms"] for row in found["rows"]) <= READY_MS, found


def told(found: dict[str, Any]) -> str:
    ready = sorted(row["ready_ms"] for row in found["rows"] if "ready_ms" in row)
    return f"READY p50 {statistics.median(ready):.0f} ms, max {ready[-1]:.0f} ms; {found['clients']}" if ready else ""


def test_a_kernel_that_dies_refuses_nobody(service: Rig) -> None:
    found = service.does("kill_kernel", TIMES)
    assert found["clients"]["refused"] == 0, found
    assert not [row for row in found["rows"] if "error" in row]


def test_a_stop_returns_when_nothing_is_left(service: Rig) -> None:
    found = service.does("stop", TIMES)
    assert [(row.get("left"), row.get("left_later")) for row in found["rows"]] == [(0, 0)] * TIMES, found


def test_a_stop_right_after_a_kill_leaves_nothing_a_second_later(service: Rig) -> None:
    found = service.does("stop_after_kill", TIMES)
    assert [row.get("left_later") for row in found["rows"]] == [0] * TIMES, found
    assert {row["state"] for row in found["rows"]} <= {"inactive", "failed"}


@pytest.mark.parametrize("scenario", ["kill_main", "kill_members_and_main", "stop_main"])
def test_survivors_do_it_where_systemd_is_slow_and_then_hand_over(service: Rig, scenario: str) -> None:
    """They start a spawner after the head start; systemd's own, 2 s later, finds the role held and names that one."""
    drop_in(service, "99-slow.conf", SLOW)
    kept(scenario, service.does(scenario, max(2, TIMES // 3)))


@pytest.mark.parametrize(("options", "exposure"), [(("--strict",), 3.0), (("--strict", "--own-user"), 2.1)])
def test_it_works_in_the_strict_drop_ins(service: Rig, options: tuple[str, ...], exposure: float) -> None:
    service.ok("graced", "service", "install", *options)
    found = service.ok("systemd-analyze", "security", "--no-pager", "graced")
    line = next(line for line in found.splitlines() if "Overall exposure level" in line)
    assert float(line.split(":")[1].split()[0]) <= exposure, line
    times = max(2, TIMES // 3)
    kept("kill_main", service.does("kill_main", times))
    kept("kill_members_and_main", service.does("kill_members_and_main", times))
    assert all(row["left"] == 0 for row in service.does("stop", times)["rows"])


def test_a_reboot_brings_all_back(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    for _ in range(max(1, TIMES // 5)):
        done = service.control("reboot")
        assert done.returncode == 0, done.stderr
        give_up = time.monotonic() + 30
        while service.run("systemctl", "is-active", "graced").stdout.strip() != "active":
            assert time.monotonic() < give_up, service.run("systemctl", "status", "--no-pager", "graced").stdout
            time.sleep(0.2)
        assert service.run("graced", "status").returncode == 0
        assert service.ok("systemctl", "show", "--value", "--property=NRestarts", "graced").strip() == "0"


USER: Final = """
graced service install --user
cp /opt/rig/user.yaml ~/.config/graced/graced.yaml
systemctl --user start graced
one=$(pgrep -u "$(id -u)" -x sleep)
for n in 1 2 3; do
    kill -9 "$(systemctl --user show -P MainPID graced)"
    sleep 1
    systemctl --user is-active graced
    test "$(pgrep -u "$(id -u)" -x sleep)" = "$one"
done
systemctl --user stop graced
! pgrep -u "$(id -u)" -f '^graced: '
systemctl --user start graced
kill -9 "$(systemctl --user show -P MainPID graced)"
systemctl --user stop graced
sleep 1
! pgrep -u "$(id -u)" -f '^graced: '
! pgrep -u "$(id -u)" -x sleep
graced service uninstall --user
"""


def test_a_users_own_service(page: Rig) -> None:
    page.ok("useradd", "--create-home", "rita")
    page.ok("loginctl", "enable-linger", "rita")
    bus = page.root / "run"
    give_up = time.monotonic() + 20
    while page.run("runuser", "-u", "rita", "--", "sh", "-c", "test -S /run/user/$(id -u)/bus").returncode:
        assert time.monotonic() < give_up, f"no manager of the user's in {bus}"
        time.sleep(0.1)
    page.script(USER, user="rita")
