"""docs/systemd.md as a new user would follow it: its commands, as they stand there, on a bare machine."""

import json
import time

import pytest
from conftest import Rig, commands

pytestmark = pytest.mark.rig


def test_from_nothing_to_a_service_that_survives_all_but_one(page: Rig) -> None:
    _, configure, kill = commands("From nothing to a service")
    assert "healthy · 2/2 kernels" in page.script(configure)
    before = status(page)["kernels"]
    last = page.script(kill).splitlines()
    assert any(line.startswith("healthy · 2/2 kernels") for line in last), last
    after = status(page)
    assert {name: row["pid"] for name, row in after["kernels"].items()} == {n: r["pid"] for n, r in before.items()}
    assert str(after["pid"]) == page.ok("systemctl", "show", "--value", "--property=MainPID", "graced").strip()
    page.ok("systemctl", "stop", "graced")
    assert page.run("pgrep", "-f", "^graced: ").returncode == 1


def status(page: Rig) -> dict:
    return json.loads(page.ok("graced", "status", "--json"))


def test_the_configuration_is_read_again_after_a_stop_and_a_mistake_is_told_once(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    service.ok("systemctl", "stop", "graced")
    service.script("echo 'kernel: {}' >> /etc/graced/graced.yaml")
    assert service.run("systemctl", "start", "graced").returncode != 0
    told = service.run("systemctl", "status", "--no-pager", "graced").stdout
    assert "78" in told
    assert "/etc/graced/graced.yaml:" in told, "the journal has FILE:LINE:COLUMN"
    time.sleep(1.5)
    assert service.ok("systemctl", "show", "--value", "--property=NRestarts", "graced").strip() == "0"


def test_graced_stop_leaves_an_inactive_unit(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    service.ok("graced", "stop", "--home", "/var/lib/graced")
    time.sleep(1.0)
    assert service.run("systemctl", "is-active", "graced").stdout.strip() == "inactive"
    assert service.run("pgrep", "-f", "^graced: ").returncode == 1
    service.ok("systemctl", "start", "graced")
    assert service.run("systemctl", "is-active", "graced").stdout.strip() == "active"


def test_graced_stop_of_a_hung_main_process_leaves_an_inactive_unit(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    service.script("kill -STOP $(systemctl show -P MainPID graced)\ngraced stop --home /var/lib/graced")
    time.sleep(1.5)
    assert service.run("systemctl", "is-active", "graced").stdout.strip() == "inactive"
    assert service.run("pgrep", "-f", "^graced: ").returncode == 1


def test_a_main_process_that_cannot_start_is_tried_slowly(service: Rig) -> None:
    service.script("rm -rf /var/lib/graced\nmkdir -m 700 /var/lib/graced\ntouch /var/lib/graced/run")
    service.run("timeout", "10", "systemctl", "start", "--no-block", "graced")
    time.sleep(6.0)
    count = int(service.ok("systemctl", "show", "--value", "--property=NRestarts", "graced"))
    service.run("systemctl", "stop", "graced")
    service.script("rm /var/lib/graced/run")
    assert count <= 7, "no storm"


def test_uninstall_takes_away_what_install_brought(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    said = service.script("graced service uninstall")
    assert "removed /etc/systemd/system/graced.service" in said
    assert "kept /etc/graced/graced.yaml" in said
    assert service.run("systemctl", "cat", "graced").returncode != 0
    assert service.run("pgrep", "-f", "^graced: ").returncode == 1
    service.script("graced service install")


def test_the_journal_has_fields(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    found = service.ok("journalctl", "--output=json", "--lines=1", "GRACED_KIND=kernel.started", "GRACED_KERNEL=web")
    entry = json.loads(found)
    assert entry["GRACED_MEMBER"] == "self_healing"
    assert entry["_SYSTEMD_UNIT"] == "graced.service"
    assert "kernel=web" in entry["MESSAGE"]


def test_kernels_get_nothing_that_was_said_to_graced(service: Rig) -> None:
    service.ok("systemctl", "start", "graced")
    found = service.script("tr '\\0' '\\n' < /proc/$(pgrep -xf 'sleep infinity')/environ")
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "INVOCATION_ID", "JOURNAL_STREAM", "MAINPID"):
        assert f"{name}=" not in found
