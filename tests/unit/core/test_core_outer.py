"""What systemd is told, and what its stop means."""

import pytest
from msgspec.structs import replace

from graced.core import outer
from graced.core.intensity import Policy
from graced.core.state import State, new_state
from graced.core.vocabulary import Timing
from graced.members.linux.supervisor import job_of

LISTED = "123 graced.service {} running\n"


def state(**watchdog: object) -> State:
    made = new_state("spawner", 1, 1, Timing(1.0, 30.0, 10.0, 60.0), Policy(), {}, 0.0)
    return replace(made, peers={**made.peers, "watchdog": replace(made.peers["watchdog"], **watchdog)})


@pytest.mark.parametrize(
    ("job", "wish"),
    [("stop", "end"), ("restart", "leave"), ("try-restart", "leave"), ("", "again"), ("unknown", "leave")],
)
def test_a_sigterm_means_what_the_unit_s_job_says(job: str, wish: str) -> None:
    assert outer.wish_of(job) == wish


@pytest.mark.parametrize(
    ("listing", "job"),
    [
        (LISTED.format("stop"), "stop"),
        (LISTED.format("restart"), "restart"),
        ("", ""),
        ("No jobs running.\n", ""),
        ("7 other.service stop waiting\n" + LISTED.format("stop"), "stop"),
        ("what is this", "unknown"),
    ],
)
def test_the_job_is_read_from_what_systemctl_lists(listing: str, job: str) -> None:
    assert job_of("graced.service", listing) == job


def test_a_healthy_watchdog_lets_the_spawner_feed() -> None:
    assert outer.feeds(state(state="healthy"), 100.0)
    assert outer.feeds(state(state="suspect"), 100.0)


def test_a_dead_watchdog_that_nobody_replaces_does_not() -> None:
    dead = state(state="down", evidence="exit", down_at=100.0)
    assert outer.feeds(dead, 100.0), "its survivors have their turns"
    assert not outer.feeds(dead, 100.0 + outer.REPLACED_INTERVALS + 0.1)
    assert outer.feeds(replace(dead, stopping=True), 1000.0), "a stop takes as long as its kernels do"
