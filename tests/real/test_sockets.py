"""`sockets` of a kernel: bound before it starts, kept whoever dies; a client that connects waits and is not refused."""

import itertools
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, Final

import pytest
from support import procs
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.kernels import PYTHON
from support.witness import ROLES

SERVER: Final = """
import os, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid()), os.environ
names = os.environ["LISTEN_FDNAMES"].split(":")
assert len(names) == int(os.environ["LISTEN_FDS"]), names
listener = socket.socket(fileno=3)
while True:
    channel, _ = listener.accept()
    channel.sendall(f"{os.getpid()} {' '.join(names)}".encode())
    channel.close()
"""
GRACE_S: Final = 20.0
GROUPS: Final = [("spawner",), ("watchdog",), ("spawner", "watchdog"), ("self_healing", "spawner"), ROLES[:-1]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(*sockets: str, **keys: Any) -> dict[str, Any]:
    return {"command": [*PYTHON, SERVER], "sockets": list(sockets), **keys}


def ask(port: int) -> tuple[int, list[str]]:
    """Which process answers, and how its sockets are called."""
    with socket.create_connection(("127.0.0.1", port), timeout=GRACE_S) as channel:
        words = channel.recv(4096).decode().split()
    return int(words[0]), words[1:]


class Clients:
    """One after the other, all the time."""

    def __init__(self, port: int) -> None:
        self.port, self.made, self.over = port, 0, False
        self.faults: list[str] = []
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Clients":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.thread.join()
        assert self.made
        assert not self.faults

    def _run(self) -> None:
        while not self.over:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=GRACE_S) as channel:
                    channel.settimeout(GRACE_S)
                    channel.recv(64)
                self.made += 1
            except ConnectionResetError:
                self.made += 1  # taken by a kernel that was killed with it in its hand
            except OSError as error:
                self.faults.append(repr(error))
            time.sleep(0.001)


def serving(make: Make, port: int) -> Graced:
    graced = make({"web": server(f"127.0.0.1:{port}")})
    graced.start()
    return graced


def test_a_kernel_gets_its_sockets_as_sd_listen_fds_says(make: Make, folder: Path) -> None:
    first, second, path = free_port(), free_port(), folder / "a.sock"
    graced = make({"web": server(f"127.0.0.1:{first}", str(second), str(path))})
    graced.start()
    assert ask(first) == (graced.pid("web"), [f"127.0.0.1_{first}", str(second), str(path)])
    fds = {name: os.readlink(f"/proc/{graced.pid('web')}/fd/{name}") for name in ("3", "4", "5")}
    assert all(link.startswith("socket:") for link in fds.values())
    socket.create_connection(("127.0.0.1", second)).close()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(path))
    graced.stop_and_prove()


def test_it_has_an_effect_so_no_warning_is_given(make: Make) -> None:
    graced = make({"web": server(f"127.0.0.1:{free_port()}")})
    assert "sockets" not in graced.start().err
    graced.stop_and_prove()


def test_a_client_waits_while_the_kernel_is_killed_over_and_over(make: Make) -> None:
    port = free_port()
    graced = serving(make, port)
    with Clients(port):
        for _ in range(4):
            web = graced.kernel("web")
            os.kill(web.pid, signal.SIGKILL)
            until(lambda web=web: graced.pid("web") not in (0, web.pid), 10.0, graced.story)  # type: ignore[misc]
    assert ask(port)[0] == graced.pid("web")
    graced.stop_and_prove()


def test_a_client_waits_while_the_kernel_is_restarted(make: Make) -> None:
    port = free_port()
    graced = serving(make, port)
    with Clients(port):
        graced.ok("restart", "web")
    assert ask(port)[0] == graced.pid("web")
    graced.stop_and_prove()


@pytest.mark.parametrize("roles", GROUPS, ids="+".join)
def test_a_socket_outlives(make: Make, roles: tuple[str, ...]) -> None:
    """Its kernel too: the next run must get the very same socket from whoever has come back."""
    port = free_port()
    graced = serving(make, port)
    with Clients(port):
        newer = {role: graced.incarnations_of(role) for role in roles}
        graced.kill(*roles)
        graced.await_healthy(10.0, newer=newer)
        web = graced.kernel("web")
        os.kill(web.pid, signal.SIGKILL)
        until(lambda: graced.pid("web") not in (0, web.pid), 10.0, graced.story)
        assert ask(port)[0] == graced.pid("web")
    graced.stop_and_prove()


@pytest.mark.parametrize("kept", ["watchdog", "kernel"])
def test_a_new_spawner_has_it_from_whoever_is_left(make: Make, kept: str) -> None:
    """The kernel dies with the spawner: then the watchdog has it. The watchdog is stopped: then it is taken from it."""
    port = free_port()
    graced = serving(make, port)
    web, before = graced.kernel("web"), graced.incarnations_of("spawner")
    with Clients(port):
        if kept == "watchdog":
            os.kill(web.pid, signal.SIGKILL)
            graced.kill("spawner")
        else:
            graced.kill("spawner", "watchdog")
        graced.await_healthy(10.0, newer={"spawner": before})
        assert ask(port)[0] == graced.pid("web")
    if kept == "kernel":
        assert graced.kernel("web") == web, "it was adopted"
    graced.stop_and_prove()


def test_replicas_share_their_socket(make: Make) -> None:
    port = free_port()
    graced = make({"web": server(f"127.0.0.1:{port}", replicas=2)})
    graced.start()
    pids = {graced.pid("web.0"), graced.pid("web.1")}
    answered = {ask(port)[0] for _ in itertools.repeat(None, 60)}
    assert answered <= pids
    graced.stop_and_prove()


def test_an_address_in_use_is_told_in_one_line(make: Make) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        graced = make({"web": server(f"127.0.0.1:{port}", restarts={"max_restarts": 1, "window": "10s"})})
        graced.witness.start()
        graced.run("start")
        found = graced.status()["kernels"]["web"]
        assert f"127.0.0.1:{port}: Address already in use" in found["reason"], found
    graced.stop_and_prove()


def test_after_a_stop_nothing_listens(make: Make) -> None:
    port = free_port()
    graced = serving(make, port)
    watchdog = graced.member("watchdog")
    graced.stop_and_prove()
    assert not procs.alive(watchdog)
    with pytest.raises(ConnectionRefusedError):
        ask(port)
