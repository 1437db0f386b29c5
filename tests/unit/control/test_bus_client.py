"""Asking members from outside: all at once, never longer than allowed, never whoever cannot answer."""

import signal
import time
from pathlib import Path

from control_ward import FakeMember, Ward, wait_for, write_role

from graced.bus.client import ask, ask_many
from graced.bus.protocol import Reply
from graced.home.paths import Home
from graced.posix import proc

LIMIT_S = 0.4
SLACK_S = 5.0
"""For a machine that is busy with other tests."""


def test_an_answer_comes_back_with_its_data(home: Home) -> None:
    member = FakeMember(home, "watchdog", {"status": lambda args: {"echo": args["x"]}})
    try:
        reply = ask(home, "watchdog", "status", {"x": 1}, SLACK_S, incarnation=7)
    finally:
        member.close()
    assert reply is not None and reply.ok and reply.data == {"echo": 1}
    asked = member.asked[0]
    assert (asked.sender, asked.incarnation) == ("cli", 7)
    assert asked.deadline > 0


def test_each_command_has_an_id_of_its_own(home: Home) -> None:
    member = FakeMember(home, "watchdog", {"status": lambda args: {}})
    try:
        for _ in range(3):
            assert ask(home, "watchdog", "status", {}, SLACK_S)
    finally:
        member.close()
    assert len({asked.id for asked in member.asked}) == 3


def test_a_refusal_is_an_answer(home: Home) -> None:
    member = FakeMember(home, "watchdog", {"resign": lambda args: Reply("", False, error="no")})
    try:
        reply = ask(home, "watchdog", "resign", {}, SLACK_S)
    finally:
        member.close()
    assert reply is not None and (reply.ok, reply.error) == (False, "no")


def test_one_that_hangs_costs_the_limit_once_and_no_other_answer(home: Home) -> None:
    members = [
        FakeMember(home, "watchdog", {"status": lambda args: {"me": 1}}),
        FakeMember(home, "trigger", {}),
        FakeMember(home, "architect", {}),
    ]
    began = time.monotonic()
    try:
        found = ask_many(home, {m: ("status", {}) for m in ("watchdog", "trigger", "architect")}, LIMIT_S)
    finally:
        for member in members:
            member.close()
    assert set(found) == {"watchdog"}
    assert LIMIT_S * 0.9 <= time.monotonic() - began < SLACK_S


def test_the_dead_and_the_stopped_are_not_waited_for(home: Home, ward: Ward) -> None:
    stopped = ward.python("import time; time.sleep(600)", holds=home.lock("watchdog"))
    proc.signal_identity(stopped, signal.SIGSTOP)
    wait_for(lambda: proc.status(stopped) == "stopped")
    write_role(home, "watchdog", stopped)
    write_role(home, "trigger", proc.Identity(stopped.pid, 1, stopped.boot_id))  # an earlier process of this pid
    began = time.monotonic()
    assert ask_many(home, {m: ("status", {}) for m in ("watchdog", "trigger", "parliament")}, 30.0) == {}
    assert time.monotonic() - began < SLACK_S


def test_a_socket_file_that_nobody_serves_is_given_up_in_time(home: Home) -> None:
    write_role(home, "watchdog", proc.me())
    Path(home.socket_file("watchdog", "cmd")).touch()
    began = time.monotonic()
    assert ask(home, "watchdog", "status", {}, LIMIT_S) is None
    assert time.monotonic() - began < SLACK_S


def test_a_home_with_a_long_path(tmp_path: Path) -> None:
    home = Home(str(tmp_path / ("x" * 120)))
    home.ensure()
    member = FakeMember(home, "watchdog", {"status": lambda args: {}})
    try:
        assert ask(home, "watchdog", "status", {}, SLACK_S) is not None
    finally:
        member.close()


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert ask(Home(str(tmp_path / "none")), "watchdog", "status", {}, LIMIT_S) is None
