import os
import shutil
import stat

import pytest
import zmq

from graced.home.paths import SUN_PATH_BYTES, Home

SPEAKER = """
import sys, zmq
from graced.home.paths import Home
context = zmq.Context()
socket = context.socket(zmq.PUSH)
socket.connect(Home(sys.argv[1]).endpoint("watchdog", "cmd"))
socket.send(b"hello")
socket.close(5000)
context.term()
"""


def _long(tmp_path) -> str:
    return str(tmp_path / ("long" * 40) / "home")


@pytest.fixture
def pull():
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.linger = 0
    socket.rcvtimeo = 20_000
    yield socket
    socket.close()
    context.term()


def test_the_limit_is_that_of_libzmq() -> None:
    assert SUN_PATH_BYTES == zmq.IPC_PATH_MAX_LEN


def test_the_paths_are_where_the_contract_puts_them(tmp_path) -> None:
    home = Home(f"{tmp_path}/x/../home/")
    root = f"{tmp_path}/home"
    assert home.root == root
    assert home.lock("watchdog") == f"{root}/run/watchdog.lock"
    assert home.restart_lock("watchdog") == f"{root}/run/watchdog.restart.lock"
    assert home.log("web") == f"{root}/logs/web.log"
    assert home.db == f"{root}/state.db"
    assert home.stopping == f"{root}/run/stopping"
    assert home.slot("web") == f"{root}/kernels/web.slot"


def test_folders_are_private(tmp_path) -> None:
    home = Home(str(tmp_path / "deep" / "home"))
    home.ensure()
    os.chmod(home.run, 0o777)
    home.ensure()
    for folder in (home.root, home.run, home.audit, home.logs, home.kernels):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_a_home_that_exists_keeps_its_mode(tmp_path) -> None:
    tmp_path.chmod(0o755)
    Home(str(tmp_path)).ensure()
    assert stat.S_IMODE(os.stat(tmp_path).st_mode) == 0o755


def test_a_home_that_cannot_be_made_is_an_oserror(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        Home(str(tmp_path / "file" / "home")).ensure()


def test_the_id_is_random_private_and_stays(tmp_path) -> None:
    homes = [Home(str(tmp_path / name)) for name in "ab"]
    for each in homes:
        each.ensure()
    first, other = (each.id() for each in homes)
    assert len(first) == 32 and first != other
    assert Home(homes[0].root).id() == first
    assert stat.S_IMODE(os.stat(homes[0].id_path).st_mode) == 0o600


def test_an_emptied_id_is_made_anew(tmp_path) -> None:
    (tmp_path / "id").write_text("")
    made = Home(str(tmp_path)).id()
    assert len(made) == 32
    assert Home(str(tmp_path)).id() == made


@pytest.mark.parametrize("extra", [0, 1])
def test_the_last_path_that_fits_is_used_as_it_is(tmp_path, pull, extra) -> None:
    fixed = len(f"{tmp_path}//run/watchdog.cmd")
    home = Home(str(tmp_path / ("h" * (SUN_PATH_BYTES - fixed + extra))))
    home.ensure()
    address = home.endpoint("watchdog", "cmd")
    assert address.startswith("ipc:///proc/self/fd/") == bool(extra)
    pull.bind(address)
    assert os.path.exists(home.socket_file("watchdog", "cmd"))


@pytest.mark.parametrize("long", [False, True])
def test_two_processes_meet_in_a_home_of_any_length(tmp_path, pull, run_script, long) -> None:
    home = Home(_long(tmp_path) if long else str(tmp_path / "h"))
    home.ensure()
    for _ in range(2):  # a stale socket file is no obstacle
        pull.bind(home.endpoint("watchdog", "cmd"))
        run_script(SPEAKER, home.root)
        assert pull.recv() == b"hello"
        pull.unbind(home.endpoint("watchdog", "cmd"))


def test_after_run_was_remade_the_old_address_leads_into_the_new_one(tmp_path, pull) -> None:
    home = Home(_long(tmp_path))
    home.ensure()
    address = home.endpoint("watchdog", "cmd")
    shutil.rmtree(home.run)
    with pytest.raises(zmq.ZMQError):
        pull.bind(address)
    home.ensure()
    home.reopen_run()
    assert home.endpoint("watchdog", "cmd") == address
    pull.bind(address)
    assert os.path.exists(home.socket_file("watchdog", "cmd"))
    assert not os.get_inheritable(int(address.split("/")[-2]))


def test_a_short_home_needs_no_descriptor(tmp_path) -> None:
    home = Home("/h")
    home.endpoint("watchdog", "hb")
    home.reopen_run()
    assert home.socket_path("watchdog", "hb") == "/h/run/watchdog.hb"
