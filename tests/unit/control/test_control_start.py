"""What a start leaves in the home before anything runs, and when it does not start at all."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from control_ward import Ward, wait_for, write_role

from graced.control.errors import EX_NO_SUCH_NAME, Refusal
from graced.control.start import in_time_s, prepare
from graced.home import stopping
from graced.home.environment import for_spawner
from graced.home.kept import kept_config, read_base, running_kernels
from graced.home.locks import LockRecord, take_now
from graced.home.paths import Home
from graced.posix import proc
from graced.spec.config import Config, Dependency, Kernel, Ready
from graced.spec.run import Run
from graced.store import tables
from graced.store.db import Store

SLEEP = "import time; time.sleep(600)"
KERNELS = {
    "db": Kernel("db", ("x",)),
    "api": Kernel("api", ("x",), depends_on=(Dependency("db"),)),
    "web": Kernel("web", ("x",), replicas=2),
    "manual": Kernel("manual", ("x",), autostart=False),
}


def config(home: Home) -> Config:
    return Config(home.root, kernels=KERNELS)


def prepared(home: Home, names: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> bool:
    lock = prepare(home, config(home), names, environ or {}, lambda text: None)
    if lock is None:
        return False
    lock.close()
    return True


def hold(home: Home, name: str) -> None:
    """A row of a kernel that a person stopped by name."""
    store = Store(home.db, patience_s=5.0)
    assert tables.save_kernel(store, tables.KernelRow(Run(name, 3), "stopped", stopped_by_person=True))
    store.close()


def held(home: Home) -> set[str]:
    store = Store(home.db, readonly=True, patience_s=5.0)
    try:
        return {name for name, row in tables.kernels(store).items() if row.stopped_by_person}
    finally:
        store.close()


def test_the_home_holds_all_that_members_need_for_nobody_else_to_read(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    assert prepared(home, environ={"A": "ä\udcff", "NOTIFY_SOCKET": "/x", "GRACED_KERNEL": "outer"})
    assert kept_config(home) == config(home)
    assert json.loads(Path(home.environ).read_bytes()) == {"A": "ä\udcff"}
    assert len(Path(home.key).read_bytes()) == 32
    for path in (home.config, home.environ, home.key):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(home.run).st_mode) == 0o700


def test_the_key_stays_and_the_configuration_is_the_new_one(home: Home) -> None:
    assert prepared(home)
    key = Path(home.key).read_bytes()
    lock = prepare(home, Config(home.root), (), {}, lambda text: None)
    assert lock is not None
    lock.close()
    assert Path(home.key).read_bytes() == key
    assert kept_config(home).kernels == {}


def test_with_names_only_those_and_what_they_depend_on_start_by_themselves(home: Home) -> None:
    assert prepared(home, ("api", "web.1"))
    kernels = running_kernels(kept_config(home))
    assert set(kernels) == {"db", "api", "web.0", "web.1", "manual"}
    assert {name for name, kernel in kernels.items() if kernel.autostart} == {"db", "api", "web.1"}


def test_an_unknown_name_makes_no_home(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    with pytest.raises(Refusal) as refused:
        prepared(home, ("wep",))
    assert refused.value.code == EX_NO_SUCH_NAME
    assert not (tmp_path / "home").exists()


def test_while_a_member_lives_nothing_is_prepared(home: Home, ward: Ward) -> None:
    write_role(home, "trigger", ward.python(SLEEP, holds=home.lock("trigger")))
    assert not prepared(home)
    assert not os.path.exists(home.config)


def test_what_a_person_stopped_stays_stopped_unless_all_was_stopped(home: Home) -> None:
    hold(home, "db")
    hold(home, "manual")
    assert prepared(home)
    assert held(home) == {"db", "manual"}
    assert prepared(home, ("api",))
    assert held(home) == {"manual"}
    stopping.announce(home)
    stopping.conclude(home)
    assert prepared(home)
    assert held(home) == set()


def test_restarts_count_from_the_last_incarnations(home: Home, ward: Ward) -> None:
    identity = proc.Identity(ward.python(SLEEP).pid, 1, "another-boot")
    write_role(home, "watchdog", identity, incarnation=7)
    store = Store(home.db, patience_s=5.0)
    tables.raise_to(store, "incarnation.trigger", 4)
    store.close()
    assert prepared(home)
    assert (read_base(home)["watchdog"], read_base(home)["trigger"], read_base(home)["architect"]) == (7, 4, 0)


def test_a_second_start_waits_for_the_first_and_says_so(home: Home) -> None:
    lock = take_now(os.path.join(home.root, "start.lock"), LockRecord.of(proc.me()))
    assert lock is not None
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        threading.Timer(0.05, lock.close).start()

    again = prepare(home, config(home), (), {}, tell)
    assert again is not None
    again.close()
    assert len(told) == 1 and f"pid {os.getpid()}" in told[0]


def test_a_start_waits_for_the_end_of_a_stop(home: Home, ward: Ward) -> None:
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
    ward.python(code, home.root, flag)
    wait_for(lambda: os.path.exists(flag))
    told: list[str] = []
    lock = prepare(home, config(home), (), {}, told.append)
    assert lock is not None
    lock.close()
    assert len(told) == 1
    assert not os.path.exists(home.stopping)


@pytest.mark.parametrize("place", ["file", "below a file"])
def test_a_home_that_cannot_be_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    home = Home(str(tmp_path / "file" / "home" if place == "below a file" else tmp_path / "file"))
    with pytest.raises(Refusal, match=r"cannot use .* as home: ") as refused:
        prepared(home)
    assert "\n" not in str(refused.value)


def test_in_time_is_the_longest_ready_timeout() -> None:
    assert in_time_s(Config("/home")) == 30.0
    slow = Kernel("slow", ("x",), ready=Ready(timeout_s=90.0))
    assert in_time_s(Config("/home", kernels={"slow": slow})) == 90.0


def test_the_spawner_carries_the_mark_of_its_own_home_alone(home: Home) -> None:
    environ = for_spawner(
        home, {"PATH": "/bin", "GRACED_HOME_ID": "other", "GRACED_KERNEL": "outer", "GRACED_RUN": "3"}
    )
    assert environ == {"PATH": "/bin", "GRACED_HOME_ID": home.id()}
