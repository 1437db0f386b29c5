"""The restart machine: lock, look again, kill, wait for the death, give birth, wait for the heartbeat. Each refusal."""

from core_kit import NOW, TIMING, beat

from graced.core import liveness, restart
from graced.core.liveness import Peer
from graced.core.restart import BIRTHS, Restart
from graced.core.vocabulary import (
    Birth,
    Born,
    Died,
    DropLock,
    Event,
    Kill,
    LockBusy,
    LockTaken,
    TakeLock,
    TreeDead,
    Unborn,
    Watch,
)

PID, TICKS = 50, 500


def peer(**changes: object) -> Peer:
    from msgspec.structs import replace

    known, _ = liveness.hear(Peer("trigger"), beat("trigger", pid=PID), NOW)
    return replace(known, **changes)


DOWN = peer(state="down", evidence="exit")
STOPPED = peer(state="down", evidence="stopped", start_ticks=TICKS)


def begun(dead: int = 1, *, force: bool = False) -> Restart:
    attempt, actions = restart.begin("trigger", "r", dead, force)
    assert actions == (TakeLock("trigger"),)
    return attempt


def react(attempt: Restart, event: Event, about: Peer = DOWN) -> tuple[Restart, tuple[object, ...]]:
    return restart.react(attempt, event, about, TIMING, NOW)


def taken(incarnation: int, status: str, pid: int = PID, *, stopping: bool = False) -> LockTaken:
    return LockTaken("trigger", pid, TICKS, incarnation, status, stopping)


def birthing() -> Restart:
    attempt, actions = react(begun(), taken(1, "gone"))
    assert actions == (Birth("trigger", "r", 1, False),)
    return attempt


def awaiting(pid: int = 99) -> Restart:
    attempt, actions = react(birthing(), Born("trigger", pid, 990))
    assert (attempt.phase, actions) == ("awaiting", (Watch("trigger", pid, 990),))
    return attempt


def test_a_dead_member_is_followed_at_once() -> None:
    assert birthing().phase == "birthing"


def test_a_stopped_one_is_killed_and_known_dead_before_the_birth() -> None:
    attempt, actions = react(begun(), taken(1, "stopped"), STOPPED)
    assert (attempt.phase, actions) == ("killing", (Kill("trigger", PID, TICKS),))
    assert react(attempt, TreeDead("trigger", 51), STOPPED) == (attempt, ())
    attempt, actions = react(attempt, TreeDead("trigger", PID), STOPPED)
    assert actions == (Birth("trigger", "r", 1, False),)


def test_the_look_under_the_lock_finds_it_brought_back() -> None:
    attempt, actions = react(begun(), taken(2, "running", pid=70))
    assert (attempt.phase, attempt.pid, actions) == ("awaiting", 70, ())


def test_what_is_known_to_be_down_is_not_taken_for_brought_back() -> None:
    attempt, actions = react(begun(), taken(2, "stopped"), peer(state="down", evidence="stopped", incarnation=2))
    assert isinstance(actions[0], Kill)
    assert attempt.dead == 2


def test_a_member_that_is_well_again_by_itself_is_left_alone() -> None:
    attempt, actions = react(begun(), taken(1, "running"), peer())
    assert (attempt.phase, actions) == ("done", (DropLock("trigger"),))


def test_a_newborn_that_was_stopped_before_it_took_its_role_is_killed_first() -> None:
    newborn = peer(state="down", evidence="stopped", pid=70, start_ticks=700, heard=False)
    _, actions = react(begun(), taken(1, "gone"), newborn)
    assert actions == (Kill("trigger", 70, 700),)


def test_a_stop_of_graced_is_obeyed_under_the_lock() -> None:
    attempt, actions = react(begun(), taken(1, "gone", stopping=True))
    assert (attempt.phase, actions) == ("failed", (DropLock("trigger"),))


