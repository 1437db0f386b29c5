"""`graced start` and `graced stop`: from nothing to nothing."""

from support.fixtures import COUNTERS
from support.home import Graced
from support.witness import ROLES


def test_a_started_home_is_healthy_and_each_member_is_one_titled_process(graced: Graced) -> None:
    code, status = graced.told()
    assert (code, status["healthy"], status["mode"]) == (0, True, "normal")
    for role in ROLES:
        assert [i.pid for i in graced.witness.alive_of(role)] == [status["members"][role]["pid"]]
    assert {name: row["state"] for name, row in status["kernels"].items()} == dict.fromkeys(COUNTERS, "ready")
