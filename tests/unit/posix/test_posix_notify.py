"""What is said to systemd, and what is understood of it."""

import os
import socket
from pathlib import Path
from typing import Final

import pytest

from graced.posix import notify

SYSTEM: Final = "0::/system.slice/graced.service\n"
BELOW: Final = "0::/system.slice/graced.service/kernels/web\n"
USER: Final = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/graced.service\n"
HYBRID: Final = "12:pids:/x\n1:name=systemd:/system.slice/graced.service\n0::/init.scope\n"
NONE: Final = "0::/user.slice/user-0.slice/session-1.scope\n"


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        (SYSTEM, ("graced.service", False)),
        (BELOW, ("graced.service", False)),
        (USER, ("graced.service", True)),
        (HYBRID, ("graced.service", False)),
        (NONE, None),
        ("", None),
    ],
)
def test_the_unit_is_read_from_the_cgroup(cgroup: str, unit: tuple[str, bool] | None) -> None:
    assert notify.unit(cgroup) == unit


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_said_arrives_whole_with_its_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@graced-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        reader, writer = os.pipe()
        assert notify.say("FDSTORE=1", "FDNAME=web", fds=(reader,))
        text, fds, _, _ = socket.recv_fds(receiver, 100, 4)
        assert text == b"FDSTORE=1\nFDNAME=web"
        os.write(writer, b"x")
        assert os.read(fds[0], 1) == b"x"
        for fd in (reader, writer, *fds):
            os.close(fd)


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "@graced-nobody-listens"])
def test_nobody_who_listens_is_no_error(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert notify.say("READY=1") is False


@pytest.mark.parametrize(("usec", "found"), [("3000000", 3.0), ("0", None), ("x", None), ("", None)])
def test_the_watchdog_s_time(monkeypatch: pytest.MonkeyPatch, usec: str, found: float | None) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", "1")  # of a predecessor
    assert notify.watchdog_s() == found
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert notify.watchdog_s() is None


def test_descriptors_for_another_process_are_not_ours() -> None:
    assert notify.received({"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b"}) == {}
    assert notify.received({"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())}) == {}
    assert notify.received({}) == {}