def test_a_busy_lock_is_tried_again_after_a_pause() -> None:
    attempt, actions = react(begun(), LockBusy("trigger"))
    assert (attempt.phase, actions) == ("locking", ())
    assert restart.advance(attempt, DOWN, TIMING, NOW) == (attempt, ())
    _, actions = restart.advance(attempt, DOWN, TIMING, NOW + 0.01)
    assert actions == (TakeLock("trigger"),)


def test_a_lost_request_is_sent_again_and_a_refused_one_ends_the_attempt() -> None:
    lost, _ = react(birthing(), Unborn("trigger", "no answer"))
    _, actions = restart.advance(lost, DOWN, TIMING, NOW + 0.01)
    assert actions == (Birth("trigger", "r", 1, False),)
    refused, actions = react(birthing(), Unborn("trigger", "exit code 1", NOW + 30))
    assert (refused.phase, refused.text, actions) == ("failed", "exit code 1", (DropLock("trigger"),))


def test_it_is_done_when_the_newborn_is_heard_to_be_healthy() -> None:
    risen, _ = liveness.hear(DOWN, beat("trigger", 2, pid=99), NOW)
    attempt, actions = restart.advance(awaiting(), risen, TIMING, NOW)
    assert (attempt.phase, actions) == ("done", (DropLock("trigger"),))
    starting, _ = liveness.hear(DOWN, beat("trigger", 2, pid=99, phase="starting"), NOW)
    assert restart.advance(awaiting(), starting, TIMING, NOW)[0].phase == "awaiting"


def test_a_newborn_that_dies_is_followed_a_few_times_and_forced_once() -> None:
    attempt, _ = react(begun(force=True), taken(1, "gone"))
    forced = []
    for pid in range(99, 99 + BIRTHS):
        attempt, _ = react(attempt, Born("trigger", pid, 990))
        attempt, actions = react(attempt, Died("trigger", pid))
        if attempt.phase == "birthing":
            assert not actions
            attempt, (birth,) = restart.advance(attempt, DOWN, TIMING, NOW + 0.01)
            assert isinstance(birth, Birth)
            forced.append(birth.force)
    assert attempt.phase == "failed"
    assert forced == [False] * (BIRTHS - 1), "after the first, births meet the start intensity"


def test_a_newborn_that_is_stopped_is_killed() -> None:
    newborn = peer(state="down", evidence="stopped", pid=99, start_ticks=990, heard=False)
    attempt, actions = restart.advance(awaiting(), newborn, TIMING, NOW)
    assert (attempt.phase, actions) == ("killing", (Kill("trigger", 99, 990),))


def test_a_newborn_that_does_not_become_healthy_in_time_fails_the_attempt() -> None:
    attempt, actions = restart.advance(awaiting(), DOWN, TIMING, NOW + restart.BIRTH_FLOOR_S)
    assert (attempt.phase, actions) == ("failed", (DropLock("trigger"),))


def test_a_lock_that_comes_when_it_is_not_needed_any_more_is_dropped() -> None:
    risen, _ = liveness.hear(DOWN, beat("trigger", 2), NOW)
    over, actions = restart.advance(begun(), risen, TIMING, NOW)
    assert (over.phase, actions) == ("done", ())
    assert react(over, taken(2, "running"), risen) == (over, (DropLock("trigger"),))


def test_nothing_is_born_above_what_is_known() -> None:
    _, actions = react(begun(dead=3), taken(2, "gone"), peer(state="down", evidence="exit", incarnation=5))
    assert actions == (Birth("trigger", "r", 5, False),)


def test_a_vote_that_was_long_ago_kills_nobody() -> None:
    voted = peer(state="down", evidence="heartbeat", down_at=NOW - 5 * TIMING.interval)
    attempt, actions = react(begun(), taken(1, "running"), voted)
    assert (attempt.phase, actions) == ("failed", (DropLock("trigger"),))
    fresh = peer(state="down", evidence="heartbeat", down_at=NOW - TIMING.interval)
    assert isinstance(react(begun(), taken(1, "running"), fresh)[1][0], Kill)
